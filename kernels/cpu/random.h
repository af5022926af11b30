#pragma once
// Counter-based random fills and dropout over a part of a whole array.
#include <cstdint>

#include "kernels/cpu/philox.h"

namespace kernels::cpu {

/// Element (r, c) of the part is element (first_row + r)*whole_columns + first_column + c.
struct Part {
  int64_t rows, columns, whole_columns, first_row, first_column;
};

/// x *= keep / (1 - p), keep = uniform(element) >= p.
void dropout(float* x, float p, PhiloxKey key, const Part& part);
void fill_normal(float* dst, float mean, float deviation, PhiloxKey key, const Part& part);
void fill_uniform(float* dst, float bound, PhiloxKey key, const Part& part);

}  // namespace kernels::cpu
