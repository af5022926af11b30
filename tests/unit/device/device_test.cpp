#include <catch2/catch.hpp>

#include <atomic>
#include <cmath>
#include <stdexcept>

#include "echelon/device/allocator.h"
#include "echelon/device/dtype.h"
#include "echelon/device/stream.h"

using namespace echelon;

TEST_CASE("bf16 rounds to nearest even and keeps infinities and NaN", "[device]") {
  CHECK(bf16(1.0f).bits == 0x3F80);
  CHECK(bf16(1.00390625f).bits == 0x3F80);  // halfway, even below
  CHECK(bf16(1.01171875f).bits == 0x3F82);  // halfway, even above
  CHECK(std::isinf(static_cast<float>(bf16(INFINITY))));
  CHECK(std::isnan(static_cast<float>(bf16(NAN))));
}

TEST_CASE("f16 round trip", "[device]") {
  for (const float x : {0.0f, 1.0f, -2.5f, 65504.0f, 6.0e-8f})
    CHECK(static_cast<float>(f16(static_cast<float>(f16(x)))) == static_cast<float>(f16(x)));
  CHECK(std::isinf(static_cast<float>(f16(1e6f))));
}

TEST_CASE("the allocator counts by category, reuses blocks and outlives its object", "[device]") {
  auto allocator = make_cpu_allocator();
  auto a = allocator->allocate(1000, MemoryCategory::weights);
  CHECK(reinterpret_cast<uintptr_t>(a.get()) % 64 == 0);
  CHECK(allocator->use().now[0] == 1024);
  const auto* where = a.get();
  a.reset();
  CHECK(allocator->use().now[0] == 0);
  CHECK(allocator->use().cached == 1024);
  auto b = allocator->allocate(1001, MemoryCategory::gradients);
  CHECK(b.get() == where);
  CHECK(allocator->use().total_peak == 1024);
  allocator.reset();
  b.reset();
}

TEST_CASE("a worker stream runs work in order and hands back its exception", "[device]") {
  auto stream = make_worker_stream("test");
  std::atomic<int> done = 0;
  for (int i = 0; i < 100; ++i)
    stream->run([&done, i] {
      if (done == i) ++done;
    });
  stream->record().wait();
  CHECK(done == 100);
  stream->run([] { throw std::runtime_error("lost peer"); });
  stream->run([&done] { done = -1; });
  CHECK_THROWS_WITH(stream->record().wait(), "lost peer");
  CHECK_THROWS_WITH(stream->synchronize(), "lost peer");
  CHECK(done == 100);
  stream->run([&done] { done = 7; });
  stream->synchronize();
  CHECK(done == 7);
}
