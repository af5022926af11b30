#pragma once
// What a rank says it is doing; ranks of a group compare it before they touch each other's data.
#include <cstdint>
#include <string>

#include "echelon/comm/communicator.h"

namespace echelon::comm {

enum class Op : uint8_t {
  all_reduce,
  reduce_scatter,
  all_gather,
  all_to_all,
  broadcast,
  barrier,
  split,
  symmetric_memory,
  send,
  recv,
};
std::string name_of(Op op);

struct Call {
  Op op = Op::barrier;
  DType dtype = DType::u8;
  ReduceOp reduce = ReduceOp::sum;
  int32_t peer = -1;  ///< root of a broadcast; other side of a message
  int64_t elements =
      0;  ///< payload: whole input of a reduce-scatter, whole output of an all-gather
  bool operator==(const Call&) const = default;
};
std::string to_string(const Call& call);  ///< "all_reduce(sum, f32, 1000 elements)"

/// One rank's side of a collective call, laid open to its group. Trivially copyable: it travels
/// through shared memory and MPI.
struct Posted {
  Call call;
  uint64_t serial = 0;  ///< number of this call within the group
  int64_t region = -1;  ///< shared region that `address` counts from; -1: private memory
  uint64_t address = 0;
  int32_t color = 0, key = 0;  ///< split alone
};

/// Throws Error(communication): N3 for different operations, N4 for different sizes. The text is
/// the same on every rank. `world_ranks[i]` is the name of group rank i.
void check_same(const std::vector<Posted>& posted, const std::string& group,
                const std::vector<int>& world_ranks);

}  // namespace echelon::comm
