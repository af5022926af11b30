#pragma once
#include "echelon/device/stream.h"
#include "echelon/tensor/tensor.h"

namespace echelon::ops {

/// y[R,C] = table[token - first_row] for tokens in [first_row, first_row + rows of table), zero for
/// others (held by another tensor-parallel rank). tokens: i32, R elements. Sets y.
void embedding_forward(const Tensor& tokens, const Tensor& table, int64_t first_row, Tensor& y,
                       Stream& stream);
/// dtable[token - first_row] += dy, in row order (deterministic).
void embedding_backward(const Tensor& tokens, const Tensor& dy, int64_t first_row, Tensor& dtable,
                        Stream& stream);
/// y[row] += table[first_position + row % tokens] for learned positions. Adds.
void position_add(const Tensor& table, int64_t tokens, int64_t first_position, Tensor& y,
                  Stream& stream);
/// dtable[first_position + row % tokens] += dy[row].
void position_backward(const Tensor& dy, int64_t tokens, int64_t first_position, Tensor& dtable,
                       Stream& stream);

}  // namespace echelon::ops
