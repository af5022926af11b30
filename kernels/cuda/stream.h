#pragma once
// What the launchers share: the stream they enqueue on and the storage types they know.
#include <cstdint>

struct CUstream_st;

namespace kernels::cuda {

/// The same type as cudaStream_t.
using Stream = ::CUstream_st*;

/// Storage of activations; arithmetic is f32 throughout.
enum class Float { f32, bf16, f16 };

}  // namespace kernels::cuda
