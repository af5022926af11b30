#include "echelon/data/loader.h"

#include <catch2/catch.hpp>
#include <set>

#include "data_support.h"
#include "echelon/data/meta.h"

using namespace echelon;
using namespace echelon::data;
using namespace echelon::data::test;
using Catch::Matchers::Contains;

namespace {

std::vector<int32_t> values(const Tensor& t) {
  const auto s = t.span<int32_t>();
  return {s.begin(), s.end()};
}

/// Three counting data sets in a folder and a configuration over them.
struct Fixture {
  Folder folder;
  std::shared_ptr<Allocator> host = make_cpu_allocator();
  DataConfig config;
  LoaderOptions options{Split::train, 8, 3000, 42, 64};
  explicit Fixture(Order order = Order::counter, int sets = 1) {
    config.order = order;
    config.split = {1};
    for (int s = 0; s < sets; ++s) {
      const std::string prefix = folder / ("set" + std::to_string(s));
      write_counting(prefix, 1000 + 100 * s, 37);
      if (sets > 1) config.data_path.push_back(std::to_string(s + 1));
      config.data_path.push_back(prefix);
    }
  }
  Loader loader() { return Loader(config, options, *host); }
};

}  // namespace

TEST_CASE("A pass of the counter order shows every window once and each epoch differs", "[data]") {
  Fixture f;
  auto loader = f.loader();
  const int64_t n = loader.samples_per_epoch();
  REQUIRE(n == 999 / 8);
  std::array<std::vector<int32_t>, 2> starts;
  for (int64_t epoch = 0; epoch < 2; ++epoch) {
    const Batch batch = loader.rows(epoch * n, n);
    const auto tokens = values(batch.tokens), targets = values(batch.targets);
    std::set<int32_t> seen;
    for (int64_t row = 0; row < n; ++row) {
      const auto at = static_cast<size_t>(row) * 8;
      seen.insert(tokens[at]);
      starts[static_cast<size_t>(epoch)].push_back(tokens[at]);
      for (size_t t = 0; t < 8; ++t) {
        CHECK(tokens[at + t] == tokens[at] + static_cast<int32_t>(t));
        CHECK(targets[at + t] == tokens[at + t] + 1);
      }
    }
    CHECK(seen.size() == static_cast<size_t>(n));
  }
  CHECK(starts[0] != starts[1]);
}

TEST_CASE("Rows do not depend on ranks, read-ahead, workers or restarts", "[data]") {
  const auto order = GENERATE(Order::counter, Order::megatron, Order::random, Order::sequential);
  const int sets = GENERATE(1, 3);
  Fixture f(order, sets);
  f.config.prefetch_batches = 0;
  auto plain = f.loader();
  constexpr int64_t kBatch = 8, kSteps = 6;
  std::vector<std::vector<int32_t>> tokens, targets;
  for (int64_t step = 0; step < kSteps; ++step) {
    const Batch whole = plain.rows(step * kBatch, kBatch);
    tokens.push_back(values(whole.tokens));
    targets.push_back(values(whole.targets));
  }
  for (const int64_t ranks : {1, 2, 4})
    for (const int64_t workers : {1, 4})
      for (const int64_t from : {int64_t{0}, int64_t{3}}) {
        f.config.prefetch_batches = 3;
        f.config.num_workers = workers;
        std::vector<Loader> loaders;
        for (int64_t r = 0; r < ranks; ++r) loaders.push_back(f.loader());
        for (int64_t step = from; step < kSteps; ++step) {
          std::vector<int32_t> joined, joined_targets;
          for (int64_t r = 0; r < ranks; ++r) {
            const int64_t each = kBatch / ranks;
            const Batch part = loaders[static_cast<size_t>(r)].rows(step * kBatch + r * each, each);
            const auto a = values(part.tokens), b = values(part.targets);
            joined.insert(joined.end(), a.begin(), a.end());
            joined_targets.insert(joined_targets.end(), b.begin(), b.end());
          }
          CHECK(joined == tokens[static_cast<size_t>(step)]);
          CHECK(joined_targets == targets[static_cast<size_t>(step)]);
        }
      }
}

TEST_CASE("A growing batch and jumps in the order give the addressed rows", "[data]") {
  Fixture f;
  auto ahead = f.loader();
  f.config.prefetch_batches = 0;
  auto plain = f.loader();
  int64_t first = 0;
  for (const int64_t count : {2, 2, 2, 4, 4, 4, 4, 8, 8, 1, 1, 1, 0, 3}) {
    CHECK(values(ahead.rows(first, count).tokens) == values(plain.rows(first, count).tokens));
    first += count;
  }
  for (const int64_t jump : {500, 0, 7, 14, 21, 28, 20})
    CHECK(values(ahead.rows(jump, 2).tokens) == values(plain.rows(jump, 2).tokens));
  CHECK(ahead.stall_seconds() > 0);
}

TEST_CASE("A counter blend takes from each set by weight and repeats none within a pass",
          "[data]") {
  Fixture f(Order::counter, 3);
  for (int s = 0; s < 3; ++s) {  // ids tell the set
    std::vector<int32_t> document(1001);
    for (size_t i = 0; i < document.size(); ++i) document[i] = static_cast<int32_t>(i) + 1000 * s;
    write_documents(f.folder / ("set" + std::to_string(s)), {document}, {.vocab_size = 65000});
  }
  f.options.vocab_size = 4000;
  auto loader = f.loader();
  constexpr int64_t kRows = 240;
  const auto tokens = values(loader.rows(0, kRows).tokens);
  std::array<std::multiset<int32_t>, 3> seen;
  for (size_t row = 0; row < kRows; ++row)
    seen[static_cast<size_t>(tokens[row * 8] / 1000)].insert(tokens[row * 8]);
  CHECK(seen[0].size() == 40);
  CHECK(seen[1].size() == 80);
  CHECK(seen[2].size() == 120);
  for (const auto& set : seen)
    CHECK(std::set<int32_t>(set.begin(), set.end()).size() == set.size());
}

