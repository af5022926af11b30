#include <algorithm>
#include <bit>
#include <queue>

#include "echelon/base/error.h"
#include "echelon/base/file.h"
#include "echelon/data/tokenizer.h"
#include "pair_table.h"
#include "tokenizer_json.h"

namespace echelon::data {

namespace {

class BpeTokenizer final : public Tokenizer {
 public:
  explicit BpeTokenizer(BpeModel model) : model_(std::move(model)), pairs_(model_.merges) {
    if (model_.ignore_merges)
      for (size_t id = 0; id < model_.tokens.size(); ++id)
        if (!model_.specials.contains(model_.tokens[id]))
          whole_.emplace(model_.tokens[id], static_cast<int32_t>(id));
  }

  std::vector<int32_t> encode(std::string_view text) const override {
    std::vector<int32_t> ids;
    ids.reserve(text.size() / 2);
    encode_into(text, ids);
    return ids;
  }

  std::vector<int32_t> encode_with_specials(std::string_view text) const override {
    std::vector<int32_t> ids;
    size_t plain = 0;
    for (size_t i = 0; i < text.size();) {
      const auto [name, id] = special_at(text.substr(i));
      if (name.empty()) {
        ++i;
        continue;
      }
      encode_into(text.substr(plain, i - plain), ids);
      ids.push_back(id);
      plain = i += name.size();
    }
    encode_into(text.substr(plain), ids);
    return ids;
  }

  std::string decode(std::span<const int32_t> ids) const override {
    std::string out;
    for (const int32_t id : ids) {
      if (id < 0 || id >= vocab_size())
        fail(ExitCode::data, "D3", "tokenizer {}: found id {}, wanted 0 to {}", name(), id,
             vocab_size() - 1);
      out += model_.tokens[static_cast<size_t>(id)];
    }
    return out;
  }

  int64_t vocab_size() const override { return static_cast<int64_t>(model_.tokens.size()); }
  int32_t end_of_text() const override { return model_.end_of_text; }
  std::string name() const override { return model_.merges.empty() ? "byte" : "bpe"; }
  std::string json() const override { return tokenizer_json(model_); }

  size_t safe_cut(std::string_view text, size_t at) const override {
    if (model_.merges.empty() && !model_.ignore_merges) return at;
    if (model_.splitter == Splitter::none) return 0;
    // Every pattern ends a piece between a visible character and a space before a letter or digit,
    // and between a lone line end and a visible character.
    const auto visible = [&](size_t i) { return text[i] > ' ' && text[i] < 0x7F; };
    const auto word = [&](size_t i) {
      const char lower = static_cast<char>(text[i] | 0x20);
      return (lower >= 'a' && lower <= 'z') || (text[i] >= '0' && text[i] <= '9');
    };
    for (size_t i = std::min(at, text.size()); i-- > 2;) {
      if (i + 1 < text.size() && text[i] == ' ' && visible(i - 1) && word(i + 1)) return i;
      if (text[i - 1] == '\n' && visible(i - 2) && visible(i)) return i;
    }
    return 0;
  }

 private:
  std::pair<std::string_view, int32_t> special_at(std::string_view text) const {
    std::pair<std::string_view, int32_t> longest{"", -1};
    for (const auto& [name, id] : model_.specials)
      if (name.size() > longest.first.size() && text.starts_with(name)) longest = {name, id};
    return longest;
  }

  void encode_into(std::string_view text, std::vector<int32_t>& ids) const {
    if (model_.merges.empty() && !model_.ignore_merges) {
      for (const char c : text) ids.push_back(byte_id(c));
      return;
    }
    std::vector<int32_t> piece;
    for (const std::string_view bytes : split_text(text, model_.splitter)) {
      if (model_.ignore_merges)
        if (const auto whole = whole_.find(bytes); whole != whole_.end()) {
          ids.push_back(whole->second);
          continue;
        }
      piece.clear();
      for (const char c : bytes) piece.push_back(byte_id(c));
      if (piece.size() <= kShort)
        merge_short(piece);
      else
        merge_long(piece);
      ids.insert(ids.end(), piece.begin(), piece.end());
    }
  }

