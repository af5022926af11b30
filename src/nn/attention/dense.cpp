// Exact causal softmax attention, tiled (Dao et al. 2022): scores are never stored.
#include <cmath>
#include <cstring>

#include "echelon/nn/attention.h"
#include "echelon/nn/decoding.h"
#include "echelon/ops/attention.h"
#include "src/nn/attention/ring.h"

namespace echelon::nn {

namespace {

class Dense : public AttentionCore {
 public:
  explicit Dense(const HeadShape& shape) : shape_(shape) {}

  Tensor forward(const Tensor& qkv, Context& ctx) override {
    const ops::AttentionShape s = shape_of(ctx);
    Tensor out = Tensor::empty({qkv.size(0), shape_.query_columns()}, qkv.dtype(), ctx.memory);
    Tensor lse;
    if (ctx.context_parallel) {
      Ring ring(shape_, s, ctx);
      lse = Tensor::empty(ring.lse_shape(), DType::f32, ctx.memory);
      ring.forward(qkv, out, lse);
    } else {
      lse = Tensor::empty({s.batch, s.heads, s.query_tokens}, DType::f32, ctx.memory);
      ops::sdpa_forward({qkv, 0}, {qkv, key_column()}, {qkv, value_column()}, s, out, lse,
                        ctx.stream);
    }
    ctx.save(qkv);
    ctx.save(lse);
    ctx.save(out);
    return out;
  }

  Tensor backward(const Tensor& dout, Context& ctx) override {
    const Tensor out = ctx.restore();
    const Tensor lse = ctx.restore();
    const Tensor qkv = ctx.restore();
    if (ctx.context_parallel) return Ring(shape_, shape_of(ctx), ctx).backward(qkv, out, lse, dout);
    Tensor dqkv = Tensor::empty(qkv.shape(), dout.dtype(), ctx.memory);
    ops::sdpa_backward({qkv, 0}, {qkv, key_column()}, {qkv, value_column()}, out, lse, dout,
                       shape_of(ctx), false, {dqkv, 0}, {dqkv, key_column()},
                       {dqkv, value_column()}, ctx.stream);
    return dqkv;
  }

  Tensor decode(const Tensor& qkv, Context& ctx) override {
    const Decoding& state = *ctx.decoding;
    const int64_t batch = ctx.batch.sequences(), tokens = ctx.batch.length();
    const int64_t seen = state.position + tokens;
    ECH_CHECK(seen <= state.capacity, "{} positions in a cache of {}", seen, state.capacity);
    const Tensor& cache = extend_cache(qkv, ctx);
    ops::AttentionShape s = shape_of(ctx);
    s.batch = 1;
    s.key_tokens = seen;
    s.query_start = state.position;
    Tensor out = Tensor::empty({qkv.size(0), shape_.query_columns()}, qkv.dtype(), ctx.memory);
    Tensor lse = Tensor::empty({1, s.heads, tokens}, DType::f32, ctx.memory);
    for (int64_t b = 0; b < batch; ++b) {
      const Tensor kv = cache.slice(b * state.capacity, b * state.capacity + seen);
      Tensor out_b = out.slice(b * tokens, (b + 1) * tokens);
      ops::sdpa_forward({qkv.slice(b * tokens, (b + 1) * tokens), 0}, {kv, 0},
                        {kv, shape_.kv_heads * shape_.head_size}, s, out_b, lse, ctx.stream);
    }
    return out;
  }

  Cost cost(int64_t rows, int64_t tokens, DType dtype) const override {
    Cost c;
    const double pairs = static_cast<double>(rows) * static_cast<double>(tokens + 1) / 2;
    c.flops = 4 * pairs * static_cast<double>(shape_.query_columns());
    c.saved_bytes =
        rows * (shape_.columns() * static_cast<int64_t>(size_of(dtype)) + shape_.heads * 4);
    return c;
  }

 private:
  int64_t key_column() const { return shape_.query_columns(); }
  int64_t value_column() const { return key_column() + shape_.kv_heads * shape_.head_size; }

  ops::AttentionShape shape_of(const Context& ctx) const {
    ops::AttentionShape s;
    s.batch = ctx.batch.sequences();
    s.query_tokens = s.key_tokens = s.total_tokens = ctx.batch.length();
    s.heads = shape_.heads;
    s.kv_heads = shape_.kv_heads;
    s.head_size = shape_.head_size;
    s.scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(shape_.head_size)));
    s.dropout = ctx.training ? static_cast<float>(shape_.dropout) : 0.0f;
    s.rng = dropout_stream(ctx, shape_.layer, DropoutPlace::attention);
    s.first_sequence = ctx.batch.first_sample;
    s.first_head = shape_.first_head;
    s.all_heads = shape_.all_heads;
    return s;
  }

  /// Copies k and v of the new rows behind those of earlier positions.
  const Tensor& extend_cache(const Tensor& qkv, Context& ctx) const {
    ECH_CHECK(qkv.device().kind == DeviceKind::cpu, "cached decoding runs on the CPU only");
    Decoding& state = *ctx.decoding;
    const int64_t width = 2 * shape_.kv_heads * shape_.head_size;
    const int64_t batch = ctx.batch.sequences(), tokens = ctx.batch.length();
    Tensor& cache = state.cache[shape_.layer];
    if (!cache.defined())
      cache = Tensor::empty({batch * state.capacity, width}, qkv.dtype(), ctx.memory);
    ECH_CHECK(cache.size(0) == batch * state.capacity, "{} cached rows for {} sequences",
              cache.size(0), batch);
    const auto e = static_cast<int64_t>(size_of(qkv.dtype()));
    for (int64_t row = 0; row < batch * tokens; ++row) {
      const int64_t to = row / tokens * state.capacity + state.position + row % tokens;
      std::memcpy(cache.raw() + to * width * e,
                  qkv.raw() + (row * shape_.columns() + key_column()) * e,
                  static_cast<size_t>(width * e));
    }
    return cache;
  }

  HeadShape shape_;
};

}  // namespace

std::unique_ptr<AttentionCore> make_dense(const HeadShape& shape);
std::unique_ptr<AttentionCore> make_dense(const HeadShape& shape) {
  return std::make_unique<Dense>(shape);
}

}  // namespace echelon::nn
