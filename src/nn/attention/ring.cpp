#include "src/nn/attention/ring.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "echelon/ops/elementwise.h"

namespace echelon::nn {

namespace {

void wait_for(std::vector<comm::Pending>& pending) {
  for (comm::Pending& p : pending) std::move(p).wait();
}

/// Attention over more keys from attention over two disjoint sets of them: out and lse take in
/// out2 and lse2. out [tokens, heads*size], lse [heads, tokens].
void merge(const Tensor& out, const Tensor& lse, const Tensor& out2, const Tensor& lse2,
           const ops::AttentionShape& s) {
  const int64_t columns = s.heads * s.head_size;
  for (int64_t h = 0; h < s.heads; ++h)
    for (int64_t t = 0; t < s.query_tokens; ++t) {
      float& a = lse.data<float>()[h * s.query_tokens + t];
      const float b = lse2.data<float>()[h * s.query_tokens + t];
      const float most = std::max(a, b);
      const float both = most + std::log(std::exp(a - most) + std::exp(b - most));
      const float keep = std::exp(a - both), take = std::exp(b - both);
      float* to = out.data<float>() + t * columns + h * s.head_size;
      const float* from = out2.data<float>() + t * columns + h * s.head_size;
      for (int64_t i = 0; i < s.head_size; ++i) to[i] = keep * to[i] + take * from[i];
      a = both;
    }
}

}  // namespace

Ring::Ring(const HeadShape& heads, const ops::AttentionShape& shape, Context& ctx)
    : heads_(heads),
      shape_(shape),
      ctx_(ctx),
      split_(*ctx.context_parallel),
      sequences_(ctx.batch.sequences()),
      length_(ctx.batch.length() / 2),
      key_column_(heads.query_columns()),
      width_(heads.kv_heads * heads.head_size) {
  shape_.batch = 1;
  shape_.query_tokens = shape_.key_tokens = length_;
  shape_.total_tokens = whole_length(ctx);
}

template <class Run>
void Ring::for_pairs(int source, Run run) const {
  for (int64_t b = 0; b < sequences_; ++b)
    for (const int mine : {0, 1})
      for (const int theirs : {0, 1}) {
        const int64_t query = split_.piece(split_.rank(), mine);
        const int64_t key = split_.piece(source, theirs);
        if (key > query) continue;
        ops::AttentionShape s = shape_;
        s.query_start = query * length_;
        s.key_start = key * length_;
        s.first_sequence = shape_.first_sequence + b;
        run((2 * b + mine) * length_, (2 * b + theirs) * length_, 2 * b + mine, s);
      }
}

Tensor Ring::keys_and_values(const Tensor& qkv) const {
  ECH_CHECK(qkv.dtype() == DType::f32, "ring attention of {}", name_of(qkv.dtype()));
  Tensor kv = Tensor::empty({qkv.size(0), 2 * width_}, qkv.dtype(), ctx_.memory);
  for (int64_t row = 0; row < qkv.size(0); ++row)
    std::memcpy(kv.data<float>() + row * 2 * width_,
                qkv.data<float>() + row * heads_.columns() + key_column_,
                static_cast<size_t>(2 * width_) * sizeof(float));
  return kv;
}

void Ring::put_keys_and_values(const Tensor& kv, const Tensor& qkv) const {
  for (int64_t row = 0; row < qkv.size(0); ++row)
    std::memcpy(qkv.data<float>() + row * heads_.columns() + key_column_,
                kv.data<float>() + row * 2 * width_,
                static_cast<size_t>(2 * width_) * sizeof(float));
}

std::vector<comm::Pending> Ring::pass(const Tensor& out, const Tensor& in) const {
  const int c = split_.size(), r = split_.rank();
  std::vector<comm::Pending> pending;
  split_.group->group_begin();
  pending.push_back(split_.group->send(out, (r + 1) % c, *split_.stream));
  pending.push_back(split_.group->recv(in, (r + c - 1) % c, *split_.stream));
  split_.group->group_end(*split_.stream);
  return pending;
}

void Ring::forward(const Tensor& qkv, Tensor& out, Tensor& lse) {
  const int c = split_.size();
  ops::zero(out, ctx_.stream);
  ops::fill_constant(lse, -std::numeric_limits<float>::infinity(), ctx_.stream);
  Tensor part = Tensor::empty({length_, heads_.query_columns()}, DType::f32, ctx_.memory);
  Tensor part_lse = Tensor::empty({1, shape_.heads, length_}, DType::f32, ctx_.memory);
  Tensor kv = keys_and_values(qkv);
  for (int step = 0; step < c; ++step) {
    Tensor next;
    std::vector<comm::Pending> under_way;
    if (step + 1 < c) {
      next = Tensor::empty(kv.shape(), kv.dtype(), ctx_.memory);
      under_way = pass(kv, next);
    }
    for_pairs(source_of(step), [&](int64_t query, int64_t key, int64_t block, const auto& s) {
      const Tensor keys = kv.slice(key, key + length_);
      ops::sdpa_forward({qkv.slice(query, query + length_), 0}, {keys, 0}, {keys, width_}, s, part,
                        part_lse, ctx_.stream);
      merge(out.slice(query, query + length_), lse.slice(block, block + 1), part, part_lse, s);
    });
    wait_for(under_way);
    kv = next;
  }
}

Tensor Ring::backward(const Tensor& qkv, const Tensor& out, const Tensor& lse, const Tensor& dout) {
  const int c = split_.size();
  const Tensor dqkv = Tensor::zeros(qkv.shape(), DType::f32, ctx_.memory);
  Tensor kv = keys_and_values(qkv);
  Tensor home = Tensor::zeros(kv.shape(), DType::f32, ctx_.memory);
  Tensor travelling;  // gradient of the block at hand, from the ranks it has passed
  for (int step = 0; step < c; ++step) {
    Tensor next;
    std::vector<comm::Pending> under_way;
    if (step + 1 < c) {
      next = Tensor::empty(kv.shape(), kv.dtype(), ctx_.memory);
      under_way = pass(kv, next);
    }
    if (step == 1) travelling = Tensor::zeros(kv.shape(), DType::f32, ctx_.memory);
    const Tensor& dkv = step == 0 ? home : travelling;
    for_pairs(source_of(step), [&](int64_t query, int64_t key, int64_t block, const auto& s) {
      const Tensor keys = kv.slice(key, key + length_), dkeys = dkv.slice(key, key + length_);
      ops::sdpa_backward({qkv.slice(query, query + length_), 0}, {keys, 0}, {keys, width_},
                         out.slice(query, query + length_), lse.slice(block, block + 1),
                         dout.slice(query, query + length_), s, true,
                         {dqkv.slice(query, query + length_), 0}, {dkeys, 0}, {dkeys, width_},
                         ctx_.stream);
    });
    if (step > 0) {
      const Tensor arrived = Tensor::empty(kv.shape(), DType::f32, ctx_.memory);
      auto passed = pass(travelling, arrived);
      wait_for(passed);
      travelling = arrived;
    }
    wait_for(under_way);
    kv = next;
  }
  if (c > 1) ops::add(home, travelling, home, ctx_.stream);  // the last pass brought it home
  put_keys_and_values(home, dqkv);
  return dqkv;
}

}  // namespace echelon::nn
