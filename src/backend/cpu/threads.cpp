#include "echelon/ops/threads.h"

#ifdef _OPENMP
#include <omp.h>
#endif

namespace echelon::ops {

#ifdef _OPENMP
void use_threads(int count) { omp_set_num_threads(count); }
int threads_in_use() { return omp_get_max_threads(); }
#else
void use_threads(int) {}
int threads_in_use() { return 1; }
#endif

}  // namespace echelon::ops
