#include "attention_case.h"
#include "echelon/ops/elementwise.h"

#include <algorithm>

using namespace echelon;
using namespace echelon::test;

TEST_CASE("the float64 attention gradient agrees with finite differences", "[ops]") {
  const bool causal = GENERATE(false, true);
  const Attention a{.batch = 1,
                    .queries = 4,
                    .keys = 5,
                    .heads = 2,
                    .kv_heads = 1,
                    .head_size = 3,
                    .scale = 0.6,
                    .causal = causal,
                    .query_start = 1,
                    .key_start = 0,
                    .mask = [](int64_t, int64_t h, int64_t i, int64_t j) {
                      return (h + i + 2 * j) % 3 == 0 ? 0.0 : 1.5;
                    }};
  const Doubles q = widened(fill(24, 1)), k = widened(fill(15, 2)), v = widened(fill(15, 3));
  const Doubles dout = widened(fill(24, 4));
  const auto g = a.backward(q, k, v, dout);
  const auto check = [&](const Doubles& gradient, const Doubles& x, auto&& f) {
    const Doubles wanted = finite_difference(f, x, dout);
    for (size_t i = 0; i < x.size(); ++i)
      CHECK(std::abs(gradient[i] - wanted[i]) <=
            tolerance::kFiniteDifference.absolute +
                tolerance::kFiniteDifference.relative * std::abs(wanted[i]));
  };
  check(g.dq, q, [&](const Doubles& x) { return a.forward(x, k, v).out; });
  check(g.dk, k, [&](const Doubles& x) { return a.forward(q, x, v).out; });
  check(g.dv, v, [&](const Doubles& x) { return a.forward(q, k, x).out; });
}

TEST_CASE("attention agrees with float64 for odd sizes", "[ops]") {
  const int64_t tokens = GENERATE(1, 5, 33, 130), heads = GENERATE(1, 3);
  const int64_t head_size = GENERATE(4, 8, 20, 64, 80, 128);
  const bool causal = GENERATE(true, false);
  CAPTURE(tokens, heads, head_size, causal);
  AttentionCase t(tokens, tokens, heads, heads, head_size, tokens > 100 ? 1 : 2);
  t.shape.causal = causal;
  t.forward();
  t.check_forward();
  t.backward();
  t.check_backward();
}

TEST_CASE("query heads share key and value heads in groups", "[ops]") {
  const int64_t kv_heads = GENERATE(1, 2, 3, 6);
  CAPTURE(kv_heads);
  AttentionCase t(47, 47, 6, kv_heads, 16);
  t.forward();
  t.check_forward();
  t.backward();
  t.check_backward();
}

TEST_CASE("queries and keys may start anywhere", "[ops]") {
  // {query_start, queries, key_start, keys}: decoding with a cache, a later and an earlier block of
  // keys, a block that only the last queries see, one that nobody sees.
  struct Starts {
    int64_t query_start, queries, key_start, keys;
  };
  const auto s = GENERATE(Starts{70, 1, 0, 71}, Starts{64, 37, 0, 64}, Starts{0, 40, 20, 40},
                          Starts{3, 90, 70, 50}, Starts{0, 20, 20, 30}, Starts{100, 3, 2, 97});
  CAPTURE(s.query_start, s.queries, s.key_start, s.keys);
  AttentionCase t(s.queries, s.keys, 2, 1, 20);
  t.shape.query_start = s.query_start;
  t.shape.key_start = s.key_start;
  t.forward();
  t.check_forward();
  t.backward();
  t.check_backward();
}

TEST_CASE("rows that see no key are zero with lse of minus infinity", "[ops]") {
  AttentionCase t(10, 6, 1, 1, 8, 1);
  t.shape.key_start = 7;
  t.forward();
  t.backward();
  for (size_t i = 0; i < 10; ++i) {
    CHECK(std::isinf(values_of(t.lse)[i]) == (i < 7));
    for (size_t c = 0; c < 8; ++c) {
      if (i < 7) CHECK(values_of(t.out)[i * 8 + c] == 0.0f);
      if (i < 7) CHECK(values_of(t.dq)[i * 8 + c] == 0.0f);
    }
  }
}