  int32_t byte_id(char c) const { return model_.byte_ids[static_cast<uint8_t>(c)]; }

  /// Quadratic, without allocation: the usual word.
  void merge_short(std::vector<int32_t>& piece) const {
    std::array<int32_t, kShort> ranks;
    size_t n = piece.size();
    for (size_t i = 0; i + 1 < n; ++i) ranks[i] = pairs_.rank(piece[i], piece[i + 1]);
    while (n > 1) {
      const auto best =
          std::min_element(ranks.begin(), ranks.begin() + static_cast<ptrdiff_t>(n - 1));
      if (*best == PairTable::kNone) break;
      const auto i = static_cast<size_t>(best - ranks.begin());
      piece[i] = model_.merges[static_cast<size_t>(*best)].result;
      std::copy(piece.begin() + static_cast<ptrdiff_t>(i + 2),
                piece.begin() + static_cast<ptrdiff_t>(n),
                piece.begin() + static_cast<ptrdiff_t>(i + 1));
      std::copy(ranks.begin() + static_cast<ptrdiff_t>(i + 1),
                ranks.begin() + static_cast<ptrdiff_t>(n - 1),
                ranks.begin() + static_cast<ptrdiff_t>(i));
      --n;
      if (i > 0) ranks[i - 1] = pairs_.rank(piece[i - 1], piece[i]);
      if (i + 1 < n) ranks[i] = pairs_.rank(piece[i], piece[i + 1]);
    }
    piece.resize(n);
  }

  /// O(n log n): a linked list and a heap of (rank, position); entries that no longer hold are
  /// skipped.
  void merge_long(std::vector<int32_t>& piece) const {
    constexpr int32_t kGone = -1;
    const size_t n = piece.size();
    std::vector<size_t> before(n), after(n);
    std::priority_queue<std::pair<int32_t, size_t>, std::vector<std::pair<int32_t, size_t>>,
                        std::greater<>>
        heap;
    const auto push = [&](size_t i) {
      if (after[i] >= n) return;
      if (const int32_t rank = pairs_.rank(piece[i], piece[after[i]]); rank != PairTable::kNone)
        heap.emplace(rank, i);
    };
    for (size_t i = 0; i < n; ++i) before[i] = i - 1, after[i] = i + 1;
    for (size_t i = 0; i < n; ++i) push(i);
    while (!heap.empty()) {
      const auto [rank, i] = heap.top();
      heap.pop();
      const auto& merge = model_.merges[static_cast<size_t>(rank)];
      const size_t j = after[i];
      if (piece[i] != merge.left || j >= n || piece[j] != merge.right) continue;
      piece[i] = merge.result;
      piece[j] = kGone;
      after[i] = after[j];
      if (after[i] < n) before[after[i]] = i;
      if (before[i] < n) push(before[i]);
      push(i);
    }
    std::erase(piece, kGone);
  }

  static constexpr size_t kShort = 48;
  BpeModel model_;
  PairTable pairs_;
  std::map<std::string, int32_t, std::less<>> whole_;
};

}  // namespace

std::unique_ptr<Tokenizer> make_bpe_tokenizer(BpeModel model) {
  return std::make_unique<BpeTokenizer>(std::move(model));
}

std::unique_ptr<Tokenizer> make_byte_tokenizer() {
  BpeModel model;
  for (int32_t b = 0; b < 256; ++b) {
    model.tokens.emplace_back(1, static_cast<char>(b));
    model.byte_ids[static_cast<size_t>(b)] = b;
  }
  model.end_of_text = 256;
  model.tokens.emplace_back("<|endoftext|>");
  model.specials.emplace("<|endoftext|>", 256);
  return make_bpe_tokenizer(std::move(model));
}

std::string Tokenizer::digest() const {
  const std::string text = json();
  return sha256_hex(std::as_bytes(std::span(text.data(), text.size())));
}
void Tokenizer::save(const std::filesystem::path& path) const {
  write_file_atomically(path, json());
}

}  // namespace echelon::data
