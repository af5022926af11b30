#pragma once
// Copies blocks of a matrix in the order the register tile reads them.
#include <cstdint>

#include "kernels/cpu/gemm.h"

namespace kernels::cpu {

/// One block of an operand: `count` lines (rows of a, columns of b) by `depth` steps of k.
struct PackBlock {
  int64_t line, count, step, depth;
};

/// Panels of kTileRows (or kTileColumns) lines: panel p holds, for each step, its lines side by
/// side, and takes depth * width floats of dst. Missing lines of the last panel are zero.
void pack_rows(const GemmOperand& a, const PackBlock& block, float* dst);
void pack_columns(const GemmOperand& b, const PackBlock& block, float* dst);

}  // namespace kernels::cpu
