#pragma once
// What every op test needs: an allocator, a stream, tensors from numbers.
#include <catch2/catch.hpp>

#include <cmath>
#include <cstdint>
#include <memory>
#include <vector>

#include "echelon/ops/threads.h"
#include "tests/support/golden.h"
#include "tests/support/reference_ops.h"

namespace echelon::test {

struct OpTest {
  std::shared_ptr<Allocator> allocator = make_cpu_allocator();
  std::unique_ptr<Stream> stream = make_inline_stream();

  Tensor of(const std::vector<float>& values, const Shape& shape) const {
    return to_tensor(values, shape, *allocator);
  }
  Tensor random(const Shape& shape, int seed, double scale = 1.0, double offset = 0.0) const {
    return of(fill(shape.elements(), seed, scale, offset), shape);
  }
  Tensor constant(const Shape& shape, float value) const {
    return of(std::vector<float>(static_cast<size_t>(shape.elements()), value), shape);
  }
  Tensor ints(const std::vector<int32_t>& values) const {
    Tensor t = Tensor::empty({static_cast<int64_t>(values.size())}, DType::i32, *allocator);
    std::copy(values.begin(), values.end(), t.data<int32_t>());
    return t;
  }
  Tensor copy_of(const Tensor& t) const { return clone(t, *allocator, MemoryCategory::workspace); }
};

inline Doubles doubles(const Tensor& t) { return widened(values_of(t)); }

/// Sets the number of op threads for a scope.
class Threads {
 public:
  explicit Threads(int threads) : before_(ops::threads_in_use()) { ops::use_threads(threads); }
  ~Threads() { ops::use_threads(before_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  int before_;
};

}  // namespace echelon::test
