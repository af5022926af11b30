#include "echelon/remat/rematerialized.h"

namespace echelon::remat {

namespace {

/// Takes everything, keeps nothing: the first forward trains without a stash.
class Discard : public nn::Stash {
 public:
  void push(Tensor) override {}
};

nn::Context with_stash(const nn::Context& ctx, nn::Stash& stash) {
  nn::Context other = ctx;
  other.stash = stash;
  return other;
}

}  // namespace

Rematerialized::Rematerialized(std::vector<std::unique_ptr<nn::Layer>> inner, InputElements input)
    : inner_(std::move(inner)), input_(std::move(input)) {}

Tensor Rematerialized::forward(const Tensor& x, nn::Context& ctx) {
  ctx.save(x);
  Discard nothing;
  nn::Context once = with_stash(ctx, nothing);
  Tensor y = x;
  for (auto& layer : inner_) y = layer->forward(y, once);
  return y;
}

Tensor Rematerialized::backward(const Tensor& dy, nn::Context& ctx) {
  nn::Stash stash;
  nn::Context again = with_stash(ctx, stash);
  {
    const TraceScope scope(ctx.trace, "recompute", "recompute");
    Tensor y = ctx.restore();
    for (auto& layer : inner_) y = layer->forward(y, again);
  }
  Tensor d = dy;
  for (auto layer = inner_.rbegin(); layer != inner_.rend(); ++layer)
    d = (*layer)->backward(d, again);
  ECH_CHECK(stash.empty(), "recomputed layers left {} bytes on their stash", stash.bytes());
  return d;
}

void Rematerialized::parameters(std::vector<nn::Parameter*>& out) {
  for (auto& layer : inner_) layer->parameters(out);
}

nn::Cost Rematerialized::cost(int64_t rows, int64_t tokens, DType dtype) const {
  nn::Cost c;
  for (const auto& layer : inner_) c += layer->cost(rows, tokens, dtype);
  c.saved_bytes = input_(rows) * static_cast<int64_t>(size_of(dtype));
  return c;
}

RematerializedCore::RematerializedCore(std::unique_ptr<nn::AttentionCore> inner,
                                       const nn::HeadShape& shape)
    : inner_(std::move(inner)), columns_(shape.columns()) {}

Tensor RematerializedCore::forward(const Tensor& qkv, nn::Context& ctx) {
  ctx.save(qkv);
  Discard nothing;
  nn::Context once = with_stash(ctx, nothing);
  return inner_->forward(qkv, once);
}

Tensor RematerializedCore::backward(const Tensor& dout, nn::Context& ctx) {
  nn::Stash stash;
  nn::Context again = with_stash(ctx, stash);
  {
    const TraceScope scope(ctx.trace, "recompute", "recompute");
    inner_->forward(ctx.restore(), again);
  }
  return inner_->backward(dout, again);
}

Tensor RematerializedCore::decode(const Tensor& qkv, nn::Context& ctx) {
  return inner_->decode(qkv, ctx);
}

nn::Cost RematerializedCore::cost(int64_t rows, int64_t tokens, DType dtype) const {
  nn::Cost c = inner_->cost(rows, tokens, dtype);
  c.saved_bytes = rows * columns_ * static_cast<int64_t>(size_of(dtype));
  return c;
}

}  // namespace echelon::remat
