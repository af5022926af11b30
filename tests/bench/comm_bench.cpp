// Own collectives against MPI's in one run: mpirun -np 4 bench_comm [repetitions]
// Medians over rounds that alternate between the contestants; times are those of the slowest rank.
#define OMPI_SKIP_MPICXX 1
#include <mpi.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <vector>

#include "echelon/comm/world.h"
#include "echelon/device/allocator.h"

using namespace echelon;
using Clock = std::chrono::steady_clock;

namespace {

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

double best(const std::vector<double>& values) {
  return *std::min_element(values.begin(), values.end());
}

/// Seconds of one call, on the slowest rank.
double slowest(int calls, const std::function<void()>& call) {
  MPI_Barrier(MPI_COMM_WORLD);
  const auto begin = Clock::now();
  for (int i = 0; i < calls; ++i) call();
  double seconds = std::chrono::duration<double>(Clock::now() - begin).count() / calls;
  MPI_Allreduce(MPI_IN_PLACE, &seconds, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
  return seconds;
}

}  // namespace

int main(int argc, char** argv) {
  comm::MpiSession session(&argc, &argv);
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 15;
  const auto world = session.world();
  const auto stream = make_inline_stream();
  const auto allocator = make_cpu_allocator();
  if (world->rank() == 0)
    std::printf("%9s %12s %12s %12s %12s %8s %8s\n", "bytes", "MPI us", "in place us", "staged us",
                "bf16 us", "x place", "x staged");
  for (int64_t bytes = 1024; bytes <= 64 << 20; bytes *= 4) {
    const int64_t n = bytes / 4;
    const Tensor shared =
        Tensor::wrap(world->symmetric_memory(static_cast<size_t>(bytes)), {n}, DType::f32, {});
    const Tensor half =
        Tensor::wrap(world->symmetric_memory(static_cast<size_t>(bytes / 2)), {n}, DType::bf16, {});
    const Tensor plain = Tensor::zeros({n}, DType::f32, *allocator);
    const Tensor theirs = Tensor::zeros({n}, DType::f32, *allocator);
    const int calls = static_cast<int>(std::clamp<int64_t>((4 << 20) / bytes, 1, 200));
    std::vector<double> t[4];
    for (int round = 0; round < rounds; ++round) {
      t[0].push_back(slowest(calls, [&] {
        MPI_Allreduce(MPI_IN_PLACE, theirs.raw(), static_cast<int>(n), MPI_FLOAT, MPI_SUM,
                      MPI_COMM_WORLD);
      }));
      int i = 1;
      for (const Tensor& data : {shared, plain, half})
        t[i++].push_back(
            slowest(calls, [&] { world->all_reduce(data, comm::ReduceOp::sum, *stream).wait(); }));
    }
    if (world->rank() == 0) {
      const double mpi = median(t[0]), place = median(t[1]), staged = median(t[2]);
      std::printf("%9lld %12.1f %12.1f %12.1f %12.1f %8.2f %8.2f\n", static_cast<long long>(bytes),
                  mpi * 1e6, place * 1e6, staged * 1e6, median(t[3]) * 1e6, mpi / place,
                  mpi / staged);
      std::printf("%9s %12.1f %12.1f %12.1f %12.1f %8.2f %8.2f\n", "best", best(t[0]) * 1e6,
                  best(t[1]) * 1e6, best(t[2]) * 1e6, best(t[3]) * 1e6, best(t[0]) / best(t[1]),
                  best(t[0]) / best(t[2]));
    }
  }
  return 0;
}
