#pragma once
// Where parameters lie in flat buckets: pure data, one function for the runtime and for the
// planner.
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "echelon/sharding/config.h"

namespace echelon::sharding {

/// A parameter of the rank, in registration order.
struct Extent {
  int64_t elements = 0;
  bool tied = false;  ///< held by two pipeline stages: its own bucket when sharded
  size_t unit = 0;    ///< stage 3: gathered together with its neighbours of the same unit
};

struct BucketRule {
  int64_t cap = 0;       ///< elements at which a bucket is closed
  int64_t ranks = 1;     ///< of the gradient group
  bool sharded = false;  ///< stage 1 and above: aligned and padded
  bool by_unit = false;  ///< stage 3: a bucket is closed at the end of its unit, not at the cap
};
BucketRule bucket_rule(const ShardingConfig& config, int gradient_ranks);

struct Placed {
  size_t parameter = 0;  ///< index in registration order
  int64_t offset = 0;    ///< first element in the bucket
  int64_t elements = 0;
};
struct Bucket {
  int64_t elements = 0;  ///< with padding
  std::vector<Placed> items;
};

/// Walks the parameters in reverse registration order (about the order of backward); a bucket is
/// closed when it reaches the cap, or holds a unit. Sharded: tensors start on multiples of 64
/// elements, buckets are padded to a multiple of lcm(ranks, 128). Otherwise tight.
std::vector<Bucket> layout_buckets(std::span<const Extent> parameters, const BucketRule& rule);

/// A contiguous piece of a parameter owned by one rank.
struct Piece {
  size_t parameter = 0;
  size_t bucket = 0;
  int64_t from = 0, to = 0;  ///< elements of the parameter
  int64_t offset = 0;        ///< of the first one in the rank's part of the bucket
};
/// What rank `rank` of `ranks` owns, in registration order: part `rank` of `ranks` equal parts of
/// every bucket (all of it when ranks is 1). Padding belongs to nobody.
std::vector<Piece> pieces_of(std::span<const Bucket> buckets, int rank, int ranks);

/// One line a bucket: "bucket 0: 12 tensors, 40.1M elements (padding 64)".
std::string to_string(std::span<const Bucket> buckets);

}  // namespace echelon::sharding
