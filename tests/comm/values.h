#pragma once
// Tensors of any element type with small whole numbers that every type holds exactly.
#include <string>

#include "echelon/comm/communicator.h"
#include "tests/support/worlds.h"

namespace echelon::test {

template <class T>
T element(int64_t value) {
  if constexpr (std::is_same_v<T, bf16> || std::is_same_v<T, f16>)
    return T(static_cast<float>(value));
  else
    return static_cast<T>(value);
}
template <class T>
double number(T x) {
  if constexpr (std::is_same_v<T, bf16> || std::is_same_v<T, f16>)
    return static_cast<double>(static_cast<float>(x));
  else
    return static_cast<double>(x);
}

/// What rank r holds at i: 0 to 12, so that sums of 4 ranks stay below 64.
inline int64_t held(int rank, int64_t i) { return (i * 7 + rank * 5 + i / 11) % 13; }

inline int64_t reduced(int ranks, int64_t i, comm::ReduceOp op) {
  int64_t result = held(0, i);
  for (int r = 1; r < ranks; ++r) {
    const int64_t x = held(r, i);
    if (op == comm::ReduceOp::sum) result += x;
    if (op == comm::ReduceOp::max) result = std::max(result, x);
    if (op == comm::ReduceOp::min) result = std::min(result, x);
  }
  return result;
}

/// Calls f.operator()<T>() for every element type.
template <class F>
void for_each_type(F f) {
  f.template operator()<float>();
  f.template operator()<bf16>();
  f.template operator()<f16>();
  f.template operator()<double>();
  f.template operator()<int64_t>();
  f.template operator()<int32_t>();
  f.template operator()<uint16_t>();
  f.template operator()<uint8_t>();
}

enum class Memory { ordinary, symmetric };

template <class T>
Tensor make(comm::Communicator& world, int64_t count, Memory memory) {
  const size_t bytes = static_cast<size_t>(count) * sizeof(T);
  auto buffer = memory == Memory::symmetric
                    ? world.symmetric_memory(bytes)
                    : make_cpu_allocator()->allocate(bytes, MemoryCategory::buckets);
  return Tensor::wrap(std::move(buffer), {count}, DTypeOf<T>::value, {});
}

template <class T, class Value>
void fill_with(const Tensor& t, Value value) {
  auto s = t.span<T>();
  for (size_t i = 0; i < s.size(); ++i) s[i] = element<T>(value(static_cast<int64_t>(i)));
}

template <class T, class Value>
void expect_values(const Tensor& t, Value value, const std::string& claim,
                   std::source_location where = std::source_location::current()) {
  const auto s = t.span<T>();
  for (size_t i = 0; i < s.size(); ++i) {
    const auto wanted = static_cast<double>(value(static_cast<int64_t>(i)));
    if (number(s[i]) == wanted) continue;
    expect(false,
           fmt::format("{} {} elements: element {} is {}, wanted {}", claim, t.elements(), i,
                       number(s[i]), wanted),
           where);
  }
}

}  // namespace echelon::test
