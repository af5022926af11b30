#include <algorithm>
#include <queue>
#include <unordered_map>

#include "echelon/data/tokenizer.h"

namespace echelon::data {

namespace {

using Pair = std::pair<int32_t, int32_t>;
struct PairHash {
  size_t operator()(const Pair& p) const {
    return (uint64_t{static_cast<uint32_t>(p.first)} << 32 | static_cast<uint32_t>(p.second)) *
           0x9E3779B97F4A7C15u;
  }
};

struct Word {
  std::vector<int32_t> ids;
  int64_t count;
};

/// Calls f(pair) for each adjacent pair; in a run of equal ids every second one only.
template <class F>
void each_pair(const std::vector<int32_t>& ids, F&& f) {
  for (size_t i = 0; i + 1 < ids.size(); ++i) {
    f(Pair(ids[i], ids[i + 1]));
    if (ids[i] == ids[i + 1] && i + 2 < ids.size() && ids[i + 2] == ids[i]) {
      ++i;  // the pair (i+1, i+2) shares an id with this one
    }
  }
}

void replace_pair(std::vector<int32_t>& ids, Pair pair, int32_t id) {
  size_t to = 0;
  for (size_t i = 0; i < ids.size(); ++to) {
    const bool hit = i + 1 < ids.size() && ids[i] == pair.first && ids[i + 1] == pair.second;
    ids[to] = hit ? id : ids[i];
    i += hit ? 2 : 1;
  }
  ids.resize(to);
}

class Counts {
 public:
  explicit Counts(std::vector<Word> words) : words_(std::move(words)) {
    for (size_t w = 0; w < words_.size(); ++w) add(w, 1);
    publish();
  }

  /// Most frequent pair, ties by smaller first then second id; count 0 when there is none.
  std::pair<Pair, int64_t> best() {
    while (!heap_.empty()) {
      const auto [count, negative] = heap_.top();
      const Pair pair(-negative.first, -negative.second);
      if (const auto now = count_.find(pair); now != count_.end() && now->second == count)
        return {pair, count};
      heap_.pop();
    }
    return {{}, 0};
  }

  void merge(Pair pair, int32_t id) {
    auto users = std::move(users_[pair]);
    users_.erase(pair);
    std::sort(users.begin(), users.end());
    users.erase(std::unique(users.begin(), users.end()), users.end());
    for (const size_t w : users) {
      add(w, -1);
      replace_pair(words_[w].ids, pair, id);
      add(w, 1);
    }
    publish();
  }

 private:
  void add(size_t w, int64_t sign) {
    each_pair(words_[w].ids, [&](Pair pair) {
      count_[pair] += sign * words_[w].count;
      changed_.push_back(pair);
      if (sign > 0)
        if (auto& users = users_[pair]; users.empty() || users.back() != w) users.push_back(w);
    });
  }
  void publish() {
    std::sort(changed_.begin(), changed_.end());
    changed_.erase(std::unique(changed_.begin(), changed_.end()), changed_.end());
    for (const Pair& pair : changed_) {
      const auto now = count_.find(pair);
      if (now->second > 0)
        heap_.emplace(now->second, Pair(-pair.first, -pair.second));
      else
        count_.erase(now);
    }
    changed_.clear();
  }

  std::vector<Word> words_;
  std::unordered_map<Pair, int64_t, PairHash> count_;
  std::unordered_map<Pair, std::vector<size_t>, PairHash>
      users_;  // words that hold, or once held, a pair
  std::vector<Pair> changed_;
  std::priority_queue<std::pair<int64_t, Pair>> heap_;  // ids negated: smaller ones win ties
};

}  // namespace

void BpeTrainer::add(std::string_view text) {
  for (const auto piece : split_text(text, splitter_)) {
    const auto found = pieces_.find(piece);
    if (found == pieces_.end())
      pieces_.emplace(piece, 1);
    else
      ++found->second;
  }
}

BpeModel BpeTrainer::train(int64_t merges) const {
  BpeModel model;
  model.splitter = splitter_;
  std::unordered_map<std::string, int32_t> id_of;
  for (int32_t b = 0; b < 256; ++b) {
    model.tokens.emplace_back(1, static_cast<char>(b));
    model.byte_ids[static_cast<size_t>(b)] = b;
    id_of.emplace(model.tokens.back(), b);
  }
  std::vector<Word> words;
  for (const auto& [piece, count] : pieces_) {
    Word word{{}, count};
    for (const char c : piece) word.ids.push_back(static_cast<uint8_t>(c));
    words.push_back(std::move(word));
  }
  Counts counts(std::move(words));
  while (static_cast<int64_t>(model.merges.size()) < merges) {
    const auto [pair, count] = counts.best();
    if (count < 2) break;
    const auto& token = [&](int32_t id) -> const std::string& {
      return model.tokens[static_cast<size_t>(id)];
    };
    const std::string merged = token(pair.first) + token(pair.second);
    // Two merges may spell the same bytes; both then give the one id a vocabulary can hold.
    const auto [known, is_new] = id_of.emplace(merged, static_cast<int32_t>(model.tokens.size()));
    if (is_new) model.tokens.push_back(merged);
    model.merges.push_back({pair.first, pair.second, known->second});
    counts.merge(pair, known->second);
  }
  const std::string end = "<|endoftext|>";
  model.end_of_text = static_cast<int32_t>(model.tokens.size());
  model.tokens.push_back(end);
  model.specials.emplace(end, model.end_of_text);
  return model;
}

}  // namespace echelon::data
