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

/// body(i) for each i of [0, n), handed out one by one: for items of unequal cost.
template <class Body>
void parallel_items(int64_t n, const Body& body) {
#pragma omp parallel for schedule(dynamic, 1) if (n > 1)
  for (int64_t i = 0; i < n; ++i) body(i);
}

}  // namespace kernels::cpu
