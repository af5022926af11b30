#pragma once
// Rows of tables. y, dy are [rows, columns].
#include <cstdint>

namespace kernels::cpu {

void embedding_forward(const int32_t* tokens, const float* table, int64_t first_row,
                       int64_t table_rows, float* y, int64_t rows, int64_t columns);
/// Each table row's contributions are added in the order of the rows of dy.
void embedding_backward(const int32_t* tokens, const float* dy, int64_t first_row,
                        int64_t table_rows, float* dtable, int64_t rows, int64_t columns);
/// y[r] += table[r % tokens].
void position_add(const float* table, int64_t tokens, float* y, int64_t rows, int64_t columns);
/// dtable[r % tokens] += dy[r].
void position_backward(const float* dy, int64_t tokens, float* dtable, int64_t rows,
                       int64_t columns);

}  // namespace kernels::cpu
