#include "flash_graph.h"

namespace echelon::backend::cuda {
namespace {

/// Tensors of one attention problem in the library's terms: (batch, head, row, column).
class Builder {
 public:
  explicit Builder(const FlashShape& shape)
      : s_(shape), type_(shape.type == DType::f16 ? CUDNN_DATA_HALF : CUDNN_DATA_BFLOAT16) {}

  Graph graph;

  /// Rows of `heads` heads, `stride` elements apart; transposed: (batch, head, column, row).
  const Descriptor& rows(int64_t id, int64_t heads, int64_t tokens, int64_t stride,
                         bool transposed = false) {
    const int64_t d = s_.head_size;
    if (transposed)
      return graph.tensor(
          {type_, {s_.batch, heads, d, tokens}, {tokens * stride, d, 1, stride}, id});
    return graph.tensor({type_, {s_.batch, heads, tokens, d}, {tokens * stride, d, stride, 1}, id});
  }
  const Descriptor& packed(int64_t id) {
    return rows(id, s_.heads, s_.queries, s_.heads * s_.head_size);
  }
  /// One number a query.
  const Descriptor& column(int64_t id = 0) {
    return graph.tensor({CUDNN_DATA_FLOAT,
                         {s_.batch, s_.heads, s_.queries, 1},
                         {s_.heads * s_.queries, s_.queries, 1, 1},
                         id});
  }
  /// One number a pair of query and key.
  const Descriptor& scores(cudnnDataType_t type = CUDNN_DATA_FLOAT) {
    const int64_t pairs = s_.queries * s_.keys;
    return graph.tensor(
        {type, {s_.batch, s_.heads, s_.queries, s_.keys}, {s_.heads * pairs, pairs, s_.keys, 1}});
  }
  /// The transposed view of scores, in the storage type.
  const Descriptor& turned(const Descriptor& x) {
    const int64_t pairs = s_.queries * s_.keys;
    const Descriptor& y = graph.tensor(
        {type_, {s_.batch, s_.heads, s_.keys, s_.queries}, {s_.heads * pairs, pairs, 1, s_.keys}});
    graph.reshape(x, y);
    return y;
  }
  const Descriptor& number(int64_t id) {
    return graph.tensor({CUDNN_DATA_FLOAT, {1, 1, 1, 1}, {1, 1, 1, 1}, id, true});
  }

  const Descriptor& apply(cudnnPointwiseMode_t mode, const Descriptor& x, const Descriptor* b,
                          const Descriptor& y) {
    graph.pointwise(mode, x, b, nullptr, y);
    return y;
  }
  const Descriptor& masked(const Descriptor& x) {
    if (!s_.causal) return x;
    const Descriptor &row = scores(CUDNN_DATA_INT32), &col = scores(CUDNN_DATA_INT32);
    graph.index(x, 2, row);
    graph.index(x, 3, col);
    const Descriptor& sees = scores(CUDNN_DATA_BOOLEAN);
    graph.pointwise(CUDNN_POINTWISE_CMP_GE, row, &col, nullptr, sees, CUDNN_DATA_BOOLEAN);
    const Descriptor& y = scores();
    graph.pointwise(CUDNN_POINTWISE_BINARY_SELECT, x, &number(kMinusInfinity), &sees, y);
    return y;
  }
  /// gradient of keys or values = turned^T x, summed over the heads that share a key head.
  void key_gradient(const Descriptor& turned_scores, const Descriptor& x, int64_t id,
                    int64_t stride) {
    const Descriptor& y = rows(id, s_.kv_heads, s_.keys, stride);
    if (s_.heads == s_.kv_heads) return graph.matmul(turned_scores, x, y);
    const int64_t head = s_.keys * s_.head_size;
    const Descriptor& every = graph.tensor({type_,
                                            {s_.batch, s_.heads, s_.keys, s_.head_size},
                                            {s_.heads * head, head, s_.head_size, 1}});
    graph.matmul(turned_scores, x, every);
    graph.reduce(CUDNN_REDUCE_TENSOR_ADD, every, y);
  }
  cudnnDataType_t type() const { return type_; }

