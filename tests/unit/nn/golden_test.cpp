// The decoder against the float64 reference (tests/golden/gpt.json).
#include <catch2/catch.hpp>
#include <cmath>

#include "echelon/ops/cross_entropy.h"
#include "echelon/ops/elementwise.h"
#include "echelon/ops/optimizer.h"
#include "echelon/ops/threads.h"
#include "tests/unit/nn/rig.h"

using namespace echelon;
using namespace echelon::nn;
using namespace echelon::nn::test;
using echelon::test::golden_case;
using echelon::test::golden_tensor;
using echelon::test::GoldenTensor;

namespace {

ModelConfig model_of(const nlohmann::json& config) {
  ModelConfig m;
  m.num_layers = config.at("layers");
  m.hidden_size = config.at("d");
  m.num_attention_heads = config.at("heads");
  m.seq_length = config.at("T");
  m.vocab_size = config.at("vocab");
  m.norm_epsilon = config.at("eps");
  m.tie_embeddings = config.at("tied");
  if (config.at("activation") == "gelu_tanh") m.activation = ops::Activation::gelu_tanh;
  return m;
}

/// The reference's name of one of our logical tensors, and the rows of the fused tensor it is.
struct Reference {
  std::string name;
  int64_t part = 0, parts = 1;
};
Reference reference_of(std::string name) {
  static const std::vector<std::pair<std::string, std::string>> kRenames{{"embed.weight", "tok"},
                                                                         {"pos.weight", "pos"},
                                                                         {"head.weight", "head"},
                                                                         {"ln_f.weight", "lnf.g"},
                                                                         {"ln_f.bias", "lnf.b"}};
  for (const auto& [ours, theirs] : kRenames)
    if (name == ours) return {theirs};
  Reference r;
  const bool bias = name.ends_with(".bias");
  name = name.substr(0, name.rfind('.'));
  const size_t dot = name.rfind('.');
  const std::string leaf = name.substr(dot + 1);
  const std::string base = fmt::format("h{}.", name.substr(2, dot - 2));
  if (leaf == "q" || leaf == "k" || leaf == "v") {
    r.part = leaf == "q" ? 0 : leaf == "k" ? 1 : 2;
    r.parts = 3;
    r.name = base + "qkv";
  } else {
    r.name = base + leaf;
  }
  const bool norm = leaf.starts_with("ln");
  r.name += bias ? ".b" : norm ? ".g" : ".w";
  return r;
}

std::vector<double> rows_of(const nlohmann::json& tensors, const Reference& r) {
  const GoldenTensor whole = golden_tensor(tensors.at(r.name));
  const auto n = static_cast<int64_t>(whole.data.size()) / r.parts;
  return {whole.data.begin() + r.part * n, whole.data.begin() + (r.part + 1) * n};
}

void load_golden(Rig& rig, const nlohmann::json& params) {
  Whole names, values;
  rig.collect(names, false);
  for (const auto& [name, ignored] : names) {
    const auto rows = rows_of(params, reference_of(name));
    values[name].assign(rows.begin(), rows.end());
  }
  rig.load(values);
}

MicroBatch batch_of(Rig& rig, const nlohmann::json& x, const nlohmann::json& targets, int64_t from,
                    int64_t to) {
  const GoldenTensor tokens = golden_tensor(x), wanted = golden_tensor(targets);
  const int64_t length = tokens.shape[1];
  MicroBatch b;
  b.first_sample = from;
  b.tokens = Tensor::empty({to - from, length}, DType::i32, *rig.memory);
  b.targets = Tensor::empty({to - from, length}, DType::i32, *rig.memory);
  for (int64_t i = 0; i < (to - from) * length; ++i) {
    const auto at = static_cast<size_t>(from * length + i);
    b.tokens.data<int32_t>()[i] = static_cast<int32_t>(tokens.data[at]);
    b.targets.data<int32_t>()[i] = static_cast<int32_t>(wanted.data[at]);
  }
  return b;
}

double grad_norm(Rig& rig) {
  double squares = 0;
  for (const Parameter* p : rig.parameters) squares += ops::sum_of_squares(p->grad, *rig.stream);
  return std::sqrt(squares);
}

}  // namespace

