// The comparison of layouts sees the errors that layouts are known for.
#include <catch2/catch.hpp>

#include <chrono>

#include "echelon/data/loader.h"
#include "tests/parallel/grid_model.h"

using namespace echelon;

namespace {

/// Multiplies the gradient of one tensor before anybody looks at it.
class Scaled final : public optim::Optimizer {
 public:
  Scaled(std::unique_ptr<optim::Optimizer> inner, std::string name, float factor)
      : inner_(std::move(inner)), name_(std::move(name)), factor_(factor) {}
  void attach(std::vector<optim::Slice>, Allocator&, optim::TensorSums) override {}
  void step(double lr, double scale, int64_t update, Stream& stream) override {
    for (const auto& slice : inner_->slices())
      if (slice.name == name_)
        for (float& g : slice.grad.span<float>()) g *= factor_;
    inner_->step(lr, scale, update, stream);
  }
  void state(const std::function<void(const std::string&, size_t, Tensor&)>& visit) override {
    inner_->state(visit);
  }
  int64_t state_bytes_per_param() const override { return inner_->state_bytes_per_param(); }
  const std::vector<optim::Slice>& slices() const override { return inner_->slices(); }

 private:
  std::unique_ptr<optim::Optimizer> inner_;
  std::string name_;
  float factor_;
};

/// Divides the loss by the valid targets of the micro-batch in place of those of the global batch.
class LocalMean final : public nn::Layer {
 public:
  explicit LocalMean(std::unique_ptr<nn::Layer> head) : head_(std::move(head)) {}
  Tensor forward(const Tensor& x, nn::Context& ctx) override { return head_->forward(x, ctx); }
  Tensor backward(const Tensor& dy, nn::Context& ctx) override {
    float valid = 0;
    for (const int32_t target : ctx.batch.targets.span<int32_t>())
      valid += target != data::kIgnoreTarget;
    ctx.loss_scale *= 0.7f * static_cast<float>(ctx.batch.targets.elements()) / valid;
    return head_->backward(dy, ctx);
  }
  void parameters(std::vector<nn::Parameter*>& out) override { head_->parameters(out); }
  nn::Cost cost(int64_t rows, int64_t tokens, DType dtype) const override {
    return head_->cost(rows, tokens, dtype);
  }

 private:
  std::unique_ptr<nn::Layer> head_;
};

/// Fails in the second backward.
class Failing final : public nn::Layer {
 public:
  explicit Failing(std::unique_ptr<nn::Layer> inner) : inner_(std::move(inner)) {}
  Tensor forward(const Tensor& x, nn::Context& ctx) override { return inner_->forward(x, ctx); }
  Tensor backward(const Tensor& dy, nn::Context& ctx) override {
    if (++calls_ == 2) throw Error(ExitCode::data, "D3", "a planted failure");
    return inner_->backward(dy, ctx);
  }
  void parameters(std::vector<nn::Parameter*>& out) override { inner_->parameters(out); }
  nn::Cost cost(int64_t rows, int64_t tokens, DType dtype) const override {
    return inner_->cost(rows, tokens, dtype);
  }

 private:
  std::unique_ptr<nn::Layer> inner_;
  int calls_ = 0;
};

trainer::RunConfig layout(int64_t tp, int64_t pp, bool rows_split, int64_t stage) {
  auto c = test::model_of_style(0);
  c.parallel = {tp, 1, pp, rows_split};
  c.zero_optimization.stage = stage;
  return trainer::shrunk(c, 4);
}

void plant(trainer::Trainer& trainer, const std::string& tensor, float factor) {
  auto& optimizer = trainer.parts().optimizer;
  optimizer = std::make_unique<Scaled>(std::move(optimizer), tensor, factor);
}

}  // namespace

TEST_CASE("verify names a gradient that one rank scales", "[parallel]") {
  for (const int64_t stage : {0, 1, 2})
    for (const int wrong_rank : {0, 3}) {
      std::string planted;
      const auto tamper = [&](trainer::Trainer& t) {
        if (t.parts().mesh->world().rank() != wrong_rank) return;
        for (const auto& slice : t.parts().optimizer->slices())
          if (slice.name.ends_with("mlp.fc.weight")) planted = slice.name;
        plant(t, planted, 1.001f);
      };
      const auto verdict = trainer::verify(layout(2, 1, true, stage), 4, 2, tamper);
      INFO("stage " << stage << " rank " << wrong_rank << "\n"
                    << trainer::to_text(verdict, planted, 2));
      REQUIRE(planted != "");
      CHECK_FALSE(verdict.equal);
      bool named = verdict.first_wrong == planted;
      for (const auto& fault : verdict.faults) named = named || fault.starts_with(planted);
      CHECK(named);
    }
}

TEST_CASE("verify sees an error that all ranks make alike", "[parallel]") {
  const auto verdict = trainer::verify(
      layout(1, 2, false, 0), 4, 2, [](trainer::Trainer& t) { plant(t, "h.0.ln1.bias", 1.0005f); });
  CHECK_FALSE(verdict.equal);
  CHECK(verdict.first_wrong == "h.0.ln1.bias");
}

TEST_CASE("verify sees a loss normalised by each rank's own targets", "[parallel]") {
  const auto verdict = trainer::verify(layout(1, 1, false, 0), 4, 2, [](trainer::Trainer& t) {
    auto& head = t.parts().chunks.back()->layers().back();
    head = std::make_unique<LocalMean>(std::move(head));
  });
  CHECK_FALSE(verdict.equal);
  CHECK(verdict.first_wrong.starts_with("ln_f"));
}

TEST_CASE("verify sees one rank that starts from other weights", "[parallel]") {
  const auto verdict = trainer::verify(layout(2, 2, false, 0), 4, 2, [](trainer::Trainer& t) {
    if (t.parts().mesh->world().rank() != 1) return;
    t.parts().parameters().front()->value.span<float>()[5] += 0.5f;
  });
  CHECK_FALSE(verdict.equal);
  CHECK(verdict.loss > 1e-5);
}

TEST_CASE("an error of one pipeline rank ends all of them at once with its own message",
          "[parallel]") {
  for (const int wrong_rank : {0, 1, 2, 3}) {
    const auto begin = std::chrono::steady_clock::now();
    std::string said;
    try {
      trainer::record(layout(1, 4, false, 0), 4, 2, [&](trainer::Trainer& t) {
        if (t.parts().mesh->world().rank() != wrong_rank) return;
        auto& layer = t.parts().chunks.front()->layers().front();
        layer = std::make_unique<Failing>(std::move(layer));
      });
    } catch (const Error& error) {
      said = error.what();
    }
    CHECK(said == "a planted failure");
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(20));
  }
}
