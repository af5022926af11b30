#pragma once
// Copies of matrix blocks in the order the register tile reads them.
#include <cstdint>

namespace echelon::kernels {

/// Panel of `width` values per step: dst[k * width + i] = src[i * stride + k], i < rows, k < depth;
/// zero for rows <= i < width.
void pack_transposed(const float* src, int64_t stride, int64_t rows, int64_t depth, int width,
                     float* dst);
/// dst[k * width + i] = src[k * stride + i], i < columns, k < depth; zero for columns <= i < width.
void pack_copied(const float* src, int64_t stride, int64_t columns, int64_t depth, int width,
                 float* dst);

}  // namespace echelon::kernels