 private:
  const FlashShape& s_;
  cudnnDataType_t type_;
};

}  // namespace

Graph flash_forward_graph(const FlashShape& s) {
  Builder b(s);
  const Descriptor& product = b.scores();
  b.graph.matmul(b.rows(kQ, s.heads, s.queries, s.q_stride),
                 b.rows(kK, s.kv_heads, s.keys, s.k_stride, true), product);
  const Descriptor& scaled =
      b.masked(b.apply(CUDNN_POINTWISE_MUL, product, &b.number(kScale), b.scores()));
  const Descriptor &max = b.column(), &sum = b.column();
  b.graph.reduce(CUDNN_REDUCE_TENSOR_MAX, scaled, max);
  const Descriptor& below = b.apply(CUDNN_POINTWISE_SUB, scaled, &max, b.scores());
  const Descriptor& weight = b.apply(CUDNN_POINTWISE_EXP, below, nullptr, b.scores());
  b.graph.reduce(CUDNN_REDUCE_TENSOR_ADD, weight, sum);
  const Descriptor& log = b.apply(CUDNN_POINTWISE_LOG, sum, nullptr, b.column());
  b.apply(CUDNN_POINTWISE_ADD, max, &log, b.column(kStats));
  const Descriptor& p = b.apply(CUDNN_POINTWISE_DIV, weight, &sum, b.scores(b.type()));
  b.graph.matmul(p, b.rows(kV, s.kv_heads, s.keys, s.v_stride), b.packed(kOut));
  return std::move(b.graph);
}

Graph flash_backward_graph(const FlashShape& s) {
  Builder b(s);
  const Descriptor &q = b.rows(kQ, s.heads, s.queries, s.q_stride), &dout = b.packed(kDout);
  const Descriptor& k_turned = b.rows(kK, s.kv_heads, s.keys, s.k_stride, true);
  const Descriptor& scale = b.number(kScale);

  const int64_t head = s.queries * s.head_size;
  const Descriptor& both = b.graph.tensor({CUDNN_DATA_FLOAT,
                                           {s.batch, s.heads, s.queries, s.head_size},
                                           {s.heads * head, head, s.heads * s.head_size, 1}});
  b.apply(CUDNN_POINTWISE_MUL, dout, &b.packed(kOut), both);
  const Descriptor& reduced = b.column();
  b.graph.reduce(CUDNN_REDUCE_TENSOR_ADD, both, reduced);
  // The library recognises the pattern with this product, which dropout would use.
  const Descriptor& row_sums =
      b.apply(CUDNN_POINTWISE_MUL, reduced, &b.number(kOne), b.column(kRowSums));

  const Descriptor& product = b.scores();
  b.graph.matmul(q, k_turned, product);
  const Descriptor& scaled = b.apply(CUDNN_POINTWISE_MUL, product, &scale, b.scores());
  const Descriptor& below = b.apply(CUDNN_POINTWISE_SUB, scaled, &b.column(kStats), b.scores());
  const Descriptor& p = b.apply(CUDNN_POINTWISE_EXP, b.masked(below), nullptr, b.scores());
  b.key_gradient(b.turned(p), dout, kDv, s.dv_stride);

  const Descriptor& dp = b.scores();
  b.graph.matmul(dout, b.rows(kV, s.kv_heads, s.keys, s.v_stride, true), dp);
  const Descriptor& centred = b.apply(CUDNN_POINTWISE_SUB, dp, &row_sums, b.scores());
  const Descriptor& weighted = b.apply(CUDNN_POINTWISE_MUL, centred, &p, b.scores());
  const Descriptor& ds = b.apply(CUDNN_POINTWISE_MUL, weighted, &scale, b.scores(b.type()));
  b.key_gradient(b.turned(ds), q, kDk, s.dk_stride);

  const Descriptor& k = b.rows(0, s.kv_heads, s.keys, s.k_stride);
  b.graph.reshape(k_turned, k);
  b.graph.matmul(ds, k, b.rows(kDq, s.heads, s.queries, s.dq_stride));
  return std::move(b.graph);
}

}  // namespace echelon::backend::cuda
