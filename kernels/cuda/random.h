#pragma once
// Counter-based random fills and dropout over a part of a whole array.
#include "kernels/cpu/random.h"
#include "kernels/cuda/stream.h"

namespace kernels::cuda {

using cpu::Part;
using cpu::PhiloxKey;

/// x *= keep / (1 - p), keep = uniform(element) >= p.
void dropout(Float type, void* x, float p, PhiloxKey key, const Part& part, Stream stream);
void fill_normal(float* dst, float mean, float deviation, PhiloxKey key, const Part& part,
                 Stream stream);
void fill_uniform(float* dst, float bound, PhiloxKey key, const Part& part, Stream stream);

}  // namespace kernels::cuda
