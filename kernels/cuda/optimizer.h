#pragma once
// One fused pass over parameter, gradient and moments; the scalars are those of the CPU kernels.
#include "kernels/cpu/optimizer.h"
#include "kernels/cuda/stream.h"

namespace kernels::cuda {

using cpu::AdamScalars;
using cpu::LambScalars;
using cpu::LionScalars;
using cpu::SgdScalars;

void adam(const AdamScalars& s, float* p, const float* g, float* m, float* v, int64_t n,
          Stream stream);
void lamb(const LambScalars& s, const float* p, const float* g, float* m, float* v, float* u,
          int64_t n, Stream stream);
void lion(const LionScalars& s, float* p, const float* g, float* m, int64_t n, Stream stream);
/// `buffer` null: no momentum.
void sgd(const SgdScalars& s, float* p, const float* g, float* buffer, int64_t n, Stream stream);

}  // namespace kernels::cuda
