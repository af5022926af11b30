#include <catch2/catch.hpp>

#include <numeric>

#include "echelon/base/error.h"
#include "echelon/base/philox.h"
#include "echelon/sharding/layout.h"

using namespace echelon;
using sharding::Bucket;
using sharding::BucketRule;
using sharding::Extent;

namespace {

std::vector<Extent> some_extents(uint64_t seed) {
  const Philox rng{seed, make_stream(Draw::test, 0, 0, 0)};
  std::vector<Extent> extents(1 + rng.below(0, 20));
  for (size_t i = 0; i < extents.size(); ++i)
    extents[i] = {1 + rng.below(1 + 2 * i, 700), rng.below(2 + 2 * i, 9) == 0};
  return extents;
}

/// Registration order of one GPT-2 stage: token and position tables, layers, final norm, head copy.
std::vector<Extent> gpt2(int64_t layers, int64_t h, int64_t tp, int64_t vocab, bool first,
                         bool last, bool tied) {
  std::vector<Extent> p;
  if (first) p.insert(p.end(), {{vocab * h / tp, tied}, {1024 * h}});
  for (int64_t l = 0; l < layers; ++l)
    for (const int64_t n : {h, h, 3 * h * h / tp, 3 * h / tp, h * h / tp, h, h, h, 4 * h * h / tp,
                            4 * h / tp, 4 * h * h / tp, h})
      p.push_back({n});
  if (last) p.push_back({2 * h});
  if (last && tied) p.push_back({vocab * h / tp, true});
  return p;
}

std::vector<int64_t> sizes(const std::vector<Bucket>& buckets) {
  std::vector<int64_t> out;
  for (const Bucket& b : buckets) out.push_back(b.elements);
  return out;
}

void check_layout(const std::vector<Extent>& extents, const BucketRule& rule) {
  const auto buckets = sharding::layout_buckets(extents, rule);
  size_t expected = extents.size();
  for (size_t b = 0; b < buckets.size(); ++b) {
    const Bucket& bucket = buckets[b];
    REQUIRE_FALSE(bucket.items.empty());
    int64_t end = 0;
    for (const auto& item : bucket.items) {
      REQUIRE(item.parameter == --expected);  // reverse order, each once
      REQUIRE(item.elements == extents[item.parameter].elements);
      REQUIRE(item.offset >= end);
      REQUIRE(item.offset - end < (rule.sharded ? 64 : 1));
      if (rule.sharded) REQUIRE(item.offset % 64 == 0);
      const bool last = &item == &bucket.items.back();
      end = item.offset + item.elements;
      if (!last) REQUIRE(end < rule.cap);  // closed as soon as the cap is reached
      if (rule.sharded && extents[item.parameter].tied) REQUIRE(bucket.items.size() == 1);
    }
    const int64_t quantum = rule.sharded ? std::lcm(rule.ranks, int64_t{128}) : 1;
    REQUIRE(bucket.elements >= end);
    REQUIRE(bucket.elements - end < quantum);
    REQUIRE(bucket.elements % quantum == 0);
    const bool by_tied = rule.sharded && (extents[bucket.items[0].parameter].tied ||
                                          (expected > 0 && extents[expected - 1].tied));
    if (b + 1 < buckets.size() && !by_tied) REQUIRE(end >= rule.cap);
  }
  REQUIRE(expected == 0);
}

}  // namespace

TEST_CASE("Buckets hold every parameter once, in reverse order, aligned, closed at the cap",
          "[sharding]") {
  for (uint64_t seed = 0; seed < 200; ++seed)
    for (const int64_t ranks : {1, 2, 3, 4, 6, 8})
      for (const bool sharded : {false, true})
        check_layout(some_extents(seed), {1 + static_cast<int64_t>(seed * 13), ranks, sharded});
}

