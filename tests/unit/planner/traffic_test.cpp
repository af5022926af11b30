// Published-size models against ledgers worked out by hand (closed forms of Narayanan et al. 2021,
// Korthikanti et al. 2022, Rajbhandari et al. 2020). Nothing of their size is allocated.
#include <catch2/catch.hpp>

#include "echelon/planner/memory.h"
#include "echelon/planner/traffic.h"

using namespace echelon;
using planner::Call;

namespace {

planner::Job gpt2(int64_t layers, int64_t hidden, int64_t heads) {
  planner::Job job;
  job.model.num_layers = layers;
  job.model.hidden_size = hidden;
  job.model.num_attention_heads = heads;
  job.model.seq_length = 1024;
  job.model.vocab_size = 50257;
  job.model.activation = ops::Activation::gelu_tanh;
  return job;
}

int64_t calls(const planner::Traffic& traffic, const Call& call) {
  const auto found = traffic.find(call);
  return found == traffic.end() ? 0 : found->second;
}

/// Elements of all calls of an op in a group.
int64_t volume(const planner::Traffic& traffic, const std::string& op, const std::string& group) {
  int64_t sum = 0;
  for (const auto& [call, times] : traffic)
    if (call.op == op && call.group == group) sum += times * call.elements;
  return sum;
}

int64_t count(const planner::Traffic& traffic, const std::string& op, const std::string& group) {
  int64_t sum = 0;
  for (const auto& [call, times] : traffic)
    if (call.op == op && call.group == group) sum += times;
  return sum;
}

}  // namespace

TEST_CASE("GPT-2 124M over 4 data-parallel ranks, two micro-batches", "[planner]") {
  auto job = gpt2(12, 768, 12);
  job.micro_batch = 8;
  job.global_batch = 64;
  const parallel::Degrees d{1, 1, 4, 1};
  const int64_t parameters = 124475904;  // vocabulary padded to 50304
  CHECK(planner::parts_of(job, d, {}).parameters() == parameters);

  const auto plain = planner::step_traffic(job, d, {});
  for (const int64_t bucket : {40163328, 40164864, 44147712})
    CHECK(calls(plain, {"all_reduce", "grad", 4, DType::f32, bucket}) == 1);
  CHECK(volume(plain, "all_reduce", "grad") == parameters);
  CHECK(calls(plain, {"all_reduce", "world", 4, DType::f64, 4}) == 1);
  CHECK(plain.size() == 4);  // no norm message: one rank holds the whole model

  job.sharding.stage = 1;
  const auto one = planner::step_traffic(job, d, {});
  CHECK(volume(one, "reduce_scatter", "grad") == parameters);
  CHECK(volume(one, "all_gather", "grad") == parameters);
  job.sharding.stage = 2;
  const auto two = planner::step_traffic(job, d, {});
  CHECK(volume(two, "reduce_scatter", "grad") == 2 * parameters);
  CHECK(volume(two, "all_gather", "grad") == parameters);
  job.sharding.stage = 3;
  const auto three = planner::step_traffic(job, d, {});
  CHECK(count(three, "reduce_scatter", "grad") == 28);  // 14 units, 2 micro-batches
  CHECK(volume(three, "reduce_scatter", "grad") == 2 * parameters);
  // 14 units twice a micro-batch; the embedding's matrix is gathered for the tied head too.
  CHECK(count(three, "all_gather", "grad") == 60);
  CHECK(volume(three, "all_gather", "grad") == 4 * parameters + 4 * 39419904);
}

TEST_CASE("GPT-2 1.5B over tensor 2, pipeline 2, data 2 with split rows and ZeRO 1", "[planner]") {
  auto job = gpt2(48, 1600, 20);
  job.micro_batch = 2;
  job.global_batch = 64;
  job.sequence_parallel = true;
  job.sharding.stage = 1;
  const parallel::Degrees d{2, 1, 2, 2};
  const int64_t a = 3276800;
  const auto first = planner::step_traffic(job, d, {0, 0, 0, 0});
  const auto last = planner::step_traffic(job, d, {1, 0, 1, 1});
  CHECK(calls(first, {"all_gather", "tp", 2, DType::f32, a}) == 2320);
  CHECK(calls(first, {"reduce_scatter", "tp", 2, DType::f32, a}) == 1552);
  CHECK(calls(first, {"all_reduce", "tp", 2, DType::f32, 1868800}) == 1);
  CHECK(calls(last, {"all_gather", "tp", 2, DType::f32, a}) == 2336);
  CHECK(calls(last, {"reduce_scatter", "tp", 2, DType::f32, a}) == 1552);
  CHECK(calls(last, {"all_reduce", "tp", 2, DType::f32, 233600}) == 1);
  CHECK(calls(last, {"all_reduce", "tp", 2, DType::f32, 2048}) == 48);
  for (const auto* rank : {&first, &last}) {
    CHECK(calls(*rank, {"send", "pp", 2, DType::f32, a / 2}) == 16);
    CHECK(calls(*rank, {"recv", "pp", 2, DType::f32, a / 2}) == 16);
    CHECK(calls(*rank, {"all_reduce", "embedding", 2, DType::f32, 20172800}) == 1);
    CHECK(calls(*rank, {"all_reduce", "world", 8, DType::f64, 1}) == 1);
    CHECK(count(*rank, "reduce_scatter", "grad") == 11);
    CHECK(volume(*rank, "reduce_scatter", "grad") == volume(*rank, "all_gather", "grad"));
  }
  CHECK(volume(first, "reduce_scatter", "grad") == 1643959808 / 4);
  CHECK(volume(last, "reduce_scatter", "grad") == 1637419008 / 4);
  CHECK(planner::parts_of(job, d, {0, 0, 0, 0}).parameters() == 410988800);
  CHECK(planner::parts_of(job, d, {0, 0, 0, 1}).parameters() == 409353600);
}

