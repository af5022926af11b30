#pragma once
// Rows of a table, or of a part of it that starts at first_row. Tables and their gradients are f32,
// activations of `type`.
#include "kernels/cuda/stream.h"

namespace kernels::cuda {

/// y[r] = table[tokens[r] - first_row], zero for tokens outside.
void embedding_forward(Float type, const int32_t* tokens, const float* table, int64_t first_row,
                       int64_t table_rows, void* y, int64_t rows, int64_t columns, Stream stream);
/// dtable[tokens[r] - first_row] += dy[r], rows in order.
void embedding_backward(Float type, const int32_t* tokens, const void* dy, int64_t first_row,
                        int64_t table_rows, float* dtable, int64_t rows, int64_t columns,
                        Stream stream);
/// y[r] += table[first_position + r % tokens].
void position_add(Float type, const float* table, int64_t tokens, int64_t first_position, void* y,
                  int64_t rows, int64_t columns, Stream stream);
/// dtable[first_position + r % tokens] += dy[r], rows in order.
void position_backward(Float type, const void* dy, int64_t tokens, int64_t first_position,
                       float* dtable, int64_t rows, int64_t columns, Stream stream);

}  // namespace kernels::cuda
