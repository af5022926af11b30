// Three steps of the whole Trainer against the float64 trajectory, in every layout.
#include <catch2/catch.hpp>

#include "tests/numerics/layouts.h"
#include "tests/support/golden.h"

using namespace echelon;
using namespace echelon::test;

namespace {

trainer::RunConfig config_of(const nlohmann::json& golden) {
  const auto& g = golden.at("config");
  trainer::RunConfig c;
  c.model.num_layers = g.at("layers");
  c.model.hidden_size = g.at("d");
  c.model.num_attention_heads = g.at("heads");
  c.model.seq_length = g.at("T");
  c.model.vocab_size = g.at("vocab");
  c.model.make_vocab_size_divisible_by = 4;
  c.model.norm_epsilon = g.at("eps");
  c.model.tie_embeddings = g.at("tied");
  c.train.micro_batch_size = g.at("micro_batch");
  c.train.global_batch_size =
      g.at("micro_batch").get<int64_t>() * g.at("accumulate").get<int64_t>();
  c.optimizer.type = g.at("optimizer");
  c.optimizer.lr = g.at("lr");
  c.optimizer.betas = g.at("betas").get<std::vector<double>>();
  c.optimizer.eps = g.at("eps_adam");
  c.optimizer.weight_decay = g.at("weight_decay");
  c.clip_grad = g.at("clip");
  c.scheduler.lr_decay_style = "constant";
  return c;
}

/// Logical tensors from the reference's names; its fused qkv has three blocks of rows.
Whole weights_of(const nlohmann::json& params) {
  Whole whole;
  const auto put = [&](const std::string& ours, const std::string& theirs, size_t part = 0,
                       size_t parts = 1) {
    const auto data = golden_tensor(params.at(theirs)).data;
    const size_t n = data.size() / parts;
    whole[ours].assign(data.begin() + static_cast<std::ptrdiff_t>(part * n),
                       data.begin() + static_cast<std::ptrdiff_t>((part + 1) * n));
  };
  put("embed.weight", "tok"), put("pos.weight", "pos");
  put("ln_f.weight", "lnf.g"), put("ln_f.bias", "lnf.b");
  for (const std::string layer : {"0", "1"}) {
    const std::string ours = "h." + layer + ".", theirs = "h" + layer + ".";
    for (const std::string norm : {"ln1", "ln2"})
      put(ours + norm + ".weight", theirs + norm + ".g"),
          put(ours + norm + ".bias", theirs + norm + ".b");
    for (const std::string linear : {"attn.proj", "mlp.fc", "mlp.out"})
      put(ours + linear + ".weight", theirs + linear + ".w"),
          put(ours + linear + ".bias", theirs + linear + ".b");
    for (size_t part = 0; part < 3; ++part) {
      const std::string name = ours + "attn." + "qkv"[part];
      put(name + ".weight", theirs + "attn.qkv.w", part, 3);
      put(name + ".bias", theirs + "attn.qkv.b", part, 3);
    }
  }
  return whole;
}

/// Row 4*t + i is sequence i of step t.
trainer::RowSource rows_of(const nlohmann::json& inputs) {
  const std::shared_ptr<Allocator> memory = make_cpu_allocator();
  return [inputs, memory](int64_t first, int64_t count) {
    const auto x = golden_tensor(inputs.at("x").at(static_cast<size_t>(first / 4)));
    const auto targets = golden_tensor(inputs.at("targets").at(static_cast<size_t>(first / 4)));
    const int64_t length = x.shape[1], from = first % 4 * length;
    data::Batch batch{first, Tensor::empty({count, length}, DType::i32, *memory),
                      Tensor::empty({count, length}, DType::i32, *memory)};
    for (int64_t i = 0; i < count * length; ++i) {
      const auto at = static_cast<size_t>(from + i);
      batch.tokens.data<int32_t>()[i] = static_cast<int32_t>(x.data[at]);
      batch.targets.data<int32_t>()[i] = static_cast<int32_t>(targets.data[at]);
    }
    return batch;
  };
}

}  // namespace

TEST_CASE("three steps follow the float64 trajectory in every layout", "[numerics]") {
  const auto golden = golden_case("gpt", "train_3_steps");
  const Layout layout = GENERATE(from_range(layouts_of_two_layers()));
  INFO(layout.name());
  const auto config = layout.applied(config_of(golden));
  const Whole start = weights_of(golden.at("inputs").at("params"));
  std::vector<Whole> after(3);
  Curve curve;
  for (size_t t = 0; t < 3; ++t)
    curve = trained(config, layout.ranks, static_cast<int64_t>(t) + 1, rows_of(golden.at("inputs")),
                    [&](trainer::Trainer& trainer, comm::Communicator&) { load(trainer, start); }),
    after[t] = curve.weights;
  for (size_t t = 0; t < 3; ++t) {
    INFO("step " << t + 1);
    const auto& row = golden.at("expected").at("after_step").at(t);
    CHECK(curve.losses[t] == Approx(row.at("loss").get<double>()).epsilon(1e-5));
    CHECK(curve.norms[t] == Approx(row.at("grad_norm").get<double>()).epsilon(1e-4));
    const auto agrees = [&](const char* ours, const char* theirs) {
      INFO(ours);
      CHECK(worst_error(after[t].at(ours), golden_tensor(row.at(theirs)).data, 1e-4, 1e-5) <= 1);
    };
    agrees("embed.weight", "tok");
    agrees("h.1.mlp.out.weight", "h1.mlp.out.w");
    agrees("ln_f.weight", "lnf.g");
  }
}
