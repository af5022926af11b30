#include <catch2/catch.hpp>

#include "echelon/ops/table.h"

using namespace echelon;

TEST_CASE("the CPU table has every op", "[ops]") {
  // The table is nothing but function pointers, so none may be null.
  const ops::OpTable& table = ops::table(Device{});
  using Any = void (*)();
  static_assert(sizeof(ops::OpTable) % sizeof(Any) == 0);
  const auto* entries = reinterpret_cast<const Any*>(&table);
  for (size_t i = 0; i < sizeof(ops::OpTable) / sizeof(Any); ++i) {
    CAPTURE(i);
    CHECK(entries[i] != nullptr);
  }
}

TEST_CASE("a tensor on an absent device is an environment error", "[ops]") {
  try {
    ops::table(Device{DeviceKind::cuda, 0});
    FAIL("no error");
  } catch (const Error& e) {
    CHECK(e.code() == ExitCode::environment);
  }
}

TEST_CASE("a wrong shape names the op and the argument", "[ops]") {
  const auto allocator = make_cpu_allocator();
  const auto stream = make_inline_stream();
  Tensor x = Tensor::zeros({4, 8}, DType::f32, *allocator),
         y = Tensor::zeros({4, 7}, DType::f32, *allocator);
  Tensor gain = Tensor::zeros({8}, DType::f32, *allocator),
         rstd = Tensor::zeros({4}, DType::f32, *allocator);
  CHECK_THROWS_WITH(ops::rms_norm_forward(x, gain, 1e-5f, y, rstd, *stream),
                    Catch::Contains("rms_norm_forward: y is [4, 7], wanted 4 rows of 8"));
}
