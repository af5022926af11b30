// Every update rule against the float64 vectors of tests/golden/optimizers.json.
#include <catch2/catch.hpp>

#include "echelon/optim/config.h"
#include "echelon/optim/norm.h"
#include "tests/support/golden.h"

using namespace echelon;
using nlohmann::json;

namespace {

struct Run {
  const char* name;
  optim::OptimizerConfig config;
  std::vector<std::pair<std::string, std::string>> states;  ///< ours, the vector's
};

optim::OptimizerConfig rule(const std::string& type) {
  optim::OptimizerConfig c;
  c.type = type;
  return c;
}

optim::OptimizerConfig lamb(optim::LambConfig details, double max_grad_norm) {
  optim::OptimizerConfig c = rule("lamb");
  c.lamb = details;
  c.max_grad_norm = max_grad_norm;
  return c;
}

std::vector<Run> runs() {
  using optim::LambAdapt;
  using optim::LambVariant;
  const std::vector<std::pair<std::string, std::string>> adam = {{"exp_avg", "m"},
                                                                 {"exp_avg_sq", "v"}};
  optim::OptimizerConfig adamw95 = rule("adamw");
  adamw95.betas = {0.9, 0.95};
  return {
      {"sgd_momentum", rule("sgd"), {{"momentum", "momentum"}}},
      {"sgd_nesterov", rule("nag"), {{"momentum", "momentum"}}},
      {"adam_l2", rule("adam"), adam},
      {"adamw", rule("adamw"), adam},
      {"adamw_beta2_095", adamw95, adam},
      {"lion", rule("lion"), {{"exp_avg", "m"}}},
      {"lamb", rule("lamb"), adam},
      {"lamb_nv", lamb({.adapt = LambAdapt::all}, 1), adam},
      {"lamb_trust_clip", lamb({.trust_clip = {0.01, 0.3}}, 0), adam},
      {"lamb_phi", lamb({.weight_norm_clip = {0.0, 1.0}}, 0), adam},
      {"lamb_folded", lamb({.variant = LambVariant::deepspeed}, -1), adam},
  };
}

void check_close(const Tensor& ours, const json& want, const json& tolerance) {
  const double worst = test::worst_error(test::values_of(ours), test::golden_tensor(want).data,
                                         tolerance["rtol"], tolerance["atol"]);
  CHECK(worst <= 1.0);
}

optim::Slice whole(const std::string& name, const json& weights, int index, Allocator& memory) {
  const Tensor master = test::to_tensor(test::golden_tensor(weights), memory).flat();
  return {.name = name,
          .master = master,
          .grad = Tensor::zeros(master.shape(), DType::f32, memory),
          .decay = index == 0,
          .tensor = index,
          .to = master.elements()};
}

void follow(const Run& run) {
  const json golden = test::golden_case("optimizers", run.name);
  const auto memory = make_cpu_allocator();
  const auto stream = make_inline_stream();
  optim::OptimizerConfig config = run.config;
  config.weight_decay = golden["config"]["w"]["weight_decay"];
  const auto optimizer = optim::make_optimizer(config);
  const json& in = golden["inputs"];
  const std::vector<optim::Slice> slices = {whole("w", in["w0"], 0, *memory),
                                            whole("b", in["b0"], 1, *memory)};
  optimizer->attach(slices, *memory, {2, {}});
  CHECK(memory->use().now[static_cast<size_t>(MemoryCategory::optimizer)] ==
        64 * run.states.size());  // 9 elements of 4 bytes, rounded to the allocator's 64
  for (int64_t t = 1; t <= 4; ++t) {
    const auto i = static_cast<size_t>(t - 1);
    for (size_t k = 0; k < 2; ++k) {
      const json& g = in[k == 0 ? "grads_w" : "grads_b"][i];
      Tensor grad = slices[k].grad;
      copy(test::to_tensor(test::golden_tensor(g), *memory), grad);
    }
    const double norm = optim::gradient_norm(slices, {}, *stream);
    optimizer->step(golden["config"]["w"]["lr"], optimizer->clip_factor(norm), t, *stream);
    const json& want = golden["expected"]["after_step"][i];
    for (const optim::Slice& s : slices) {
      INFO(run.name << " update " << t << " tensor " << s.name);
      check_close(s.master, want[s.name], golden["tolerance"]["f32"]);
      optimizer->state([&](const std::string& name, size_t slice, Tensor& tensor) {
        if (slices[slice].name != s.name) return;
        for (const auto& [ours, theirs] : run.states)
          if (ours == name)
            check_close(tensor, want[s.name + "." + theirs], golden["tolerance"]["f32"]);
      });
    }
    optimizer->report([&](const std::string& name, double value) {
      if (name != "lamb_ratio_min" && name != "lamb_ratio_max") return;
      const double w = want["w.ratio"], b = want["b.ratio"];
      CHECK(value == Approx(name == "lamb_ratio_min" ? std::min(w, b) : std::max(w, b)));
    });
  }
  CHECK(optimizer->state_bytes_per_param() == static_cast<int64_t>(4 * run.states.size()));
}

}  // namespace

TEST_CASE("Every update rule follows its golden vector for four updates", "[optim]") {
  for (const Run& run : runs()) {
    DYNAMIC_SECTION(run.name) { follow(run); }
  }
}

TEST_CASE("The gradient is multiplied by grad_scale before everything else", "[optim]") {
  for (const auto name : optim::optimizer_names()) {
    const auto memory = make_cpu_allocator();
    const auto stream = make_inline_stream();
    std::vector<float> after[2];
    for (const bool scaled : {false, true}) {
      const auto optimizer = optim::make_optimizer(rule(std::string(name)));
      optim::Slice s{.name = "w",
                     .master = test::to_tensor(test::fill(300, 1), {300}, *memory),
                     .grad = Tensor::empty({300}, DType::f32, *memory),
                     .to = 300};
      optimizer->attach({s}, *memory, {1, {}});
      for (int t = 1; t <= 3; ++t) {
        copy(test::to_tensor(test::fill(300, 10 + t, scaled ? 4.0 : 1.0), {300}, *memory), s.grad);
        optimizer->step(1e-2, scaled ? 0.25 : 1.0, t, *stream);
      }
      after[scaled] = test::values_of(s.master);
    }
    INFO(std::string(name));
    CHECK(after[0] == after[1]);  // 4 and 1/4 are exact
  }
}

TEST_CASE("Lion leaves elements whose gradient was always zero untouched", "[optim]") {
  const auto memory = make_cpu_allocator();
  const auto stream = make_inline_stream();
  const auto optimizer = optim::make_optimizer(rule("lion"));
  optim::Slice s{.name = "tok",
                 .master = test::to_tensor(test::fill(8, 1), {8}, *memory),
                 .grad = Tensor::zeros({8}, DType::f32, *memory),
                 .to = 8};
  optimizer->attach({s}, *memory, {1, {}});
  s.grad.data<float>()[3] = 0.5f;
  const auto before = test::values_of(s.master);
  for (int t = 1; t <= 5; ++t) {
    optimizer->step(1e-2, 1.0, t, *stream);
    s.grad.data<float>()[3] = 0.0f;
  }
  const auto after = test::values_of(s.master);
  for (size_t i = 0; i < 8; ++i) {
    if (i == 3)
      CHECK(after[i] == Approx(before[i] - 5 * 1e-2));  // seen once, keeps drifting
    else
      CHECK(after[i] == before[i]);
  }
}
