// bf16 through the libraries. The ops check for f32, so these call the backend's table itself.
#include "gpu_test.h"

using namespace echelon;
using namespace echelon::test;

namespace {

struct Half : Gpu {
  ops::AttentionShape shape;
  Tensor q, k, v, dout, out, lse, dq, dk, dv;

  Half(int64_t tokens, int64_t heads, int64_t kv_heads, int64_t d) {
    shape.batch = 2;
    shape.query_tokens = shape.key_tokens = tokens;
    shape.heads = heads, shape.kv_heads = kv_heads, shape.head_size = d;
    shape.scale = 1.0f / std::sqrt(static_cast<float>(d));
    const int64_t rows = 2 * tokens;
    const auto make = [&](int64_t width, int seed) {
      return as(DType::bf16, random({rows, width}, seed, 1.5));
    };
    q = make(heads * d, 1), k = make(kv_heads * d, 2), v = make(kv_heads * d, 3);
    dout = make(heads * d, 4), out = make(heads * d, 5);
    dq = make(heads * d, 6), dk = make(kv_heads * d, 7), dv = make(kv_heads * d, 8);
    lse = over(constant({2, heads, tokens}, NAN));
  }
  void run() {
    const ops::OpTable& t = *backend.table;
    t.sdpa_forward({q}, {k}, {v}, shape, out, lse, *queue);
    t.sdpa_backward({q}, {k}, {v}, out, lse, dout, shape, false, {dq}, {dk}, {dv}, *queue);
  }
};

}  // namespace

TEST_CASE("device: bf16 products accumulate in f32", "[gpu]") {
  ECH_NEEDS_DEVICE();
  Gpu g;
  const ops::OpTable& t = *g.backend.table;
  const Tensor x = g.as(DType::bf16, g.random({64, 256}, 1)),
               w = g.as(DType::bf16, g.random({128, 256}, 2));
  Tensor y = g.as(DType::bf16, g.constant({64, 128}, 0)), wide = g.over(g.constant({64, 128}, 0));
  t.linear_forward(x, w, nullptr, y, *g.queue);
  const Doubles a = widened(g.widened_floats(x)), b = widened(g.widened_floats(w));
  Doubles wanted(64 * 128, 0.0);
  for (size_t i = 0; i < 64; ++i)
    for (size_t j = 0; j < 128; ++j)
      for (size_t c = 0; c < 256; ++c) wanted[i * 128 + j] += a[i * 256 + c] * b[j * 256 + c];
  CHECK(worst(g.widened_floats(y), wanted, {0x1p-8, 1e-3}) <= 1.0);
}

TEST_CASE("device: bf16 attention agrees with float64 on the same inputs", "[gpu]") {
  ECH_NEEDS_DEVICE();
  const auto [tokens, heads, kv_heads, d] =
      GENERATE(std::tuple{128, 4, 4, 64}, std::tuple{100, 4, 2, 128}, std::tuple{33, 2, 1, 20});
  CAPTURE(tokens, heads, kv_heads, d);
  Half h(tokens, heads, kv_heads, d);
  h.run();
  const Attention a{.batch = 2,
                    .queries = tokens,
                    .keys = tokens,
                    .heads = heads,
                    .kv_heads = kv_heads,
                    .head_size = d,
                    .scale = static_cast<double>(h.shape.scale),
                    .mask = {}};
  const Doubles q = widened(h.widened_floats(h.q)), k = widened(h.widened_floats(h.k)),
                v = widened(h.widened_floats(h.v)), dout = widened(h.widened_floats(h.dout));
  const auto forward = a.forward(q, k, v);
  const auto backward = a.backward(q, k, v, dout);
  // Probabilities and gradients of scores are rounded to bf16 before their products.
  CHECK(worst(h.widened_floats(h.out), forward.out, {0x1p-7, 4e-3}) <= 1.0);
  CHECK(worst(h.floats(h.lse), forward.lse, {1e-4, 1e-4}) <= 1.0);
  CHECK(worst(h.widened_floats(h.dq), backward.dq, {0x1p-6, 2e-2}) <= 1.0);
  CHECK(worst(h.widened_floats(h.dk), backward.dk, {0x1p-6, 2e-2}) <= 1.0);
  CHECK(worst(h.widened_floats(h.dv), backward.dv, {0x1p-6, 2e-2}) <= 1.0);
}

TEST_CASE("device: attention backward gives the same bits in 100 runs", "[gpu]") {
  ECH_NEEDS_DEVICE();
  Half h(256, 4, 2, 64);
  h.run();
  const auto dq = h.widened_floats(h.dq), dk = h.widened_floats(h.dk), dv = h.widened_floats(h.dv);
  for (int i = 0; i < 100; ++i) {
    h.run();
    REQUIRE(h.widened_floats(h.dq) == dq);
    REQUIRE(h.widened_floats(h.dk) == dk);
    REQUIRE(h.widened_floats(h.dv) == dv);
  }
}
