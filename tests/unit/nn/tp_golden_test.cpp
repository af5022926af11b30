// Split layers against the float64 reference (tests/golden/parallel.json).
#include <catch2/catch.hpp>

#include "echelon/ops/cross_entropy.h"
#include "echelon/ops/threads.h"
#include "tests/unit/nn/rig.h"

using namespace echelon;
using namespace echelon::nn;
using echelon::test::golden_case;
using echelon::test::golden_tensor;
using echelon::test::to_tensor;
using echelon::test::values_of;

TEST_CASE("a feed-forward layer split over two ranks is the reference's", "[nn]") {
  const auto golden = golden_case("parallel", "tp_mlp");
  const auto& in = golden.at("inputs");
  std::vector<float> y[2];
  comm::run_thread_ranks(2, [&](comm::Communicator& world) {
    ops::use_threads(1);
    const auto memory = make_cpu_allocator();
    const auto stream = make_inline_stream();
    ModelConfig m;
    m.hidden_size = 4;
    m.ffn_hidden_size = 8;
    int64_t number = 0;
    Mlp mlp(Site{m, {&world, false}, number, ""});
    std::vector<Parameter*> parameters;
    mlp.parameters(parameters);
    const auto load = [&](size_t i, const char* name) {
      const Tensor whole = to_tensor(golden_tensor(in.at(name)), *memory);
      Parameter& p = *parameters[i];
      p.value = Tensor::empty(p.shape, DType::f32, *memory);
      const auto& box = p.shard.parts[0].box;
      const bool matrix = p.shape.rank() == 2;
      const int64_t columns = matrix ? box.size[1] : 1, stride = matrix ? whole.size(1) : 1;
      for (int64_t r = 0; r < box.size[0]; ++r)
        for (int64_t c = 0; c < columns; ++c)
          p.value.data<float>()[r * columns + c] =
              whole.data<float>()[(box.offset[0] + r) * stride + (matrix ? box.offset[1] : 0) + c];
    };
    load(0, "fc.w");
    load(1, "fc.b");
    load(2, "out.w");
    load(3, "out.b");
    Stash stash;
    MicroBatch batch;
    Context ctx{.stream = *stream, .memory = *memory, .stash = stash, .batch = batch};
    const Tensor x = to_tensor(golden_tensor(in.at("x")), *memory);
    y[world.rank()] = values_of(mlp.forward(x, ctx));
  });
  const auto wanted = golden_tensor(golden.at("expected").at("y")).data;
  CHECK(echelon::test::worst_error(y[0], wanted, 2e-5, 2e-6) <= 1);
  CHECK(y[1] == y[0]);
}

TEST_CASE("cross-entropy over a vocabulary split over two ranks is the reference's", "[nn]") {
  const auto golden = golden_case("parallel", "vocab_parallel_cross_entropy");
  const auto logits = golden_tensor(golden.at("inputs").at("logits"));
  const auto targets = golden_tensor(golden.at("inputs").at("targets"));
  const int64_t rows = logits.shape[0], own = logits.shape[1] / 2;
  double loss[2] = {};
  std::vector<float> gradient[2];
  comm::run_thread_ranks(2, [&](comm::Communicator& world) {
    ops::use_threads(1);
    const auto memory = make_cpu_allocator();
    const auto stream = make_inline_stream();
    Tensor part = Tensor::empty({rows, own}, DType::f32, *memory);
    Tensor wanted = Tensor::empty({rows}, DType::i32, *memory);
    Tensor max = Tensor::empty({rows}, DType::f32, *memory);
    Tensor sum = Tensor::empty({rows}, DType::f32, *memory);
    Tensor target_logit = Tensor::empty({rows}, DType::f32, *memory);
    const int64_t first = own * world.rank();
    for (int64_t r = 0; r < rows; ++r) {
      wanted.data<int32_t>()[r] = static_cast<int32_t>(targets.data[static_cast<size_t>(r)]);
      for (int64_t c = 0; c < own; ++c)
        part.data<float>()[r * own + c] =
            static_cast<float>(logits.data[static_cast<size_t>(r * 2 * own + first + c)]);
    }
    ops::cross_entropy_max(part, own, max, *stream);
    world.all_reduce(max, comm::ReduceOp::max, *stream).wait();
    ops::cross_entropy_sums(part, own, max, wanted, first, sum, target_logit, *stream);
    world.all_reduce(sum, comm::ReduceOp::sum, *stream).wait();
    world.all_reduce(target_logit, comm::ReduceOp::sum, *stream).wait();
    loss[world.rank()] = ops::cross_entropy_loss(max, sum, target_logit, wanted, *stream);
    ops::cross_entropy_backward(part, own, max, sum, wanted, first, 1.0f / static_cast<float>(rows),
                                *stream);
    gradient[world.rank()] = values_of(part);
  });
  double wanted = 0;
  for (const double l : golden_tensor(golden.at("expected").at("loss_per_token")).data) wanted += l;
  CHECK(loss[0] == Approx(wanted).epsilon(2e-6));
  CHECK(loss[1] == loss[0]);
  for (const int rank : {0, 1}) {
    const auto d =
        golden_tensor(golden.at("expected").at(rank ? "d_logits_rank1" : "d_logits_rank0"));
    CHECK(echelon::test::worst_error(gradient[rank], d.data, 2e-5, 2e-6) <= 1);
  }
}
