#include "echelon/sharding/layout.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "echelon/base/error.h"
#include "echelon/base/text.h"

namespace echelon::sharding {
namespace {

constexpr int64_t kAlignment = 64;
constexpr int64_t kPadding = 128;

int64_t round_up(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }

}  // namespace

BucketRule bucket_rule(const ShardingConfig& config, int gradient_ranks) {
  const int64_t cap = config.reduce_bucket_size > 0
                          ? config.reduce_bucket_size
                          : std::max<int64_t>(40'000'000, int64_t{1'000'000} * gradient_ranks);
  return {cap, gradient_ranks, config.stage >= 1, config.stage == 3};
}

std::vector<Bucket> layout_buckets(std::span<const Extent> parameters, const BucketRule& rule) {
  const int64_t quantum = std::lcm(rule.ranks, kPadding);
  std::vector<Bucket> buckets;
  Bucket open;
  const auto close = [&] {
    if (open.items.empty()) return;
    if (rule.sharded) open.elements = round_up(open.elements, quantum);
    buckets.push_back(std::exchange(open, {}));
  };
  for (size_t i = parameters.size(); i-- > 0;) {
    const Extent& p = parameters[i];
    const bool alone = rule.sharded && p.tied;
    const bool other_unit =
        rule.by_unit && i + 1 < parameters.size() && parameters[i + 1].unit != p.unit;
    if (alone || other_unit) close();
    if (rule.sharded) open.elements = round_up(open.elements, kAlignment);
    open.items.push_back({i, open.elements, p.elements});
    open.elements += p.elements;
    if (alone || (!rule.by_unit && open.elements >= rule.cap)) close();
  }
  close();
  return buckets;
}

std::vector<Piece> pieces_of(std::span<const Bucket> buckets, int rank, int ranks) {
  std::vector<Piece> pieces;
  for (size_t b = 0; b < buckets.size(); ++b) {
    ECH_CHECK(buckets[b].elements % ranks == 0, "bucket of {} in {} parts", buckets[b].elements,
              ranks);
    const int64_t part = buckets[b].elements / ranks;
    const int64_t first = part * rank;
    for (const Placed& p : buckets[b].items) {
      const int64_t from = std::max<int64_t>(0, first - p.offset);
      const int64_t to = std::min(p.elements, first + part - p.offset);
      if (from < to) pieces.push_back({p.parameter, b, from, to, p.offset + from - first});
    }
  }
  std::sort(pieces.begin(), pieces.end(),
            [](const Piece& a, const Piece& b) { return a.parameter < b.parameter; });
  return pieces;
}

std::string to_string(std::span<const Bucket> buckets) {
  std::string out;
  for (size_t b = 0; b < buckets.size(); ++b) {
    int64_t used = 0;
    for (const Placed& p : buckets[b].items) used += p.elements;
    out += fmt::format(
        "bucket {}: {} tensors, {} elements (padding {})\n", b, buckets[b].items.size(),
        text::count(static_cast<double>(buckets[b].elements)), buckets[b].elements - used);
  }
  return out;
}

}  // namespace echelon::sharding
