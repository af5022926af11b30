// The machine that runs kernels on the CPU must itself be able to say no.
#include "kernel_test.h"
#include "kernels/cuda/block.cuh"

using namespace echelon::test;
using cuda_on_cpu::Order;

namespace {

/// Each thread reads its neighbour's value; without a barrier the answer depends on the order.
void rotate(int* out, bool barrier) {
  __shared__ int values[64];
  const int t = static_cast<int>(threadIdx.x);
  values[t] = 0;
  __syncthreads();
  values[t] = t + 1;
  if (barrier) __syncthreads();
  out[t] = values[(t + 1) % 64];
}

std::vector<int> rotated(Order order, bool barrier) {
  std::vector<int> out(64);
  cuda_on_cpu::set_order(order);
  ECH_LAUNCH(rotate, 1, 64, 0, kNoStream, out.data(), barrier);
  return out;
}

void half_waits() {
  if (threadIdx.x < 32) __syncthreads();
}

void reduce(int* sums, int* largest) {
  const int t = static_cast<int>(threadIdx.x) + 100 * static_cast<int>(blockIdx.x);
  const int sum = kernels::cuda::block_reduce<kernels::cuda::Add>(t, 0);
  const int most = kernels::cuda::block_reduce<kernels::cuda::Larger>(t, -1);
  sums[blockIdx.x * blockDim.x + threadIdx.x] = sum;
  largest[blockIdx.x * blockDim.x + threadIdx.x] = most;
}

}  // namespace

TEST_CASE("a forgotten barrier shows when threads run in the other order", "[cuda]") {
  CHECK(rotated(Order::ascending, true) == rotated(Order::descending, true));
  CHECK(rotated(Order::ascending, false) != rotated(Order::descending, false));
}

TEST_CASE("a barrier that half the block skips is an error, not a hang", "[cuda]") {
  CHECK_THROWS_WITH(ECH_LAUNCH(half_waits, 1, 64, 0, kNoStream),
                    Catch::Contains("32 of 64 threads wait"));
}

TEST_CASE("a launch that a device would refuse is an error", "[cuda]") {
  CHECK_THROWS_WITH(ECH_LAUNCH(half_waits, 1, 2048, 0, kNoStream), Catch::Contains("2048 threads"));
  CHECK_THROWS_WITH(ECH_LAUNCH(half_waits, 1, 32, 1 << 20, kNoStream), Catch::Contains("shared"));
}

TEST_CASE("block reductions give every thread of every block its own result", "[cuda]") {
  in_every_order();
  const unsigned threads = GENERATE(32, 96, 256);
  std::vector<int> sums(threads * 3), largest(threads * 3);
  ECH_LAUNCH(reduce, 3, threads, 0, kNoStream, sums.data(), largest.data());
  const int n = static_cast<int>(threads);
  for (int i = 0; i < 3 * n; ++i) {
    CHECK(sums[static_cast<size_t>(i)] == n * (n - 1) / 2 + 100 * (i / n) * n);
    CHECK(largest[static_cast<size_t>(i)] == n - 1 + 100 * (i / n));
  }
}
