// Every op of the CUDA backend against the CPU backend, which the op tests judge by float64.
#include "gpu_test.h"

using namespace echelon;
using namespace echelon::test;

namespace {

/// Both devices' results of the same arguments.
void same(const Gpu& gpu, const Tensor& device, const Tensor& host, Tolerance tolerance) {
  CHECK(worst(gpu.floats(device), doubles(host), tolerance) <= 1.0);
}

}  // namespace

TEST_CASE("device: linear layers agree with the CPU", "[gpu]") {
  ECH_NEEDS_DEVICE();
  const auto [m, n, k] = GENERATE(std::tuple{1, 1, 1}, std::tuple{33, 17, 65},
                                  std::tuple{128, 256, 64}, std::tuple{100, 768, 768});
  CAPTURE(m, n, k);
  Gpu g;
  const Tensor x = g.random({m, k}, 1), w = g.random({n, k}, 2), bias = g.random({n}, 3),
               dy = g.random({m, n}, 4);
  Tensor y = g.constant({m, n}, 0), dx = g.constant({m, k}, 0), dw = g.constant({n, k}, 0.5f),
         dbias = g.constant({n}, 0.25f);
  const Tensor gx = g.over(x), gw = g.over(w), gbias = g.over(bias), gdy = g.over(dy);
  Tensor gy = g.over(y), gdx = g.over(dx), gdw = g.over(dw), gdbias = g.over(dbias);
  ops::linear_forward(x, w, &bias, y, *g.stream);
  ops::linear_backward_input(dy, w, dx, *g.stream);
  ops::linear_backward_weight(dy, x, dw, &dbias, *g.stream);
  ops::linear_forward(gx, gw, &gbias, gy, *g.queue);
  ops::linear_backward_input(gdy, gw, gdx, *g.queue);
  ops::linear_backward_weight(gdy, gx, gdw, &gdbias, *g.queue);
  same(g, gy, y, {1e-5, 2e-5});
  same(g, gdx, dx, {1e-5, 2e-5});
  same(g, gdw, dw, {1e-5, 2e-5});
  same(g, gdbias, dbias, {1e-5, 2e-5});
}

TEST_CASE("device: norms agree with the CPU", "[gpu]") {
  ECH_NEEDS_DEVICE();
  const auto [r, c] = GENERATE(std::pair{1, 1}, std::pair{70, 17}, std::pair{512, 768});
  Gpu g;
  const Tensor x = g.random({r, c}, 1, 2.0), gain = g.random({c}, 2, 0.5, 1.0),
               bias = g.random({c}, 3), dy = g.random({r, c}, 4);
  Tensor y = g.constant({r, c}, NAN), mean = g.constant({r}, NAN), rstd = g.constant({r}, NAN);
  Tensor dx = g.constant({r, c}, NAN), dgain = g.constant({c}, 0.5f), dbias = g.constant({c}, 1.0f);
  const Tensor gx = g.over(x), ggain = g.over(gain), gbias = g.over(bias), gdy = g.over(dy);
  Tensor gy = g.over(y), gmean = g.over(mean), grstd = g.over(rstd), gdx = g.over(dx),
         gdgain = g.over(dgain), gdbias = g.over(dbias);
  const auto run = [&](Stream& s, const auto& vx, const auto& vgain, const auto& vbias,
                       const auto& vdy, auto& vy, auto& vmean, auto& vrstd, auto& vdx, auto& vdgain,
                       auto& vdbias) {
    ops::layer_norm_forward(vx, vgain, vbias, 1e-5f, vy, vmean, vrstd, s);
    ops::layer_norm_backward(vdy, vx, vgain, vmean, vrstd, vdx, vdgain, vdbias, s);
  };
  run(*g.stream, x, gain, bias, dy, y, mean, rstd, dx, dgain, dbias);
  run(*g.queue, gx, ggain, gbias, gdy, gy, gmean, grstd, gdx, gdgain, gdbias);
  same(g, gy, y, {4e-6, 4e-6});
  same(g, gdx, dx, tolerance::kNormGradient);
  same(g, gdgain, dgain, {1e-5, 5e-5});
  same(g, gdbias, dbias, {1e-5, 5e-5});
  ops::rms_norm_forward(x, gain, 1e-5f, y, rstd, *g.stream);
  ops::rms_norm_backward(dy, x, gain, rstd, dx, dgain, *g.stream);
  ops::rms_norm_forward(gx, ggain, 1e-5f, gy, grstd, *g.queue);
  ops::rms_norm_backward(gdy, gx, ggain, grstd, gdx, gdgain, *g.queue);
  same(g, gy, y, {4e-6, 4e-6});
  same(g, gdx, dx, tolerance::kNormGradient);
}

