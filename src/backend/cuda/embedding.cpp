#include "kernels/cuda/embedding.h"

#include "cuda_ops.h"

namespace echelon::backend::cuda {
namespace {

namespace k = kernels::cuda;

void forward(const Tensor& tokens, const Tensor& table, int64_t first_row, Tensor& y,
             Stream& stream) {
  k::embedding_forward(float_of(y), ints(tokens), f32(table), first_row, rows_of(table), y.raw(),
                       tokens.elements(), columns_of(table), on(stream).native());
  launched();
}

void backward(const Tensor& tokens, const Tensor& dy, int64_t first_row, Tensor& dtable,
              Stream& stream) {
  k::embedding_backward(float_of(dy), ints(tokens), dy.raw(), first_row, rows_of(dtable),
                        f32(dtable), tokens.elements(), columns_of(dtable), on(stream).native());
  launched();
}

void position_add(const Tensor& table, int64_t tokens, int64_t first_position, Tensor& y,
                  Stream& stream) {
  k::position_add(float_of(y), f32(table), tokens, first_position, y.raw(), rows_of(y),
                  columns_of(y), on(stream).native());
  launched();
}

void position_backward(const Tensor& dy, int64_t tokens, int64_t first_position, Tensor& dtable,
                       Stream& stream) {
  k::position_backward(float_of(dy), dy.raw(), tokens, first_position, f32(dtable), rows_of(dy),
                       columns_of(dy), on(stream).native());
  launched();
}

}  // namespace

void fill_embedding(ops::OpTable& table) {
  table.embedding_forward = forward;
  table.embedding_backward = backward;
  table.position_add = position_add;
  table.position_backward = position_backward;
}

}  // namespace echelon::backend::cuda
