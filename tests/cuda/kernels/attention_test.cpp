#include "kernels/cuda/attention.h"

#include <algorithm>

#include "echelon/base/philox.h"
#include "kernel_test.h"

using namespace echelon;
using namespace echelon::test;
namespace k = kernels::cuda;

namespace {

struct Case {
  k::AttentionSize size{};
  Floats q, k_, v, dout, out, lse, dq, dk, dv;

  Case(int64_t queries, int64_t keys, int64_t heads, int64_t kv_heads, int64_t head_size,
       int64_t batch = 1) {
    size.batch = batch, size.queries = queries, size.keys = keys, size.heads = heads;
    size.kv_heads = kv_heads, size.head_size = head_size, size.causal = true;
    size.scale = 1.0f / std::sqrt(static_cast<float>(head_size));
    const int64_t q_count = batch * queries * heads * head_size;
    const int64_t k_count = batch * keys * kv_heads * head_size;
    q = fill(q_count, 1, 3.0), k_ = fill(k_count, 2, 3.0), v = fill(k_count, 3);
    dout = fill(q_count, 4);
    out = dq = constant(q_count, NAN);
    dk = dv = constant(k_count, NAN);
    lse = constant(batch * heads * queries, NAN);
  }

  k::Heads wide(Floats& x) const { return {x.data(), size.heads * size.head_size}; }
  k::Heads narrow(Floats& x) const { return {x.data(), size.kv_heads * size.head_size}; }
  void run(bool accumulate = false) {
    Floats workspace = constant(k::attention_workspace(size), NAN);
    k::attention_forward(Float::f32, wide(q), narrow(k_), narrow(v), size, out.data(), lse.data(),
                         kNoStream);
    k::attention_backward(Float::f32, wide(q), narrow(k_), narrow(v), out.data(), lse.data(),
                          dout.data(), size, accumulate, wide(dq), narrow(dk), narrow(dv),
                          workspace.data(), kNoStream);
  }

  Attention reference() const {
    Attention a{.batch = size.batch,
                .queries = size.queries,
                .keys = size.keys,
                .heads = size.heads,
                .kv_heads = size.kv_heads,
                .head_size = size.head_size,
                .scale = static_cast<double>(size.scale),
                .causal = size.causal,
                .query_start = size.query_start,
                .key_start = size.key_start,
                .mask = {}};
    if (size.dropout > 0.0f)
      a.mask = [s = size](int64_t b, int64_t h, int64_t i, int64_t j) {
        const int64_t head = (s.first_sequence + b) * s.all_heads + s.first_head + h;
        const int64_t row = head * s.total_tokens + s.query_start + i;
        const Philox rng{s.key.seed, s.key.stream};
        const auto element = static_cast<uint64_t>(row * s.total_tokens + s.key_start + j);
        return rng.uniform(element) >= s.dropout ? 1.0 / (1.0 - static_cast<double>(s.dropout))
                                                 : 0.0;
      };
    return a;
  }

  void check() const {
    const auto a = reference();
    const Doubles wq = widened(q), wk = widened(k_), wv = widened(v);
    const auto forward = a.forward(wq, wk, wv);
    const auto backward = a.backward(wq, wk, wv, widened(dout));
    CHECK(worst(out, forward.out, tolerance::kAttention) <= 1.0);
    CHECK(worst(lse, forward.lse, tolerance::kAttention) <= 1.0);
    CHECK(worst(dq, backward.dq, tolerance::kAttentionGradient) <= 1.0);
    CHECK(worst(dk, backward.dk, tolerance::kAttentionGradient) <= 1.0);
    CHECK(worst(dv, backward.dv, tolerance::kAttentionGradient) <= 1.0);
  }
};

}  // namespace

TEST_CASE("attention kernels agree with float64 for odd sizes", "[cuda]") {
  in_every_order();
  const auto [tokens, head_size] =
      GENERATE(std::pair{1, 4}, std::pair{5, 20}, std::pair{33, 8}, std::pair{70, 64},
               std::pair{40, 128}, std::pair{17, 132}, std::pair{20, 256});
  const bool causal = GENERATE(true, false);
  CAPTURE(tokens, head_size, causal);
  Case t(tokens, tokens, 2, 2, head_size);
  t.size.causal = causal;
  t.run();
  t.check();
}

TEST_CASE("attention kernels share key heads, know starts, drop by element", "[cuda]") {
  Case grouped(35, 35, 6, 2, 12, 2);
  grouped.run();
  grouped.check();
  Case cached(3, 50, 2, 1, 8);  // decoding: three new queries after 47 cached keys
  cached.size.query_start = 47;
  cached.run();
  cached.check();
  Case blind(20, 40, 1, 1, 8);  // queries before the first key see nothing
  blind.size.key_start = 10;
  blind.run();
  blind.check();
  CHECK(blind.lse[0] == -INFINITY);
  CHECK(blind.out[0] == 0.0f);
  Case dropped(37, 37, 3, 1, 20, 2);
  dropped.size.dropout = 0.25f;
  dropped.size.key = {17, 3};
  dropped.size.all_heads = 4, dropped.size.first_head = 1;
  dropped.size.first_sequence = 3, dropped.size.total_tokens = 37;
  dropped.run();
  dropped.check();
}

