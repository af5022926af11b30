#pragma once
// Blocks of 16 x 16 floats turned in registers.
#include "kernels/cpu/lanes.h"

namespace kernels::cpu {

/// Rows become columns: lane j of row i goes to lane i of row j.
inline void transpose16(Lanes (&row)[kLanes]) {
  // Four rounds exchange lane bit b with row bit b, for b = 0 to 3.
#define ECH_TURN(distance, ...)                                                           \
  for (int i = 0; i < 16; ++i)                                                            \
    if ((i & distance) == 0) {                                                            \
      const Lanes low = row[i], high = row[i + distance];                                 \
      row[i] = __builtin_shuffle(low, high, IntLanes{__VA_ARGS__});                       \
      row[i + distance] = __builtin_shuffle(low, high, IntLanes{__VA_ARGS__} + distance); \
    }
  ECH_TURN(1, 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30)
  ECH_TURN(2, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29)
  ECH_TURN(4, 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27)
  ECH_TURN(8, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23)
#undef ECH_TURN
}

/// dst[c*dst_stride + r] = factor * src[r*src_stride + c] for r < rows, c < columns. Lanes of dst
/// from `rows` up to the next multiple of 16 become 0.
inline void transpose(const float* src, int64_t src_stride, int64_t rows, int64_t columns,
                      float factor, float* dst, int64_t dst_stride) {
  for (int64_t r = 0; r < rows; r += kLanes)
    for (int64_t c = 0; c < columns; c += kLanes) {
      const int64_t width = columns - c < kLanes ? columns - c : kLanes;
      Lanes row[kLanes];
      for (int64_t i = 0; i < kLanes; ++i)
        row[i] =
            r + i < rows ? factor * load_up_to(src + (r + i) * src_stride + c, width) : Lanes{};
      transpose16(row);
      for (int64_t i = 0; i < width; ++i) store(dst + (c + i) * dst_stride + r, row[i]);
    }
}

}  // namespace kernels::cpu
