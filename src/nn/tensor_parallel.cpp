#include "echelon/nn/tensor_parallel.h"

#include "echelon/nn/context_parallel.h"

#include "echelon/ops/elementwise.h"

namespace echelon::nn {

namespace {
/// Collectives have a stream of their own only where overlap is wanted; it must see finished
/// inputs.
Stream& collective_stream(Context& ctx) {
  if (ctx.tp_stream == nullptr) return ctx.stream;
  ctx.tp_stream->wait(ctx.stream.record());
  return *ctx.tp_stream;
}
}  // namespace

comm::Pending TensorParallel::all_reduce(const Tensor& data, comm::ReduceOp op,
                                         Context& ctx) const {
  if (!split()) return {};
  return group->all_reduce(data, op, collective_stream(ctx));
}

comm::Pending TensorParallel::reduce_scatter(const Tensor& full, const Tensor& part,
                                             Context& ctx) const {
  return group->reduce_scatter(full, part, comm::ReduceOp::sum, collective_stream(ctx));
}

comm::Pending TensorParallel::all_gather(const Tensor& part, const Tensor& full,
                                         Context& ctx) const {
  return group->all_gather(part, full, collective_stream(ctx));
}

Tensor TensorParallel::gathered(const Tensor& x, Context& ctx) const {
  if (!rows_split(ctx)) return x;
  Tensor full = Tensor::empty({x.size(0) * size(), x.size(1)}, x.dtype(), ctx.memory);
  all_gather(x, full, ctx).wait();
  return full;
}

Tensor TensorParallel::reduced(const Tensor& partial, Context& ctx) const {
  if (!rows_split(ctx)) {
    all_reduce(partial, comm::ReduceOp::sum, ctx).wait();
    return partial;
  }
  ECH_CHECK(partial.size(0) % size() == 0, "{} rows over {} ranks", partial.size(0), size());
  Tensor part =
      Tensor::empty({partial.size(0) / size(), partial.size(1)}, partial.dtype(), ctx.memory);
  reduce_scatter(partial, part, ctx).wait();
  return part;
}

Philox dropout_stream(const Context& ctx, int64_t layer, DropoutPlace place) {
  return {ctx.seed, make_stream(Draw::dropout, static_cast<uint64_t>(layer),
                                static_cast<uint64_t>(place), static_cast<uint64_t>(ctx.step))};
}

void dropout_rows(Tensor& x, double p, int64_t layer, DropoutPlace place, const TensorParallel& tp,
                  const Context& ctx) {
  if (p == 0 || !ctx.training) return;
  if (ctx.context_parallel) {
    for_position_runs(
        ctx.context_parallel, ctx.batch.length(), tp.first_row(x.size(0), ctx), x.size(0),
        [&](int64_t from, int64_t to, int64_t sequence, int64_t position) {
          Tensor run = x.slice(from, to);
          ops::dropout(
              run, static_cast<float>(p), dropout_stream(ctx, layer, place),
              {.whole_columns = x.size(1),
               .first_row = (ctx.batch.first_sample + sequence) * whole_length(ctx) + position,
               .first_column = 0},
              ctx.stream);
        });
    return;
  }
  const ops::Placement where{
      .whole_columns = x.size(1),
      .first_row = ctx.batch.first_sample * ctx.batch.length() + tp.first_row(x.size(0), ctx),
      .first_column = 0};
  ops::dropout(x, static_cast<float>(p), dropout_stream(ctx, layer, place), where, ctx.stream);
}

Tensor dropped_rows(const Tensor& x, double p, int64_t layer, DropoutPlace place,
                    const TensorParallel& tp, const Context& ctx) {
  if (p == 0 || !ctx.training) return x;
  Tensor copied = Tensor::empty(x.shape(), x.dtype(), ctx.memory);
  ops::cast(x, copied, ctx.stream);
  dropout_rows(copied, p, layer, place, tp, ctx);
  return copied;
}

}  // namespace echelon::nn
