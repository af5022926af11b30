// Every layer alone: gradients of its input and of its parameters by central differences.
#include <catch2/catch.hpp>

#include "echelon/ops/threads.h"
#include "tests/gradcheck/check.h"
#include "tests/unit/nn/rig.h"

using namespace echelon;
using namespace echelon::nn;
using namespace echelon::nn::test;

namespace {

/// One layer with memory, an input and fixed weights that make its output a number.
struct Bench {
  Bench(const ModelConfig& m, std::unique_ptr<Layer> tested, int64_t inputs, int64_t outputs)
      : layer(std::move(tested)) {
    ops::use_threads(1);
    layer->parameters(parameters);
    allocate_parameters(parameters, DType::f32, true, *memory);
    initialize(parameters, m, 5, *stream);
    int seed = 40;
    for (Parameter* p : parameters)  // gains and biases away from their symmetric start
      if (p->role == Role::vector) randomize(p->value, 0.5, p->use == Use::gain ? 1 : 0, seed++);
    x = Tensor::empty({kRows, inputs}, DType::f32, *memory);
    weights = Tensor::empty({kRows, outputs}, DType::f32, *memory);
    randomize(x, 1, 0, 31);
    randomize(weights, 1, 0, 32);
    batch.tokens = Tensor::zeros({2, kRows / 2}, DType::i32, *memory);
    batch.first_sample = 3;
  }

  void randomize(Tensor& t, double scale, double offset, int seed) {
    const auto values = echelon::test::fill(t.elements(), seed, scale, offset);
    std::copy(values.begin(), values.end(), t.data<float>());
  }

  double mismatch() {
    Context ctx{.stream = *stream, .memory = *memory, .stash = stash, .batch = batch, .seed = 3};
    layer->forward(x, ctx);
    const std::vector<float> before = echelon::test::values_of(weights);
    const Tensor dx = layer->backward(weights, ctx);
    CHECK(stash.empty());
    CHECK(echelon::test::values_of(weights) == before);
    std::vector<Probe> probes{{"x", x, dx}};
    for (Parameter* p : parameters) probes.push_back({p->name, p->value, p->grad});
    const auto function = [&] {
      Stash thrown_away;
      Context again{
          .stream = *stream, .memory = *memory, .stash = thrown_away, .batch = batch, .seed = 3};
      return weighted_sum(layer->forward(x, again), weights);
    };
    return worst_mismatch(probes, function, 1e-2, 1e-1);
  }

  static constexpr int64_t kRows = 12;
  std::shared_ptr<Allocator> memory = make_cpu_allocator();
  std::unique_ptr<Stream> stream = make_inline_stream();
  Stash stash;
  MicroBatch batch;
  std::unique_ptr<Layer> layer;
  std::vector<Parameter*> parameters;
  Tensor x, weights;
};

struct Place {
  explicit Place(const ModelConfig& m) : model(m) {}
  ModelConfig model;
  std::unique_ptr<comm::Communicator> self = comm::make_self("tp");
  int64_t number = 0;
  Site site{model, {self.get(), false}, number, ""};
};

constexpr double kTolerance = 2e-4;

}  // namespace

TEST_CASE("norms pass the gradient check", "[nn][gradcheck]") {
  Place here(GENERATE(gpt2_style(), llama_style()));
  Bench bench(here.model, std::make_unique<Norm>(here.site, "norm"), 16, 16);
  CHECK(bench.mismatch() < kTolerance);
}

TEST_CASE("linear layers pass the gradient check", "[nn][gradcheck]") {
  Place here(GENERATE(gpt2_style(), llama_style()));
  const std::vector<FusedPart> parts{{"a", 8}, {"b", 4}};
  Bench column(here.model, std::make_unique<ColumnParallelLinear>(here.site, "up", Use::qkv, parts),
               16, 12);
  CHECK(column.mismatch() < kTolerance);
  Bench row(here.model,
            std::make_unique<RowParallelLinear>(here.site, "down", Use::mlp_out, 24, 16), 24, 16);
  CHECK(row.mismatch() < kTolerance);
}

TEST_CASE("feed-forward layers pass the gradient check with every activation", "[nn][gradcheck]") {
  ModelConfig m = gpt2_style();
  m.activation = GENERATE(ops::Activation::gelu, ops::Activation::gelu_tanh, ops::Activation::relu,
                          ops::Activation::swiglu);
  m.ffn_hidden_size = 24;
  Place here(m);
  Bench bench(here.model, std::make_unique<Mlp>(here.site), 16, 16);
  // relu has kinks: central differences see a step across one
  CHECK(bench.mismatch() < (m.activation == ops::Activation::relu ? 2e-2 : kTolerance));
}

TEST_CASE("attention of every kind passes the gradient check", "[nn][gradcheck]") {
  ModelConfig m = GENERATE(gpt2_style(), llama_style());
  m.attention_dropout = GENERATE(0.0, 0.3);
  for (const std::string_view kind : attention_kinds()) {
    INFO(kind);
    m.attention_kind = kind;
    Place here(m);
    Bench bench(here.model, std::make_unique<Attention>(here.site), 16, 16);
    CHECK(bench.mismatch() < kTolerance);
  }
}

TEST_CASE("blocks pass the gradient check, with dropout too", "[nn][gradcheck]") {
  ModelConfig m = GENERATE(gpt2_style(), llama_style());
  m.hidden_dropout = GENERATE(0.0, 0.3);
  Place here(m);
  Bench bench(here.model, std::make_unique<Block>(here.site, 0), 16, 16);
  CHECK(bench.mismatch() < kTolerance);
}

TEST_CASE("the gradient check sees a wrong gradient", "[nn][gradcheck]") {
  struct Wrong : Norm {
    using Norm::Norm;
    Tensor backward(const Tensor& dy, Context& ctx) override {
      Tensor dx = Norm::backward(dy, ctx);
      for (float& v : dx.span<float>()) v *= 1.01f;
      return dx;
    }
  };
  Place here(gpt2_style());
  Bench bench(here.model, std::make_unique<Wrong>(here.site, "norm"), 16, 16);
  CHECK(bench.mismatch() > kTolerance);
}