TEST_CASE("a token changes nothing before it", "[ops]") {
  AttentionCase t(150, 150, 2, 2, 24, 1), changed(150, 150, 2, 2, 24, 1);
  constexpr int64_t kAt = 71;
  for (Tensor* x : {&changed.q, &changed.k, &changed.v})
    for (int64_t c = 0; c < 48; ++c) x->data<float>()[kAt * 48 + c] += 100.0f;
  t.forward();
  changed.forward();
  const auto before = values_of(t.out), after = values_of(changed.out);
  CHECK(std::equal(before.begin(), before.begin() + kAt * 48, after.begin()));
  CHECK_FALSE(std::equal(before.begin() + kAt * 48, before.begin() + (kAt + 1) * 48,
                         after.begin() + kAt * 48));
}

TEST_CASE("two blocks of keys combined by lse equal the whole", "[ops]") {
  const int64_t cut = GENERATE(1, 32, 45, 64);
  AttentionCase whole(96, 96, 3, 3, 16, 1), part(96, 96, 3, 3, 16, 1);
  whole.forward();
  struct Half {
    std::vector<float> out, lse;
  };
  const auto run = [&](int64_t from, int64_t to) {
    Tensor out = whole.constant({96, 48}, NAN), lse = whole.constant({1, 3, 96}, NAN);
    ops::AttentionShape s = whole.shape;
    s.key_tokens = to - from;
    s.key_start = from;
    ops::sdpa_forward({whole.q}, {whole.k.slice(from, to)}, {whole.v.slice(from, to)}, s, out, lse,
                      *whole.stream);
    return Half{values_of(out), values_of(lse)};
  };
  const Half a = run(0, cut), b = run(cut, 96);
  Doubles combined(96 * 48), lse(3 * 96);
  for (size_t h = 0; h < 3; ++h)
    for (size_t i = 0; i < 96; ++i) {
      const double la = static_cast<double>(a.lse[h * 96 + i]),
                   lb = static_cast<double>(b.lse[h * 96 + i]);
      const double most = std::max(la, lb),
                   total = most + std::log(std::exp(la - most) + std::exp(lb - most));
      lse[h * 96 + i] = total;
      for (size_t d = 0; d < 16; ++d) {
        const size_t at = (i * 3 + h) * 16 + d;
        combined[at] = std::exp(la - total) * static_cast<double>(a.out[at]) +
                       std::exp(lb - total) * static_cast<double>(b.out[at]);
      }
    }
  CHECK(worst(values_of(whole.out), combined, tolerance::kAttention) <= 1.0);
  CHECK(worst(values_of(whole.lse), lse, tolerance::kAttention) <= 1.0);
}

TEST_CASE("gradients add up over blocks of keys with the lse of the whole", "[ops]") {
  AttentionCase whole(70, 70, 2, 1, 12, 1);
  whole.forward();
  whole.backward();
  Tensor dq = whole.constant({70, 24}, 0.0f), dk = whole.constant({70, 12}, 0.0f);
  Tensor dv = whole.constant({70, 12}, 0.0f);
  for (const auto& [from, to] : {std::pair{0, 33}, std::pair{33, 70}}) {
    ops::AttentionShape s = whole.shape;
    s.key_tokens = to - from;
    s.key_start = from;
    ops::sdpa_backward({whole.q}, {whole.k.slice(from, to)}, {whole.v.slice(from, to)}, whole.out,
                       whole.lse, whole.dout, s, true, {dq}, {dk.slice(from, to)},
                       {dv.slice(from, to)}, *whole.stream);
  }
  CHECK(worst(values_of(dq), doubles(whole.dq), tolerance::kAttentionGradient) <= 1.0);
  CHECK(worst(values_of(dk), doubles(whole.dk), tolerance::kAttentionGradient) <= 1.0);
  CHECK(worst(values_of(dv), doubles(whole.dv), tolerance::kAttentionGradient) <= 1.0);
}