TEST_CASE("Train, validation and test share no token", "[data]") {
  const auto order = GENERATE(Order::counter, Order::megatron);
  Fixture f(order);
  f.config.split = {70, 15, 15};
  f.options.samples = 0;
  std::set<int32_t> all;
  size_t sum = 0;
  for (const auto split : {Split::train, Split::valid, Split::test}) {
    f.options.split = split;
    auto loader = f.loader();
    const auto tokens = values(loader.rows(0, loader.samples_per_epoch()).tokens);
    const std::set<int32_t> mine(tokens.begin(), tokens.end());
    sum += mine.size();
    all.insert(mine.begin(), mine.end());
  }
  CHECK(all.size() == sum);
  CHECK(all.size() > 950);
}

TEST_CASE("Streams are split by tokens", "[data]") {
  Fixture f;
  std::vector<int32_t> stream(1000);
  for (size_t i = 0; i < stream.size(); ++i) stream[i] = static_cast<int32_t>(i);
  write_documents(f.folder / "raw", {stream}, {.format = FileFormat::raw_u16, .vocab_size = 1000});
  f.config.data_path = {f.folder / "raw.bin"};
  f.config.format = FileFormat::raw_u16;
  f.config.split = {0.9, 0.1};
  f.config.order = Order::sequential;
  f.options.split = Split::valid;
  auto loader = f.loader();
  CHECK(loader.tokens() == 100);
  CHECK(values(loader.rows(0, 1).tokens).front() == 900);
  CHECK_FALSE(has_split(f.config, Split::test));
  CHECK(has_split(f.config, Split::valid));
}

TEST_CASE("Separate paths replace the split", "[data]") {
  Fixture f(Order::sequential, 1);
  write_documents(f.folder / "v", {{7, 7, 7, 7, 7, 7, 7, 7, 7}}, {.vocab_size = 10});
  f.config.train_data_path = f.config.data_path;
  f.config.valid_data_path = {f.folder / "v"};
  CHECK(failure_of([&] { f.loader(); }).code == ExitCode::config);
  f.config.data_path.clear();
  CHECK(f.loader().samples_per_epoch() == 124);
  f.options.split = Split::valid;
  CHECK(values(f.loader().rows(0, 1).tokens) == std::vector<int32_t>(8, 7));
}

TEST_CASE("No loss where the input ends a document, when asked", "[data]") {
  Fixture f(Order::sequential);
  write_documents(f.folder / "e", {{1, 2, 3}, {4, 5, 6, 7, 8}},
                  {.vocab_size = 10, .end_of_text = 9});
  f.config.data_path = {f.folder / "e"};
  f.config.eod_mask_loss = true;
  CHECK_THAT(failure_of([&] { f.loader(); }).text, Contains("end_of_text"));
  f.config.end_of_text = 9;
  const Batch batch = f.loader().rows(0, 1);
  CHECK(values(batch.tokens) == std::vector<int32_t>{1, 2, 3, 9, 4, 5, 6, 7});
  CHECK(values(batch.targets) == std::vector<int32_t>{2, 3, 9, kIgnoreTarget, 5, 6, 7, 8});
}

TEST_CASE("An error found while reading ahead reaches the caller of its rows", "[data]") {
  Fixture f(Order::sequential);
  f.options.vocab_size = 300;  // rows from 37 on hold larger ids
  auto loader = f.loader();
  for (int64_t row = 0; row < 36; row += 4) CHECK_NOTHROW(loader.rows(row, 4));
  const auto failure = failure_of([&] { loader.rows(36, 4); });
  CHECK(failure.id == "D3");
  CHECK_THAT(failure.text, Contains("set0.bin") && Contains("byte 600"));
}

TEST_CASE("Bad weights and short sets are refused", "[data]") {
  Fixture f;
  const std::string path = f.config.data_path[0];
  for (const auto& bad : {std::vector<std::string>{"-1", path},
                          {"nan", path},
                          {"0", path},
                          {"inf", path, "1", path},
                          {"1", path, path}}) {
    f.config.data_path = bad;
    const auto failure = failure_of([&] { f.loader(); });
    CAPTURE(bad, failure.text);
    CHECK(failure.code == ExitCode::config);
    CHECK(failure.id == "D11");
  }
  f.config.data_path = {path};
  f.options.seq_length = 1000;
  CHECK(failure_of([&] { f.loader(); }).id == "D10");
  f.config.data_path.clear();
  CHECK(failure_of([&] { f.loader(); }).id == "D10");
}

TEST_CASE("Side files tell bytes per token and contradictions are refused", "[data]") {
  Fixture f;
  const std::string prefix = f.config.data_path[0];
  CHECK_FALSE(f.loader().bytes_per_token());
  TokenMeta meta{"bpe", "abc", 1000, 3, 1000, 28, 4500};
  spill(side_file(prefix, "meta.json"), to_json(meta));
  auto loader = f.loader();
  CHECK(loader.bytes_per_token().value() == Approx(4.5));
  CHECK(loader.tokenizer_digest() == "abc");
  CHECK(loader.end_of_text() == 3);
  f.options.vocab_size = 999;
  CHECK(failure_of([&] { f.loader(); }).id == "C9");
  f.options.vocab_size = 3000;
  meta.tokens = 999;
  spill(side_file(prefix, "meta.json"), to_json(meta));
  CHECK(failure_of([&] { f.loader(); }).id == "C9");
  spill(side_file(prefix, "meta.json"), "{");
  CHECK(failure_of([&] { f.loader(); }).id == "C9");
}