TEST_CASE("GPT-3 175B over tensor 8, pipeline 16 of 2 chunks, data 8, recomputed", "[planner]") {
  auto job = gpt2(96, 12288, 96);
  job.model.seq_length = 2048;
  job.global_batch = 1536;
  job.pipeline.pipeline_schedule = "interleaved";
  job.pipeline.virtual_pipeline_model_parallel_size = 2;
  job.recomputed_layers = 96;
  const parallel::Degrees d{8, 1, 8, 16};
  const int64_t a = 25165824;
  const auto at = [&](int stage) { return planner::step_traffic(job, d, {0, 0, 0, stage}); };
  CHECK(calls(at(0), {"all_reduce", "tp", 8, DType::f32, a}) == 7104);
  CHECK(calls(at(7), {"all_reduce", "tp", 8, DType::f32, a}) == 6912);
  CHECK(calls(at(15), {"all_reduce", "tp", 8, DType::f32, a}) == 7104);
  CHECK(calls(at(15), {"all_reduce", "tp", 8, DType::f32, 2048}) == 576);
  CHECK(calls(at(0), {"send", "pp", 16, DType::f32, a}) == 576);
  CHECK(calls(at(7), {"send", "pp", 16, DType::f32, a}) == 768);
  CHECK(volume(at(0), "all_reduce", "grad") == 1463270400);
  CHECK(volume(at(7), "all_reduce", "grad") == 1359461376);
  CHECK(volume(at(15), "all_reduce", "grad") == 1438129152);
  CHECK(calls(at(0), {"all_reduce", "embedding", 2, DType::f32, 78643200}) == 1);
  CHECK(calls(at(7), {"all_reduce", "model", 128, DType::f64, 1}) == 1);
}

TEST_CASE("ranks of a group plan the same collectives", "[planner]") {
  auto job = gpt2(4, 64, 4);
  job.model.vocab_size = 1000;
  job.global_batch = 16;
  job.optimizer.type = "lamb";
  for (const int64_t stage : {0, 1, 2, 3}) {
    job.sharding.stage = stage;
    const parallel::Degrees d{2, 1, 2, 2};
    for (int pp = 0; pp < 2; ++pp) {
      const auto truth = planner::step_traffic(job, d, {0, 0, 0, pp});
      for (int tp = 0; tp < 2; ++tp)
        for (int dp = 0; dp < 2; ++dp)
          CHECK(planner::step_traffic(job, d, {tp, 0, dp, pp}) == truth);
    }
  }
}

TEST_CASE("ZeRO divides optimizer state, gradients, then weights; recomputation keeps inputs",
          "[planner]") {
  auto job = gpt2(12, 768, 12);
  job.global_batch = 4;
  const parallel::Degrees d{1, 1, 4, 1};
  const auto at = [&](int64_t stage) {
    job.sharding.stage = stage;
    return planner::memory_of(job, planner::parts_of(job, d, {}), d, {}, 1);
  };
  const int64_t all = 4 * int64_t{124475904};
  CHECK(at(0).weights == all);
  CHECK(at(0).gradients == all);
  CHECK(at(0).optimizer == 2 * all);
  CHECK(at(1).optimizer == 2 * all / 4);
  CHECK(at(1).gradients == all);
  CHECK(at(2).gradients == all / 4);
  CHECK(at(2).weights == all);
  CHECK(at(3).weights == all / 4);
  CHECK(at(3).gathered > 0);

  const int64_t kept = at(0).activations;
  job.recomputed_layers = 12;
  const int64_t inputs = at(0).activations;
  const int64_t input = 4 * 1024 * 768;
  job.recomputed_together = 3;
  CHECK(inputs - at(0).activations == 8 * input);  // 12 inputs become 4
  CHECK(kept > 3 * inputs);
}
