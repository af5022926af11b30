#include "echelon/data/tokenizer.h"

#include <catch2/catch.hpp>
#include <map>
#include <numeric>
#include <random>

#include "data_support.h"

using namespace echelon;
using namespace echelon::data;
using namespace echelon::data::test;
using Catch::Matchers::Contains;
using Ids = std::vector<int32_t>;

namespace {

std::vector<std::string> pieces(const std::string& text, Splitter splitter) {
  const auto views = split_text(text, splitter);
  return {views.begin(), views.end()};
}

/// Repeatedly the pair of lowest rank, leftmost first: the definition.
Ids merge_naively(Ids ids, const std::vector<BpeModel::Merge>& merges) {
  for (;;) {
    size_t best = merges.size(), at = 0;
    for (size_t i = 0; i + 1 < ids.size(); ++i)
      for (size_t r = 0; r < best; ++r)
        if (merges[r].left == ids[i] && merges[r].right == ids[i + 1]) best = r, at = i;
    if (best == merges.size()) return ids;
    ids[at] = merges[best].result;
    ids.erase(ids.begin() + static_cast<ptrdiff_t>(at) + 1);
  }
}

BpeModel byte_model() {
  BpeModel model;
  for (int32_t b = 0; b < 256; ++b) {
    model.tokens.emplace_back(1, static_cast<char>(b));
    model.byte_ids[static_cast<size_t>(b)] = b;
  }
  return model;
}

std::string changed(const std::string& json, const std::string& from, const std::string& to) {
  const size_t at = json.find(from);
  REQUIRE(at != std::string::npos);
  return std::string(json).replace(at, from.size(), to);
}

}  // namespace

TEST_CASE("The scanners cut as the published patterns do", "[data]") {
  for (const auto& c : golden_json("tokenizer/cases.json")) {
    const auto text = c["text"].get<std::string>();
    CAPTURE(text);
    CHECK(pieces(text, Splitter::gpt2) == c["gpt2"].get<std::vector<std::string>>());
    CHECK(pieces(text, Splitter::llama3) == c["llama3"].get<std::vector<std::string>>());
    CHECK(pieces(text, Splitter::qwen2) == c["qwen2"].get<std::vector<std::string>>());
  }
}

TEST_CASE("GPT-2 files and both kinds of tokenizer.json give the reference's ids", "[data]") {
  const auto gpt2 =
      load_gpt2_tokenizer(golden("tokenizer/vocab.json"), golden("tokenizer/merges.txt"));
  const auto json = load_tokenizer(golden("tokenizer/gpt2.json"));
  CHECK(gpt2->vocab_size() == json->vocab_size());
  CHECK(gpt2->end_of_text() == gpt2->vocab_size() - 1);
  CHECK(json->end_of_text() == gpt2->end_of_text());
  for (const auto& c : golden_json("tokenizer/cases.json")) {
    const auto text = c["text"].get<std::string>();
    CHECK(gpt2->encode(text) == c["ids"].get<Ids>());
    CHECK(json->encode(text) == c["ids"].get<Ids>());
    CHECK(gpt2->decode(gpt2->encode(text)) == text);
  }
  // Another splitter, the same merges: each of its pieces merges to what the GPT-2 files make of
  // it.
  const auto llama = load_tokenizer(golden("tokenizer/llama3.json"));
  for (const auto& c : golden_json("tokenizer/cases.json")) {
    const auto text = c["text"].get<std::string>();
    CHECK(llama->decode(llama->encode(text)) == text);
    if (c["llama3"] == c["gpt2"]) CHECK(llama->encode(text) == c["ids"].get<Ids>());
  }
}

TEST_CASE("Saving and loading a tokenizer keeps ids and digest", "[data]") {
  const Folder folder;
  std::vector<std::unique_ptr<Tokenizer>> all;
  all.push_back(make_byte_tokenizer());
  all.push_back(load_tokenizer(golden("tokenizer/gpt2.json")));
  all.push_back(load_tokenizer(golden("tokenizer/llama3.json")));
  for (const auto& one : all) {
    one->save(folder / "t.json");
    const auto again = load_tokenizer(folder / "t.json");
    CHECK(again->digest() == one->digest());
    CHECK(again->name() == one->name());
    CHECK(again->vocab_size() == one->vocab_size());
    CHECK(again->end_of_text() == one->end_of_text());
    const std::string text = "It's 1234 caf\xC3\xA9s,\n\n  \xF0\x9F\x91\xA9!";
    CHECK(again->encode(text) == one->encode(text));
  }
  CHECK(all[0]->digest() != all[1]->digest());
}

TEST_CASE("The byte tokenizer has 257 ids and keeps any bytes", "[data]") {
  const auto bytes = make_byte_tokenizer();
  CHECK(bytes->vocab_size() == 257);
  CHECK(bytes->end_of_text() == 256);
  std::string all;
  for (int b = 0; b < 256; ++b) all += static_cast<char>(b);
  Ids ids(256);
  std::iota(ids.begin(), ids.end(), 0);
  CHECK(bytes->encode(all) == ids);
  CHECK(bytes->decode(ids) == all);
  CHECK(failure_of([&] { bytes->decode(Ids{257}); }).code == ExitCode::data);
  CHECK(failure_of([&] { bytes->decode(Ids{-1}); }).code == ExitCode::data);
}