TEST_CASE("attention kernels add to gradients when asked", "[cuda]") {
  Case set(37, 37, 2, 1, 8), added(37, 37, 2, 1, 8);
  set.run();
  added.dq = constant(static_cast<int64_t>(added.dq.size()), 0.5f);
  added.dk = added.dv = constant(static_cast<int64_t>(added.dk.size()), 0.5f);
  added.run(true);
  for (size_t i = 0; i < set.dq.size(); ++i)
    REQUIRE(added.dq[i] == Approx(set.dq[i] + 0.5f).margin(1e-6));
  for (size_t i = 0; i < set.dk.size(); ++i) {
    REQUIRE(added.dk[i] == Approx(set.dk[i] + 0.5f).margin(1e-6));
    REQUIRE(added.dv[i] == Approx(set.dv[i] + 0.5f).margin(1e-6));
  }
}

TEST_CASE("attention kernels read heads of one packed array and leave the rest alone", "[cuda]") {
  Case t(21, 21, 2, 2, 8);
  t.run();
  constexpr int64_t kWidth = 3 * 16 + 5;
  Floats packed = constant(21 * kWidth, 9.0f), grads = packed;
  for (int64_t r = 0; r < 21; ++r) {
    std::copy_n(t.q.data() + r * 16, 16, packed.data() + r * kWidth + 2);
    std::copy_n(t.k_.data() + r * 16, 16, packed.data() + r * kWidth + 18);
    std::copy_n(t.v.data() + r * 16, 16, packed.data() + r * kWidth + 34);
  }
  const auto at = [](Floats& x, int64_t column) { return k::Heads{x.data() + column, kWidth}; };
  Floats out = t.out, lse = t.lse, workspace = constant(k::attention_workspace(t.size), NAN);
  k::attention_forward(Float::f32, at(packed, 2), at(packed, 18), at(packed, 34), t.size,
                       out.data(), lse.data(), kNoStream);
  k::attention_backward(Float::f32, at(packed, 2), at(packed, 18), at(packed, 34), out.data(),
                        lse.data(), t.dout.data(), t.size, false, at(grads, 2), at(grads, 18),
                        at(grads, 34), workspace.data(), kNoStream);
  CHECK(out == t.out);
  for (int64_t r = 0; r < 21; ++r) {
    const float* const row = grads.data() + r * kWidth;
    CHECK(std::equal(row + 2, row + 18, t.dq.data() + r * 16));
    CHECK(std::equal(row + 18, row + 34, t.dk.data() + r * 16));
    CHECK(std::equal(row + 34, row + 50, t.dv.data() + r * 16));
    for (const int64_t c : {0, 1, 50, 51, 52}) CHECK(row[c] == 9.0f);
  }
}

TEST_CASE("attention kernels on bf16 agree with float64 on the same inputs", "[cuda]") {
  Case t(40, 40, 2, 1, 16);
  auto q = narrowed<bf16>(t.q), keys = narrowed<bf16>(t.k_), v = narrowed<bf16>(t.v);
  std::vector<bf16> out(q.size());
  k::attention_forward(Float::bf16, {q.data(), 32}, {keys.data(), 16}, {v.data(), 16}, t.size,
                       out.data(), t.lse.data(), kNoStream);
  const auto wanted = t.reference().forward(
      widened(widened_floats(q)), widened(widened_floats(keys)), widened(widened_floats(v)));
  CHECK(worst(widened_floats(out), wanted.out, rounded_to(Float::bf16, tolerance::kAttention)) <=
        1.0);
  CHECK(worst(t.lse, wanted.lse, tolerance::kAttention) <= 1.0);
}

TEST_CASE("the rope kernel rotates by position and back", "[cuda]") {
  const int64_t head_size = GENERATE(4, 20), first = GENERATE(0, 1000);
  constexpr int64_t kTokens = 5, kHeads = 3;
  const int64_t width = kHeads * head_size + 3, half = head_size / 2;
  Floats x = fill(2 * kTokens * width, 1);
  const Doubles before = widened(x);
  Doubles wanted = before;
  for (int64_t r = 0; r < 2 * kTokens; ++r)
    for (int64_t h = 0; h < kHeads; ++h)
      for (int64_t i = 0; i < half; ++i) {
        const double angle =
            static_cast<double>(first + r % kTokens) *
            std::pow(10000.0, -2.0 * static_cast<double>(i) / static_cast<double>(head_size));
        double& low = wanted[static_cast<size_t>(r * width + 2 + h * head_size + i)];
        double& high = wanted[static_cast<size_t>(r * width + 2 + h * head_size + i + half)];
        const double a = low, b = high;
        low = a * std::cos(angle) - b * std::sin(angle);
        high = b * std::cos(angle) + a * std::sin(angle);
      }
  const k::Heads heads{x.data() + 2, width};
  k::rope(Float::f32, heads, 2 * kTokens, kHeads, head_size, kTokens, first, 10000.0f, false,
          kNoStream);
  CHECK(worst(x, wanted, tolerance::kRope) <= 1.0);
  k::rope(Float::f32, heads, 2 * kTokens, kHeads, head_size, kTokens, first, 10000.0f, true,
          kNoStream);
  CHECK(worst(x, before, {4e-7, 4e-7}) <= 1.0);
}
