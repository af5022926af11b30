#include "src/comm/call.h"

#include <array>
#include <string_view>

namespace echelon::comm {

std::string name_of(Op op) {
  constexpr std::array<std::string_view, 10> names = {
      "all_reduce", "reduce_scatter", "all_gather",       "all_to_all", "broadcast",
      "barrier",    "split",          "symmetric_memory", "send",       "recv"};
  return std::string(names[static_cast<size_t>(op)]);
}

std::string to_string(const Call& call) {
  constexpr std::array<std::string_view, 3> reductions = {"sum", "max", "min"};
  const std::string size =
      fmt::format("{}, {} elements", echelon::name_of(call.dtype), call.elements);
  switch (call.op) {
    case Op::all_reduce:
    case Op::reduce_scatter:
      return fmt::format("{}({}, {})", name_of(call.op),
                         reductions[static_cast<size_t>(call.reduce)], size);
    case Op::broadcast: return fmt::format("broadcast(from {}, {})", call.peer, size);
    case Op::send: return fmt::format("send(to {}, {})", call.peer, size);
    case Op::recv: return fmt::format("recv(from {}, {})", call.peer, size);
    case Op::all_gather:
    case Op::all_to_all: return fmt::format("{}({})", name_of(call.op), size);
    case Op::symmetric_memory: return fmt::format("symmetric_memory({} bytes)", call.elements);
    case Op::barrier:
    case Op::split: break;
  }
  return name_of(call.op) + "()";
}

void check_same(const std::vector<Posted>& posted, const std::string& group,
                const std::vector<int>& world_ranks) {
  for (size_t i = 1; i < posted.size(); ++i) {
    const Posted &first = posted[0], &other = posted[i];
    if (first.call == other.call) continue;
    fail(ExitCode::communication, first.call.op == other.call.op ? "N4" : "N3",
         "group {}: found rank {} at {} #{} and rank {} at {} #{}, wanted the same call on every "
         "rank; the call was not carried out; look for a branch that differs between ranks",
         group, world_ranks[0], to_string(first.call), first.serial, world_ranks[i],
         to_string(other.call), other.serial);
  }
}

}  // namespace echelon::comm
