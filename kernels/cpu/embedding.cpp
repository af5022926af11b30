#include "kernels/cpu/embedding.h"

#include <cstring>

#include "kernels/cpu/parallel.h"

namespace kernels::cpu {
namespace {

int64_t rows_per_thread(int64_t columns) { return 1 + kGrain / (columns + 1); }

}  // namespace

void embedding_forward(const int32_t* tokens, const float* table, int64_t first_row,
                       int64_t table_rows, float* y, int64_t rows, int64_t columns) {
  const size_t bytes = static_cast<size_t>(columns) * sizeof(float);
  parallel_ranges(rows, rows_per_thread(columns), [=](int64_t from, int64_t to) {
    for (int64_t r = from; r < to; ++r) {
      const int64_t row = tokens[r] - first_row;
      if (row >= 0 && row < table_rows)
        std::memcpy(y + r * columns, table + row * columns, bytes);
      else
        std::memset(y + r * columns, 0, bytes);
    }
  });
}

void embedding_backward(const int32_t* tokens, const float* dy, int64_t first_row,
                        int64_t table_rows, float* dtable, int64_t rows, int64_t columns) {
  // Threads share the columns, so that every thread may walk all rows in order.
  parallel_ranges(columns, 64, [=](int64_t from, int64_t to) {
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t row = tokens[r] - first_row;
      if (row < 0 || row >= table_rows) continue;
      const float* source = dy + r * columns;
      float* sum = dtable + row * columns;
#pragma omp simd
      for (int64_t c = from; c < to; ++c) sum[c] += source[c];
    }
  });
}

void position_add(const float* table, int64_t tokens, float* y, int64_t rows, int64_t columns) {
  parallel_ranges(rows, rows_per_thread(columns), [=](int64_t from, int64_t to) {
    for (int64_t r = from; r < to; ++r) {
      const float* source = table + r % tokens * columns;
      float* sum = y + r * columns;
#pragma omp simd
      for (int64_t c = 0; c < columns; ++c) sum[c] += source[c];
    }
  });
}

void position_backward(const float* dy, int64_t tokens, float* dtable, int64_t rows,
                       int64_t columns) {
  parallel_ranges(tokens, rows_per_thread(columns), [=](int64_t from, int64_t to) {
    for (int64_t t = from; t < to; ++t) {
      float* sum = dtable + t * columns;
      for (int64_t r = t; r < rows; r += tokens) {
        const float* source = dy + r * columns;
#pragma omp simd
        for (int64_t c = 0; c < columns; ++c) sum[c] += source[c];
      }
    }
  });
}

}  // namespace kernels::cpu
