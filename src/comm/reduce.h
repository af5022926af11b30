#pragma once
// Element-wise reductions of several buffers: the only arithmetic of this module, shared by all
// kinds.
#include <span>

#include "echelon/comm/communicator.h"

namespace echelon::comm {

/// dst[k][i] = src[0][i] op src[1][i] op ... in that order, for every k. bf16 and f16 are reduced
/// in f32 and rounded once; max and min of anything and NaN are NaN. A destination may be one of
/// the sources. `streaming`: stores go past the caches (large data that nobody reads soon).
void reduce(std::span<const std::byte* const> src, std::span<std::byte* const> dst, int64_t count,
            DType dtype, ReduceOp op, bool streaming);

/// memcpy with stores that go past the caches.
void copy_streaming(std::byte* dst, const std::byte* src, size_t bytes);

}  // namespace echelon::comm