TEST_CASE("heads are read from and written to one packed tensor", "[ops]") {
  AttentionCase t(37, 37, 2, 2, 8, 1);
  t.forward();
  t.backward();
  const int64_t width = 3 * 16 + 5;
  Tensor packed = t.constant({37, width}, 9.0f), grads = t.constant({37, width}, 9.0f);
  const auto place = [&](const Tensor& x, int64_t column) {
    for (int64_t r = 0; r < 37; ++r)
      std::copy_n(x.data<float>() + r * 16, 16, packed.data<float>() + r * width + column);
  };
  place(t.q, 2);
  place(t.k, 18);
  place(t.v, 34);
  Tensor out = t.constant({37, 16}, NAN), lse = t.constant({1, 2, 37}, NAN);
  ops::sdpa_forward({packed, 2}, {packed, 18}, {packed, 34}, t.shape, out, lse, *t.stream);
  ops::sdpa_backward({packed, 2}, {packed, 18}, {packed, 34}, out, lse, t.dout, t.shape, false,
                     {grads, 2}, {grads, 18}, {grads, 34}, *t.stream);
  CHECK(values_of(out) == values_of(t.out));
  for (int64_t r = 0; r < 37; ++r) {
    const float* row = grads.data<float>() + r * width;
    CHECK(std::equal(row + 2, row + 18, t.dq.data<float>() + r * 16));
    CHECK(std::equal(row + 18, row + 34, t.dk.data<float>() + r * 16));
    CHECK(std::equal(row + 34, row + 50, t.dv.data<float>() + r * 16));
    for (const int64_t c : {0, 1, 50, 51, 52}) CHECK(row[c] == 9.0f);
  }
}

TEST_CASE("attention does not depend on the number of threads", "[ops]") {
  AttentionCase one(200, 200, 4, 2, 32), three(200, 200, 4, 2, 32);
  one.dropout(0.1f);
  three.dropout(0.1f);
  {
    const Threads threads(1);
    one.forward();
    one.backward();
  }
  const Threads threads(3);
  three.forward();
  three.backward();
  CHECK(values_of(one.out) == values_of(three.out));
  CHECK(values_of(one.lse) == values_of(three.lse));
  CHECK(values_of(one.dq) == values_of(three.dq));
  CHECK(values_of(one.dk) == values_of(three.dk));
  CHECK(values_of(one.dv) == values_of(three.dv));
}

TEST_CASE("large scores neither overflow nor lose the largest", "[ops]") {
  AttentionCase t(65, 65, 1, 1, 16, 1);
  ops::scale(60.0f, t.q, *t.stream);
  t.forward();
  for (const float x : values_of(t.out)) CHECK(std::isfinite(x));
  const auto wanted = t.reference().forward(doubles(t.q), doubles(t.k), doubles(t.v));
  // Scores of several hundred carry their own rounding into the exponential.
  CHECK(worst(values_of(t.out), wanted.out, {2e-4, 2e-4}) <= 1.0);
}

TEST_CASE("dropout of the probabilities follows the global element", "[ops]") {
  const int64_t tokens = GENERATE(5, 33, 100);
  AttentionCase t(tokens, tokens, 3, 1, 20);
  t.dropout(0.25f);
  t.shape.first_sequence = 3;
  t.forward();
  t.check_forward();
  t.backward();
  t.check_backward();
}

TEST_CASE("every layout of heads and sequences draws the same dropout mask", "[ops]") {
  AttentionCase whole(40, 40, 4, 4, 8);
  whole.dropout(0.3f);
  whole.forward();
  AttentionCase part(40, 40, 2, 2, 8, 1);  // second sequence, heads 2 and 3
  part.dropout(0.3f);
  part.shape.all_heads = 4;
  part.shape.first_head = 2;
  part.shape.first_sequence = 1;
  for (int64_t r = 0; r < 40; ++r)
    for (const auto& [to, from] :
         {std::pair{&part.q, &whole.q}, std::pair{&part.k, &whole.k}, std::pair{&part.v, &whole.v}})
      std::copy_n(from->data<float>() + (40 + r) * 32 + 16, 16, to->data<float>() + r * 16);
  part.forward();
  for (int64_t r = 0; r < 40; ++r)
    CHECK(std::equal(part.out.data<float>() + r * 16, part.out.data<float>() + (r + 1) * 16,
                     whole.out.data<float>() + (40 + r) * 32 + 16));
}
