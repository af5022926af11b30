#pragma once
#include <bit>
#include <cstdint>
#include <limits>
#include <vector>

#include "echelon/data/tokenizer.h"

namespace echelon::data {

/// Rank of a pair of ids: an open hash table, one probe for most look-ups.
class PairTable {
 public:
  static constexpr int32_t kNone = std::numeric_limits<int32_t>::max();

  explicit PairTable(const std::vector<BpeModel::Merge>& merges)
      : slots_(std::bit_ceil(2 * merges.size() + 2)) {
    for (size_t rank = 0; rank < merges.size(); ++rank) {
      Slot& slot = slots_[find(key(merges[rank].left, merges[rank].right))];
      if (slot.rank == kNone)
        slot = {key(merges[rank].left, merges[rank].right), static_cast<int32_t>(rank)};
    }
  }
  int32_t rank(int32_t left, int32_t right) const { return slots_[find(key(left, right))].rank; }

 private:
  struct Slot {
    uint64_t pair = 0;
    int32_t rank = kNone;
  };
  static uint64_t key(int32_t left, int32_t right) {
    return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
  }
  size_t find(uint64_t pair) const {
    const size_t mask = slots_.size() - 1;
    size_t at = (pair * 0x9E3779B97F4A7C15u >> 32) & mask;
    while (slots_[at].rank != kNone && slots_[at].pair != pair) at = (at + 1) & mask;
    return at;
  }
  std::vector<Slot> slots_;
};

}  // namespace echelon::data