TEST_CASE("Pieces of all ranks cover every element of every parameter exactly once", "[sharding]") {
  for (uint64_t seed = 0; seed < 60; ++seed)
    for (const int ranks : {1, 2, 3, 4, 8}) {
      const auto extents = some_extents(seed);
      const auto buckets = sharding::layout_buckets(extents, {900, ranks, true});
      std::vector<std::vector<int>> owners(extents.size());
      for (size_t i = 0; i < extents.size(); ++i)
        owners[i].assign(static_cast<size_t>(extents[i].elements), -1);
      for (int rank = 0; rank < ranks; ++rank) {
        size_t previous = 0;
        for (const auto& piece : sharding::pieces_of(buckets, rank, ranks)) {
          REQUIRE(piece.parameter >= previous);  // registration order
          previous = piece.parameter;
          const Bucket& bucket = buckets[piece.bucket];
          const int64_t part = bucket.elements / ranks;
          REQUIRE(piece.offset >= 0);
          REQUIRE(piece.offset + piece.to - piece.from <= part);
          for (int64_t e = piece.from; e < piece.to; ++e) {
            int& owner = owners[piece.parameter][static_cast<size_t>(e)];
            REQUIRE(owner == -1);
            owner = rank;
          }
          // the piece lies where the bucket says the parameter lies
          for (const auto& item : bucket.items)
            if (item.parameter == piece.parameter)
              REQUIRE(item.offset + piece.from == part * rank + piece.offset);
        }
      }
      for (const auto& of_parameter : owners)
        for (const int owner : of_parameter) REQUIRE(owner >= 0);
    }
}

TEST_CASE("GPT-2 124M on four ranks has the three buckets of the analytic model", "[sharding]") {
  const auto parameters = gpt2(12, 768, 1, 50304, true, true, false);
  sharding::ShardingConfig config;
  const std::vector<int64_t> want = {40163328, 40164864, 44147712};
  CHECK(sizes(sharding::layout_buckets(parameters, sharding::bucket_rule(config, 4))) == want);
  config.stage = 1;  // all sizes divide: no padding
  CHECK(sizes(sharding::layout_buckets(parameters, sharding::bucket_rule(config, 4))) == want);
}

TEST_CASE("GPT-2 1.5B with tp 2, pp 2, dp 2 and stage 1 has the analytic model's buckets",
          "[sharding]") {
  sharding::ShardingConfig config;
  config.stage = 1;
  const BucketRule rule = sharding::bucket_rule(config, 2);
  const auto buckets =
      sizes(sharding::layout_buckets(gpt2(24, 1600, 2, 50432, true, false, true), rule));
  REQUIRE(buckets.size() == 11);
  CHECK(buckets.back() == 40345600);  // the tied table alone
  CHECK(buckets[9] == 1641600);
  for (const auto& [size, times] : std::vector<std::pair<int64_t, int64_t>>{
           {41002496, 3}, {41000960, 3}, {40998528, 2}, {40995328, 1}})
    CHECK(std::count(buckets.begin(), buckets.end(), size) == times);
  CHECK(std::accumulate(buckets.begin(), buckets.end(), int64_t{0}) * 4 == 1643959808);
  const auto last =
      sizes(sharding::layout_buckets(gpt2(24, 1600, 2, 50432, false, true, true), rule));
  CHECK(last.size() == 11);
  CHECK(last.front() == 40345600);
  CHECK(std::accumulate(last.begin(), last.end(), int64_t{0}) * 4 == 1637419008);
}

TEST_CASE("The cap grows with the gradient group and can be set", "[sharding]") {
  sharding::ShardingConfig config;
  CHECK(sharding::bucket_rule(config, 4).cap == 40000000);
  CHECK(sharding::bucket_rule(config, 64).cap == 64000000);
  config.reduce_bucket_size = 1000;
  CHECK(sharding::bucket_rule(config, 64).cap == 1000);
  CHECK_FALSE(sharding::bucket_rule(config, 64).sharded);
  config.stage = 2;
  CHECK(sharding::bucket_rule(config, 64).sharded);
}

TEST_CASE("A layout prints one line a bucket with its padding", "[sharding]") {
  const std::vector<Extent> extents = {{100}, {200}};
  const auto buckets = sharding::layout_buckets(extents, {1000, 2, true});
  CHECK(sharding::to_string(buckets) == "bucket 0: 2 tensors, 384 elements (padding 84)\n");
}