TEST_CASE("logits, loss and every gradient agree with the float64 decoder", "[nn]") {
  const std::string name = GENERATE("pre_ln", "pre_ln_gelu_tanh_untied");
  const auto golden = golden_case("gpt", name);
  const auto& inputs = golden.at("inputs");
  const auto& expected = golden.at("expected");
  auto self = comm::make_self("tp");
  Rig rig(model_of(golden.at("config")), *self);
  load_golden(rig, inputs.at("params"));
  const MicroBatch batch = batch_of(rig, inputs.at("x"), inputs.at("targets"), 0, 2);
  const auto valid = static_cast<double>(valid_targets(batch));

  CHECK(echelon::test::worst_error(echelon::test::values_of(rig.logits(batch)),
                                   golden_tensor(expected.at("logits")).data, 1e-5, 1e-6) <= 1);
  const double loss = rig.step(batch, static_cast<float>(1 / valid)) / valid;
  CHECK(loss == Approx(expected.at("loss").get<double>()).epsilon(1e-6));
  CHECK(grad_norm(rig) == Approx(expected.at("grad_norm").get<double>()).epsilon(1e-5));

  Whole grads;
  rig.collect(grads, true);
  size_t compared = 0;
  for (const auto& [tensor, values] : grads) {
    INFO(tensor);
    const auto wanted = rows_of(expected.at("grads"), reference_of(tensor));
    CHECK(echelon::test::worst_error(values, wanted, 1e-4, 1e-6) <= 1);
    compared += values.size();
  }
  size_t all = 0;
  for (const auto& [tensor, value] : expected.at("grads").items())
    all += golden_tensor(value).data.size();
  CHECK(compared == all);
}

namespace {

struct StepRecord {
  double loss = 0, norm = 0;
  Whole values;
};

/// Norm of the whole gradient: replicated parameters count on one rank (methods: norms of spread
/// tensors).
double norm_over(comm::Communicator& tp, Rig& rig) {
  double squares = 0;
  for (const Parameter* p : rig.parameters)
    if (p->shard.tp != parallel::TpSplit::replicated || tp.rank() == 0)
      squares += ops::sum_of_squares(p->grad, *rig.stream);
  return std::sqrt(comm::all_reduce(tp, std::vector<double>{squares}, comm::ReduceOp::sum)[0]);
}

void adamw(Rig& rig, std::vector<std::pair<Tensor, Tensor>>& moments, double norm, int64_t t) {
  for (size_t i = 0; i < rig.parameters.size(); ++i) {
    Parameter& p = *rig.parameters[i];
    const ops::AdamStep s{.lr = 1e-2,
                          .beta1 = 0.9,
                          .beta2 = 0.95,
                          .eps = 1e-8,
                          .weight_decay = p.role == Role::matrix ? 0.1 : 0.0,
                          .grad_scale = std::min(1.0, 1.0 / (norm + 1e-6)),
                          .step = t,
                          .decoupled = true};
    ops::adam_update(s, p.value, p.grad, moments[i].first, moments[i].second, *rig.stream);
  }
}

std::vector<StepRecord> trajectory(const nlohmann::json& golden, int ranks) {
  std::vector<StepRecord> steps(3);
  const auto& inputs = golden.at("inputs");
  comm::run_thread_ranks(ranks, [&](comm::Communicator& world) {
    ops::use_threads(1);
    Rig rig(model_of(golden.at("config")), world);
    load_golden(rig, inputs.at("params"));
    std::vector<std::pair<Tensor, Tensor>> moments;
    for (const Parameter* p : rig.parameters)
      moments.emplace_back(Tensor::zeros(p->shape, DType::f32, *rig.memory),
                           Tensor::zeros(p->shape, DType::f32, *rig.memory));
    for (size_t t = 0; t < 3; ++t) {
      rig.zero_grads();
      double loss = 0;
      for (const int64_t from : {0, 2})
        loss += rig.step(
                    batch_of(rig, inputs.at("x").at(t), inputs.at("targets").at(t), from, from + 2),
                    1.0f / 20) /
                20;
      const double norm = norm_over(world, rig);
      adamw(rig, moments, norm, static_cast<int64_t>(t) + 1);
      rig.collect(steps[t].values, false);
      if (world.rank() != 0) continue;
      steps[t].loss = loss;
      steps[t].norm = norm;
    }
  });
  return steps;
}

}  // namespace

TEST_CASE("three AdamW steps follow the float64 trajectory on 1 and 2 tensor-parallel ranks",
          "[nn]") {
  const auto golden = golden_case("gpt", "train_3_steps");
  const int ranks = GENERATE(1, 2);
  const auto steps = trajectory(golden, ranks);
  for (size_t t = 0; t < 3; ++t) {
    const auto& row = golden.at("expected").at("after_step").at(t);
    CHECK(steps[t].loss == Approx(row.at("loss").get<double>()).epsilon(1e-5));
    CHECK(steps[t].norm == Approx(row.at("grad_norm").get<double>()).epsilon(1e-4));
    for (const char* tensor : {"embed.weight", "h.1.mlp.out.weight", "ln_f.weight"}) {
      INFO(ranks << " ranks, step " << t + 1 << ", " << tensor);
      const auto wanted = golden_tensor(row.at(reference_of(tensor).name)).data;
      CHECK(echelon::test::worst_error(steps[t].values.at(tensor), wanted, 1e-4, 1e-5) <= 1);
    }
  }
}
