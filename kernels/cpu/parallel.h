#pragma once
// Loops over ranges on the caller's OpenMP threads.
#include <cstdint>

#ifdef _OPENMP
#include <omp.h>
#endif

namespace kernels::cpu {

/// Elements of a cheap operation that are worth waking a thread for.
inline constexpr int64_t kGrain = 1 << 14;

inline int max_threads() {
#ifdef _OPENMP
  return omp_get_max_threads();
#else
  return 1;
#endif
}

/// body(from, to) on contiguous parts of [0, n), each at least `grain` long. Where the parts are
/// cut depends on the number of threads: the body's result must not depend on the cut.
template <class Body>
void parallel_ranges(int64_t n, int64_t grain, const Body& body) {
  if (n <= 0) return;
  const int64_t wanted = (n + grain - 1) / grain, most = max_threads();
  const int64_t parts = wanted < most ? wanted : most;
  if (parts <= 1) return body(int64_t{0}, n);
#pragma omp parallel for schedule(static, 1) num_threads(static_cast <int>(parts))
  for (int64_t p = 0; p < parts; ++p) {
    // Whole vectors: an element is computed by the same instructions wherever the cuts are.
    const int64_t unit = grain >= 1024 ? 64 : 1;
    body(n * p / parts / unit * unit, p + 1 == parts ? n : n * (p + 1) / parts / unit * unit);
  }
}

/// Threads that `items` pieces of work can keep busy.
inline int64_t workers_for(int64_t items) {
  const int64_t most = max_threads();
  return items < most ? (items > 0 ? items : 1) : most;
}

/// body(worker, item) for each item of [0, items), handed out one by one: for items of unequal
/// cost.
template <class Body>
void parallel_workers(int64_t items, int64_t workers, const Body& body) {
  if (workers <= 1) {
    for (int64_t i = 0; i < items; ++i) body(int64_t{0}, i);
    return;
  }
#pragma omp parallel num_threads(static_cast <int>(workers))
  {
#ifdef _OPENMP
    const int64_t worker = omp_get_thread_num();
#else
    const int64_t worker = 0;
#endif
#pragma omp for schedule(dynamic, 1)
    for (int64_t i = 0; i < items; ++i) body(worker, i);
  }
}

}  // namespace kernels::cpu
