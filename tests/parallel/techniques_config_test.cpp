// The keys of recomputation, offload, ZeRO 3 and context parallelism, from YAML to the checks.
#include <catch2/catch.hpp>

#include "echelon/trainer/run_config.h"

using namespace echelon;

namespace {

trainer::LoadedRun loaded(const std::string& text) {
  trainer::LoadedRun run;
  run.config = config::load_text<trainer::RunConfig>(text + "\ndata: {data_path: [somewhere]}\n",
                                                     "run.yaml", &run.settings);
  run.config.model.vocab_size = 64;
  return run;
}

}  // namespace

TEST_CASE("Memory techniques are read from YAML and pass the checks", "[parallel]") {
  const auto run = loaded(R"(
model: {num_layers: 2, hidden_size: 16, num_attention_heads: 2, seq_length: 16}
train: {global_batch_size: 8}
recompute: {granularity: full, method: block, num_layers: 2, modules: [mlp]}
offload: {activations: file, path: /tmp, min_bytes: 1MiB}
zero_optimization: {stage: 3}
parallel: {context_parallel_size: 2}
)");
  CHECK(run.config.recompute.granularity == remat::Granularity::full);
  CHECK(run.config.recompute.method == remat::Method::block);
  CHECK(run.config.recompute.num_layers == 2);
  CHECK(run.config.recompute.modules == std::vector<std::string>{"mlp"});
  CHECK(run.config.offload.activations == offload::Place::file);
  CHECK(run.config.offload.path == "/tmp");
  CHECK(run.config.offload.min_bytes == 1 << 20);
  CHECK_NOTHROW(trainer::check_run(run, 4));
}

TEST_CASE("Settings that cannot work are refused with the key and a way out", "[parallel]") {
  const auto refusal = [](const std::string& text) {
    std::string message;
    try {
      trainer::check_run(
          loaded("model: {num_layers: 2, hidden_size: 16, num_attention_heads: 2, seq_length: 18}\n"
                 "train: {global_batch_size: 8}\n" +
                 text),
          2);
    } catch (const Error& error) {
      CHECK(error.code() == ExitCode::config);
      message = error.what();
    }
    return message;
  };
  CHECK_THAT(refusal("parallel: {context_parallel_size: 2}"),
             Catch::Contains("model.seq_length") && Catch::Contains("use 20"));
  CHECK_THAT(refusal("recompute: {granularity: selective, modules: [core]}"),
             Catch::Contains("recompute.modules: found core"));
  CHECK_THAT(refusal("offload: {activations: file}"), Catch::Contains("offload.path"));
  CHECK(refusal("zero_optimization: {stage: 3}") == "");
}