TEST_CASE("Short and long pieces merge as the naive loop does", "[data]") {
  std::mt19937 rng(11);
  const auto below = [&](uint32_t n) { return static_cast<int32_t>(rng() % n); };
  for (int round = 0; round < 300; ++round) {
    BpeModel model = byte_model();
    for (int m = 0; m < 12; ++m) {
      const auto pick = [&] {
        const int32_t n = below(5 + static_cast<uint32_t>(model.merges.size()));
        return n < 5 ? 'a' + n : 256 + n - 5;
      };
      const int32_t left = pick(), right = pick();
      const bool known = std::any_of(model.merges.begin(), model.merges.end(), [&](const auto& x) {
        return x.left == left && x.right == right;
      });
      if (known) continue;
      model.merges.push_back({left, right, static_cast<int32_t>(model.tokens.size())});
      model.tokens.push_back(model.tokens[static_cast<size_t>(left)] +
                             model.tokens[static_cast<size_t>(right)]);
    }
    const auto merges = model.merges;
    const auto tokenizer = make_bpe_tokenizer(std::move(model));
    for (const int32_t length : {1 + below(12), 40 + below(20), 200}) {
      std::string text;
      for (int32_t i = 0; i < length; ++i)
        text += static_cast<char>('a' + below(round % 2 ? 5 : 2));
      const Ids got = tokenizer->encode(text);
      CHECK(got == merge_naively(Ids(text.begin(), text.end()), merges));
      CHECK(tokenizer->decode(got) == text);
    }
  }
}

TEST_CASE("Special tokens are found leftmost-longest, and only when asked", "[data]") {
  BpeModel model = byte_model();
  model.specials = {{"<|endoftext|>", 256}, {"<|end", 257}};
  model.tokens.insert(model.tokens.end(), {"<|endoftext|>", "<|end"});
  const auto tokenizer = make_bpe_tokenizer(std::move(model));
  CHECK(tokenizer->encode_with_specials("a<|endoftext|><|end b") == Ids{'a', 256, 257, ' ', 'b'});
  CHECK(tokenizer->encode("<|end").size() == 5);
  CHECK(tokenizer->decode(Ids{256, 'x'}) == "<|endoftext|>x");
}

TEST_CASE("Training gives the reference's rules and ids", "[data]") {
  const auto golden_bpe = golden_json("tokenizer/bpe_training.json");
  BpeTrainer trainer(Splitter::none);
  const auto text = golden_bpe["inputs"]["text"].get<std::string>();
  trainer.add(text);
  BpeModel model = trainer.train(golden_bpe["config"]["merges"]);
  const auto& expected = golden_bpe["expected"];
  REQUIRE(model.merges.size() == expected["rules"].size());
  for (size_t i = 0; i < model.merges.size(); ++i) {
    CHECK(model.merges[i].left == expected["rules"][i][0].get<int32_t>());
    CHECK(model.merges[i].right == expected["rules"][i][1].get<int32_t>());
    CHECK(model.merges[i].result == 256 + static_cast<int32_t>(i));
  }
  CHECK(model.end_of_text == 256 + static_cast<int32_t>(model.merges.size()));
  const auto tokenizer = make_bpe_tokenizer(std::move(model));
  CHECK(tokenizer->encode(text) == expected["ids"].get<Ids>());
  CHECK(tokenizer->encode("the tat\xC3\xA9") == expected["encode_unseen"].get<Ids>());
}

TEST_CASE("Training over pieces equals counting everything anew for each merge", "[data]") {
  std::mt19937 rng(5);
  const Folder folder;
  for (int round = 0; round < 20; ++round) {
    std::string text;
    for (int i = 0; i < 400; ++i) text += "aaab c\n"[rng() % 7];
    BpeTrainer trainer(Splitter::gpt2);
    trainer.add(text);
    const BpeModel model = trainer.train(25);

    std::vector<Ids> words;
    for (const auto piece : split_text(text, Splitter::gpt2)) {
      words.emplace_back();
      for (const char c : piece) words.back().push_back(static_cast<uint8_t>(c));
    }
    for (size_t m = 0;; ++m) {
      std::map<std::pair<int32_t, int32_t>, int64_t> count;
      for (const auto& w : words)
        for (size_t i = 0; i + 1 < w.size(); ++i) {
          ++count[{w[i], w[i + 1]}];
          if (i + 2 < w.size() && w[i] == w[i + 1] && w[i + 1] == w[i + 2]) ++i;
        }
      std::pair<int32_t, int32_t> best;
      int64_t most = 1;
      for (const auto& [pair, n] : count)
        if (n > most) best = pair, most = n;
      if (m == 25 || most < 2) {
        CHECK(m == model.merges.size());
        break;
      }
      REQUIRE(m < model.merges.size());
      CHECK(model.merges[m].left == best.first);
      CHECK(model.merges[m].right == best.second);
      for (auto& w : words)
        w = merge_naively(w, {{best.first, best.second, model.merges[m].result}});
    }
    const auto tokenizer = make_bpe_tokenizer(model);
    CHECK(tokenizer->decode(tokenizer->encode(text)) == text);
    tokenizer->save(folder / "t.json");
    CHECK(load_tokenizer(folder / "t.json")->encode(text) == tokenizer->encode(text));
  }
}