TEST_CASE("device: f32 attention agrees with float64", "[gpu]") {
  ECH_NEEDS_DEVICE();
  const auto [tokens, heads, kv_heads, d] =
      GENERATE(std::tuple{5, 2, 1, 20}, std::tuple{130, 4, 2, 64}, std::tuple{70, 2, 2, 128},
               std::tuple{40, 1, 1, 256});
  CAPTURE(tokens, heads, kv_heads, d);
  Gpu g;
  ops::AttentionShape shape;
  shape.batch = 2;
  shape.query_tokens = shape.key_tokens = tokens;
  shape.heads = heads, shape.kv_heads = kv_heads, shape.head_size = d;
  shape.scale = 1.0f / std::sqrt(static_cast<float>(d));
  const int64_t rows = 2 * tokens, width = heads * d, kv_width = kv_heads * d;
  const Tensor q = g.random({rows, width}, 1, 3.0), k = g.random({rows, kv_width}, 2, 3.0),
               v = g.random({rows, kv_width}, 3), dout = g.random({rows, width}, 4);
  const Tensor gq = g.over(q), gk = g.over(k), gv = g.over(v), gdout = g.over(dout);
  Tensor out = g.over(g.constant({rows, width}, NAN));
  Tensor lse = g.over(g.constant({2, heads, tokens}, NAN));
  const Tensor dq = g.over(q), dk = g.over(k), dv = g.over(v);
  ops::sdpa_forward({gq}, {gk}, {gv}, shape, out, lse, *g.queue);
  ops::sdpa_backward({gq}, {gk}, {gv}, out, lse, gdout, shape, false, {dq}, {dk}, {dv}, *g.queue);
  const Attention a{.batch = 2,
                    .queries = tokens,
                    .keys = tokens,
                    .heads = heads,
                    .kv_heads = kv_heads,
                    .head_size = d,
                    .scale = static_cast<double>(shape.scale),
                    .mask = {}};
  const auto forward = a.forward(doubles(q), doubles(k), doubles(v));
  const auto backward = a.backward(doubles(q), doubles(k), doubles(v), doubles(dout));
  CHECK(worst(g.floats(out), forward.out, tolerance::kAttention) <= 1.0);
  CHECK(worst(g.floats(lse), forward.lse, tolerance::kAttention) <= 1.0);
  CHECK(worst(g.floats(dq), backward.dq, tolerance::kAttentionGradient) <= 1.0);
  CHECK(worst(g.floats(dk), backward.dk, tolerance::kAttentionGradient) <= 1.0);
  CHECK(worst(g.floats(dv), backward.dv, tolerance::kAttentionGradient) <= 1.0);
}

TEST_CASE("device: random numbers, casts, sums and checks are those of the CPU", "[gpu]") {
  ECH_NEEDS_DEVICE();
  Gpu g;
  const Philox rng{7, 9};
  const ops::Placement where{100, 3, 5};
  Tensor a = g.constant({64, 33}, 0), b = g.constant({64, 33}, 0), c = g.random({64, 33}, 1);
  Tensor ga = g.over(a), gb = g.over(b), gc = g.over(c);
  const auto run = [&](Stream& s, Tensor& va, Tensor& vb, Tensor& vc) {
    ops::fill_normal(va, 0.0f, 1.0f, rng, where, s);
    ops::fill_uniform(vb, 2.0f, rng, where, s);
    ops::dropout(vc, 0.3f, rng, where, s);
  };
  run(*g.stream, a, b, c);
  run(*g.queue, ga, gb, gc);
  same(g, ga, a, tolerance::kElementwise);
  CHECK(g.floats(gb) == values_of(b));
  CHECK(g.floats(gc) == values_of(c));
  CHECK(ops::sum_of_squares(ga, *g.queue) ==
        Approx(ops::sum_of_squares(a, *g.stream)).epsilon(1e-6));
  CHECK(ops::all_finite(ga, *g.queue));
  a.data<float>()[2000] = NAN;
  CHECK_FALSE(ops::all_finite(g.over(a), *g.queue));
}

TEST_CASE("device: cross-entropy and embeddings agree with the CPU", "[gpu]") {
  ECH_NEEDS_DEVICE();
  Gpu g;
  constexpr int64_t kRows = 300, kColumns = 1000, kValid = 997;
  Tensor logits = g.random({kRows, kColumns}, 1, 8.0);
  const Tensor targets = g.ints(tokens(kRows, kValid, 3));
  Tensor max = g.constant({kRows}, 0), sum = g.constant({kRows}, 0), hit = g.constant({kRows}, 0);
  Tensor glogits = g.over(logits), gmax = g.over(max), gsum = g.over(sum), ghit = g.over(hit);
  const Tensor gtargets = g.over(targets);
  const auto run = [&](Stream& s, Tensor& l, const Tensor& t, Tensor& m, Tensor& z, Tensor& h) {
    ops::cross_entropy_max(l, kValid, m, s);
    ops::cross_entropy_sums(l, kValid, m, t, 0, z, h, s);
    const double loss = ops::cross_entropy_loss(m, z, h, t, s);
    ops::cross_entropy_backward(l, kValid, m, z, t, 0, 0.5f, s);
    return loss;
  };
  const double cpu = run(*g.stream, logits, targets, max, sum, hit);
  CHECK(run(*g.queue, glogits, gtargets, gmax, gsum, ghit) == Approx(cpu).epsilon(1e-6));
  same(g, glogits, logits, {4e-6, 1e-7});
  Tensor dtable = g.constant({kValid, 48}, 1.0f), gdtable = g.over(dtable);
  const Tensor dy = g.random({kRows, 48}, 5);
  ops::embedding_backward(targets, dy, 0, dtable, *g.stream);
  ops::embedding_backward(gtargets, g.over(dy), 0, gdtable, *g.queue);
  CHECK(g.floats(gdtable) == values_of(dtable));
}
