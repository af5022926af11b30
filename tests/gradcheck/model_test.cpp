// The whole decoder, embedding and head included, by central differences of its loss.
#include <catch2/catch.hpp>

#include "tests/gradcheck/check.h"
#include "tests/unit/nn/rig.h"

using namespace echelon;
using namespace echelon::nn;
using namespace echelon::nn::test;

TEST_CASE("every parameter of the decoder passes the gradient check", "[nn][gradcheck]") {
  ModelConfig m = GENERATE(gpt2_style(), llama_style());
  m.tie_embeddings = GENERATE(false, true);
  m.hidden_dropout = m.attention_dropout = GENERATE(0.0, 0.2);
  auto self = comm::make_self("tp");
  Rig rig(m, *self);
  const MicroBatch b = rig.batch(2, 8, 11);
  rig.step(b, 1.0f);
  std::vector<Probe> probes;
  for (Parameter* p : rig.parameters) probes.push_back({p->name, p->value, p->grad});
  const auto function = [&] {
    Stash thrown_away;
    Context ctx{
        .stream = *rig.stream, .memory = *rig.memory, .stash = thrown_away, .batch = b, .seed = 77};
    return *rig.stage.forward({}, ctx).data<double>();
  };
  CHECK(worst_mismatch(probes, function, 5e-3, 1e-1) < 1e-3);
}