TEST_CASE("Ill-formed UTF-8 is replaced as browsers do", "[data]") {
  for (const auto& c : golden_json("tokenizer/utf8_lossy.json")) {
    const auto hex = c[0].get<std::string>();
    std::string bytes;
    for (size_t i = 0; i < hex.size(); i += 2)
      bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
    CAPTURE(hex);
    CHECK(utf8_lossy(bytes) == c[1].get<std::string>());
    const auto tokenizer = make_byte_tokenizer();
    StreamDecoder stream(*tokenizer);
    std::string joined;
    for (const int32_t id : tokenizer->encode(bytes)) joined += stream.push(id);
    joined += stream.finish();
    CHECK(joined == c[1].get<std::string>());
  }
}

TEST_CASE("Streaming output holds back an unfinished character only", "[data]") {
  const auto tokenizer = make_byte_tokenizer();
  StreamDecoder stream(*tokenizer);
  CHECK(stream.push('a') == "a");
  CHECK(stream.push(0xE6) == "");
  CHECK(stream.push(0x97) == "");
  CHECK(stream.push(0xA5) == "\xE6\x97\xA5");
  CHECK(stream.push(0xE6) == "");
  CHECK(stream.push('b') ==
        "\xEF\xBF\xBD"
        "b");
  CHECK(stream.push(0xF0) == "");
  CHECK(stream.finish() == "\xEF\xBF\xBD");
}

TEST_CASE("A text may be cut where the tokenizer says so", "[data]") {
  const auto bpe = load_tokenizer(golden("tokenizer/gpt2.json")),
             llama = load_tokenizer(golden("tokenizer/llama3.json"));
  std::mt19937 rng(3);
  const std::string alphabet = "ab1 '\n\r\t.s!\xC3\xA9";
  size_t cuts = 0;
  for (const auto* tokenizer : {bpe.get(), llama.get()})
    for (int round = 0; round < 500; ++round) {
      std::string text;
      for (int i = 0; i < 40; ++i) text += alphabet[rng() % alphabet.size()];
      const size_t cut = tokenizer->safe_cut(text, text.size());
      if (cut == 0) continue;
      ++cuts;
      Ids joined = tokenizer->encode(text.substr(0, cut));
      const Ids rest = tokenizer->encode(text.substr(cut));
      joined.insert(joined.end(), rest.begin(), rest.end());
      CHECK(joined == tokenizer->encode(text));
    }
  CHECK(cuts > 500);
}

TEST_CASE("Unsupported or broken tokenizer files are refused by the part at fault", "[data]") {
  const Folder folder;
  const std::string good = slurp(golden("tokenizer/gpt2.json"));
  const auto refused = [&](const std::string& json) {
    spill(folder / "t.json", json);
    const auto failure = failure_of([&] { load_tokenizer(folder / "t.json"); });
    CHECK(failure.code == ExitCode::data);
    return failure.text;
  };
  CHECK_THAT(refused(changed(good, R"("normalizer": null)", R"("normalizer": {"type": "NFC"})")),
             Contains("normalizer"));
  CHECK_THAT(refused(changed(good, R"("type": "BPE")", R"("type": "Unigram")")),
             Contains("Unigram"));
  CHECK_THAT(refused(changed(good, R"("dropout": null)", R"("dropout": 0.5)")),
             Contains("dropout"));
  CHECK_THAT(refused(changed(good, R"("byte_fallback": false)", R"("byte_fallback": true)")),
             Contains("byte_fallback"));
  CHECK_THAT(refused(changed(good, R"("add_prefix_space": false)", R"("add_prefix_space": true)")),
             Contains("add_prefix_space"));
  CHECK_THAT(refused(changed(good, R"("version": "1.0")", R"("version": "1.0", "version": "1.0")")),
             Contains("twice"));
  CHECK_THAT(refused(changed(good, R"("!": 0)", R"("!": 1)")), Contains("twice"));
  CHECK_THAT(refused(changed(good, R"("!": 0)", R"("!": -1)")), Contains("id -1"));
  CHECK_THAT(refused(changed(good, R"("!": 0)", R"("!!": 0)")), Contains("no token for byte 33"));
  for (const size_t cut : {size_t{0}, size_t{1}, good.size() / 2, good.size() - 2})
    refused(good.substr(0, cut));
  refused("[]");
  refused(std::string(1000, '['));
  refused("{\"model\": 3}");
  const std::string merges = slurp(golden("tokenizer/merges.txt"));
  spill(folder / "m.txt", merges + "zz yy\n");
  CHECK_THAT(failure_of([&] {
               load_gpt2_tokenizer(golden("tokenizer/vocab.json"), folder / "m.txt");
             }).text,
             Contains("m.txt") && Contains("line 114"));
}
