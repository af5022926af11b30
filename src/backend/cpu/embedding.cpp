#include "kernels/cpu/embedding.h"

#include "cpu_ops.h"

namespace echelon::backend::cpu {
namespace {

namespace k = kernels::cpu;

void embedding_forward(const Tensor& tokens, const Tensor& table, int64_t first_row, Tensor& y,
                       Stream& stream) {
  stream.run([=] {
    k::embedding_forward(tokens.data<int32_t>(), f32(table), first_row, rows_of(table), f32(y),
                         tokens.elements(), columns_of(y));
  });
}

void embedding_backward(const Tensor& tokens, const Tensor& dy, int64_t first_row, Tensor& dtable,
                        Stream& stream) {
  stream.run([=] {
    k::embedding_backward(tokens.data<int32_t>(), f32(dy), first_row, rows_of(dtable), f32(dtable),
                          tokens.elements(), columns_of(dy));
  });
}

void position_add(const Tensor& table, int64_t tokens, int64_t first, Tensor& y, Stream& stream) {
  stream.run([=] {
    const int64_t c = columns_of(y);
    k::position_add(f32(table) + first * c, tokens, f32(y), rows_of(y), c);
  });
}

void position_backward(const Tensor& dy, int64_t tokens, int64_t first, Tensor& dtable,
                       Stream& stream) {
  stream.run([=] {
    const int64_t c = columns_of(dy);
    k::position_backward(f32(dy), tokens, f32(dtable) + first * c, rows_of(dy), c);
  });
}

}  // namespace

void fill_embedding(ops::OpTable& table) {
  table.embedding_forward = embedding_forward;
  table.embedding_backward = embedding_backward;
  table.position_add = position_add;
  table.position_backward = position_backward;
}

}  // namespace echelon::backend::cpu
