#include <catch2/catch.hpp>

#include "echelon/tensor/tensor.h"

using namespace echelon;

TEST_CASE("views share data and keep the buffer alive", "[tensor]") {
  auto memory = make_cpu_allocator();
  Tensor rows;
  {
    Tensor t = Tensor::zeros({4, 3}, DType::f32, *memory, MemoryCategory::weights);
    t.data<float>()[5] = 7.0f;
    rows = t.slice(1, 3);
  }
  CHECK(rows.shape() == Shape{2, 3});
  CHECK(rows.data<float>()[2] == 7.0f);
  CHECK(rows.view({3, 2}).flat(2, 4).data<float>()[0] == 7.0f);
  CHECK(memory->use().now[0] == 64);
}

TEST_CASE("wrong shapes, ranges and types are refused", "[tensor]") {
  auto memory = make_cpu_allocator();
  const Tensor t = Tensor::zeros({4, 3}, DType::f32, *memory);
  CHECK_THROWS_AS(t.view({5, 3}), Error);
  CHECK_THROWS_AS(t.slice(2, 5), Error);
  CHECK_THROWS_AS(t.data<int32_t>(), Error);
  CHECK_THROWS_AS((Shape{int64_t{1} << 40, int64_t{1} << 40}.elements()), Error);
}
