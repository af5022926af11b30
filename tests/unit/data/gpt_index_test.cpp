#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>

#include "data_support.h"
#include "echelon/data/gpt_index.h"
#include "src/data/sample_source.h"

using namespace echelon;
using namespace echelon::data;
using namespace echelon::data::test;

TEST_CASE("The shuffle equals numpy's RandomState", "[data]") {
  std::vector<int32_t> items(20);
  std::iota(items.begin(), items.end(), 0);
  std::mt19937 rng(1234);
  numpy_shuffle(std::span(items), rng);
  CHECK(items == golden_json("data/shuffle_1234_20.json").get<std::vector<int32_t>>());
}

TEST_CASE("Draws above 2^32 use two outputs, high word first", "[data]") {
  std::mt19937 rng(7), reference(7);
  const uint64_t top = uint64_t{1} << 40;
  for (int i = 0; i < 100; ++i) {
    uint64_t wanted;
    do {
      const uint64_t high = reference(), low = reference();
      wanted = (high << 32 | low) & ((uint64_t{1} << 41) - 1);
    } while (wanted > top);
    CHECK(draw_up_to(rng, top) == wanted);
  }
}

TEST_CASE("Splits cut as Megatron cuts", "[data]") {
  const auto split = [](std::vector<double> shares, int64_t n) { return split_ranges(shares, n); };
  using Ranges = std::array<std::optional<Range>, 3>;
  CHECK(split({99, 1, 0}, 1000) == Ranges{Range(0, 990), Range(990, 1000), std::nullopt});
  CHECK(split({969, 30, 1}, 6) == Ranges{Range(0, 6), Range(6, 6), Range(6, 6)});
  CHECK(split({1, 1}, 5) == Ranges{Range(0, 2), Range(2, 5), std::nullopt});
  CHECK(split({100}, 7) == Ranges{Range(0, 7), std::nullopt, std::nullopt});
  for (const auto& bad : {std::vector<double>{}, {0, 0, 0}, {1, 1, 1, 1}, {-1, 2}, {NAN, 1}})
    CHECK(failure_of([&] { split_ranges(bad, 10); }).code == ExitCode::config);
}

TEST_CASE("Document, sample and shuffle indices equal Megatron's, and so do the samples",
          "[data]") {
  const auto file = open_token_file(golden("data/toy_text_document"));
  const auto cases = golden_json("data/gpt_indices.json")["cases"];
  REQUIRE(cases.size() == 6);
  for (const auto& c : cases) {
    GptIndexOptions options{{c["first"], c["last"]}, c["seq_len"], std::nullopt};
    options.seed = c["seed"];
    options.drop_last = c["drop_last"];
    if (!c["n_samples"].is_null()) options.samples = c["n_samples"].get<int64_t>();
    const GptIndex index = build_gpt_index(*file, options);
    const auto& wanted = c["indices"];
    CHECK(index.epochs == wanted["epochs"].get<int64_t>());
    CHECK(index.separate_last_epoch == wanted["separate"].get<bool>());
    CHECK(index.document == wanted["document"].get<std::vector<int32_t>>());
    CHECK(index.shuffle == wanted["shuffle"].get<std::vector<uint32_t>>());
    REQUIRE(index.sample.size() == wanted["sample"].size());
    for (size_t i = 0; i < index.sample.size(); ++i) {
      CHECK(index.sample[i].position == wanted["sample"][i][0].get<uint32_t>());
      CHECK(index.sample[i].offset == wanted["sample"][i][1].get<int32_t>());
    }
    for (size_t k = 0; k < index.shuffle.size(); ++k) {
      std::vector<int32_t> sample(static_cast<size_t>(options.seq_length) + 1, -1);
      const int64_t n = read_gpt_sample(*file, index, static_cast<int64_t>(k), sample, 100);
      std::fill(sample.begin() + n, sample.end(), -1);
      CHECK(sample == c["samples"][k].get<std::vector<int32_t>>());
    }
  }
}

TEST_CASE("Blends pick as Megatron picks", "[data]") {
  const auto vectors = golden_json("data/blends.json");
  for (const auto& b : vectors["blends"]) {
    const Blend got = blend(b["weights"].get<std::vector<double>>(), b["size"]);
    CHECK(got.dataset == b["dataset"].get<std::vector<int16_t>>());
    CHECK(got.sample == b["sample"].get<std::vector<int64_t>>());
  }
  const auto& all = vectors["exhaustive"];
  const Blend got = blend_exhaustive(all["sizes"].get<std::vector<int64_t>>());
  CHECK(got.dataset == all["dataset"].get<std::vector<int16_t>>());
  CHECK(got.sample == all["sample"].get<std::vector<int64_t>>());
  const auto w = normalized_weights(std::vector<double>{30, 70});
  CHECK(blend_share(w[0], 10) == std::pair<int64_t, int64_t>(3, 4));
  CHECK(blend_share(w[1], 10) == std::pair<int64_t, int64_t>(7, 8));
}

TEST_CASE("fault_D4_D10 a range without tokens, or shorter than one sample, is refused", "[data]") {
  const Folder folder;
  write_documents(folder / "t", {{}, {}, {1, 2, 3}}, {.vocab_size = 10});
  const auto file = open_token_file(folder / "t");
  CHECK(failure_of([&] { build_gpt_index(*file, {{0, 2}, 2, std::nullopt}); }).id == "D4");
  CHECK(failure_of([&] { build_gpt_index(*file, {{0, 3}, 3, std::nullopt}); }).id == "D10");
  CHECK(build_gpt_index(*file, {{0, 3}, 2, std::nullopt}).shuffle.size() == 1);
  CHECK(build_gpt_index(*file, {{0, 3}, 7, 4}).shuffle.size() >=
        4);  // several epochs make one sample
}

TEST_CASE("The Feistel order is a permutation that depends on seed and stream", "[data]") {
  for (const uint64_t n :
       {uint64_t{1}, uint64_t{2}, uint64_t{3}, uint64_t{64}, uint64_t{65}, uint64_t{5000}}) {
    std::vector<uint64_t> order(n);
    for (uint64_t k = 0; k < n; ++k) order[k] = feistel(k, n, 7, 1);
    auto sorted = order;
    std::sort(sorted.begin(), sorted.end());
    for (uint64_t k = 0; k < n; ++k) REQUIRE(sorted[k] == k);
    if (n < 5000) continue;
    uint64_t same_seed = 0, same_stream = 0, fixed = 0, ascents = 0;
    for (uint64_t k = 0; k < n; ++k) {
      same_seed += feistel(k, n, 8, 1) == order[k];
      same_stream += feistel(k, n, 7, 2) == order[k];
      fixed += order[k] == k;
      ascents += k > 0 && order[k] > order[k - 1];
    }
    CHECK(same_seed < 10);  // about one is expected of independent permutations
    CHECK(same_stream < 10);
    CHECK(fixed < 10);
    CHECK(std::abs(static_cast<double>(ascents) - 2500) < 100);  // standard deviation 20
  }
  CHECK(feistel((uint64_t{1} << 40) - 5, uint64_t{1} << 40, 1, 2) < uint64_t{1} << 40);
}
