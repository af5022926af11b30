#pragma once
// One attention problem: packed inputs, outputs, and its float64 reference.
#include "echelon/ops/attention.h"
#include "op_test.h"

namespace echelon::test {

struct AttentionCase : OpTest {
  ops::AttentionShape shape;
  int64_t width, kv_width;
  Tensor q, k, v, dout, out, lse, dq, dk, dv;

  AttentionCase(int64_t queries, int64_t keys, int64_t heads, int64_t kv_heads, int64_t head_size,
                int64_t batch = 2)
      : width(heads * head_size), kv_width(kv_heads * head_size) {
    shape.batch = batch;
    shape.query_tokens = queries;
    shape.key_tokens = keys;
    shape.heads = heads;
    shape.kv_heads = kv_heads;
    shape.head_size = head_size;
    shape.scale = 1.0f / std::sqrt(static_cast<float>(head_size));
    q = random({batch * queries, width}, 1, 3.0);
    k = random({batch * keys, kv_width}, 2, 3.0);
    v = random({batch * keys, kv_width}, 3);
    dout = random({batch * queries, width}, 4);
    out = constant({batch * queries, width}, NAN);
    lse = constant({batch, heads, queries}, NAN);
    dq = constant({batch * queries, width}, NAN);
    dk = constant({batch * keys, kv_width}, NAN);
    dv = constant({batch * keys, kv_width}, NAN);
  }

  void dropout(float p) {
    shape.dropout = p;
    shape.rng = {17, 3};
    shape.all_heads = shape.heads;
    shape.total_tokens =
        std::max(shape.query_start + shape.query_tokens, shape.key_start + shape.key_tokens);
  }
  void forward() { ops::sdpa_forward({q}, {k}, {v}, shape, out, lse, *stream); }
  void backward(bool accumulate = false) {
    ops::sdpa_backward({q}, {k}, {v}, out, lse, dout, shape, accumulate, {dq}, {dk}, {dv}, *stream);
  }

  Attention reference() const {
    Attention a{.batch = shape.batch,
                .queries = shape.query_tokens,
                .keys = shape.key_tokens,
                .heads = shape.heads,
                .kv_heads = shape.kv_heads,
                .head_size = shape.head_size,
                .scale = static_cast<double>(shape.scale),
                .causal = shape.causal,
                .query_start = shape.query_start,
                .key_start = shape.key_start,
                .mask = {}};
    if (shape.dropout > 0.0f)
      a.mask = [s = shape](int64_t b, int64_t h, int64_t i, int64_t j) {
        const int64_t head = (s.first_sequence + b) * s.all_heads + s.first_head + h;
        const int64_t row = head * s.total_tokens + s.query_start + i;
        const auto element = static_cast<uint64_t>(row * s.total_tokens + s.key_start + j);
        const bool kept = s.rng.uniform(element) >= s.dropout;
        return kept ? 1.0 / (1.0 - static_cast<double>(s.dropout)) : 0.0;
      };
    return a;
  }
  void check_forward() const {
    const auto wanted = reference().forward(doubles(q), doubles(k), doubles(v));
    CHECK(worst(values_of(out), wanted.out, tolerance::kAttention) <= 1.0);
    CHECK(worst(values_of(lse), wanted.lse, tolerance::kAttention) <= 1.0);
  }
  void check_backward() const {
    const auto wanted = reference().backward(doubles(q), doubles(k), doubles(v), doubles(dout));
    CHECK(worst(values_of(dq), wanted.dq, tolerance::kAttentionGradient) <= 1.0);
    CHECK(worst(values_of(dk), wanted.dk, tolerance::kAttentionGradient) <= 1.0);
    CHECK(worst(values_of(dv), wanted.dv, tolerance::kAttentionGradient) <= 1.0);
  }
};

}  // namespace echelon::test
