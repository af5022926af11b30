// echelon bench: full training steps of a configuration on synthetic tokens, beside the FMA peak.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "echelon/base/philox.h"
#include "echelon/base/text.h"
#include "echelon/ops/peak.h"
#include "echelon/ops/threads.h"
#include "echelon/trainer/host.h"
#include "echelon/trainer/trainer.h"
#include "src/app/commands.h"
#include "src/app/ranked.h"

namespace echelon::app {

namespace {

constexpr const char* kHelp =
    R"(usage: echelon bench CONFIG.YAML [steps=N] [json=true] [key.sub=value ...]

Times N full training steps (forward, backward, optimizer, reductions) on random tokens, after one
warm-up, and the rate of fused multiply-adds of this machine before and after. Prints medians and the
step's share of that peak: (6 N + attention) flops per token over peak of all ranks. Works alone and
under 'echelon launch'.

example: echelon bench configs/model/gpt2-124m.yaml train.micro_batch_size=4 train.global_batch_size=4
)";

struct Options {
  int64_t steps = 10;
  bool json = false;
  void fields(config::Fields& f) {
    f.integer("steps", steps, {1, 100000}, "Timed steps.");
    f.boolean("json", json, "One JSON line in place of the text.");
  }
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// Tokens that depend on (row, position) alone.
trainer::RowSource random_rows(const trainer::RunConfig& config, Allocator& memory) {
  const int64_t length = config.model.seq_length, vocabulary = config.model.vocab_size;
  return [length, vocabulary, &memory](int64_t first, int64_t count) {
    data::Batch batch{first, Tensor::empty({count, length}, DType::i32, memory),
                      Tensor::empty({count, length}, DType::i32, memory)};
    for (int64_t row = 0; row < count; ++row) {
      const Philox rng{7, static_cast<uint64_t>(first + row)};
      for (int64_t t = 0; t <= length; ++t) {
        const auto token = static_cast<int32_t>(
            rng.below(static_cast<uint64_t>(t), static_cast<uint32_t>(vocabulary)));
        if (t < length) batch.tokens.data<int32_t>()[row * length + t] = token;
        if (t > 0) batch.targets.data<int32_t>()[row * length + t - 1] = token;
      }
    }
    return batch;
  };
}

/// Sum over ranks of the peak measured on all of them at once.
double peak_of_all(comm::Communicator& world) {
  world.barrier();
  const double mine = ops::measured_peak_flops(ops::threads_in_use(), 0.2);
  return comm::all_reduce(world, std::vector<double>{mine}, comm::ReduceOp::sum)[0];
}

int bench(const trainer::RunConfig& config, const Options& options, comm::Communicator& world) {
  const auto memory = make_cpu_allocator();
  trainer::Trainer trainer(config, world, random_rows(config, *memory));
  const auto first = trainer.step();
  double peak = peak_of_all(world);
  std::vector<double> seconds;
  for (int64_t k = 0; k < options.steps; ++k) {
    const double mine = trainer.step().seconds;
    seconds.push_back(comm::all_reduce(world, std::vector<double>{mine}, comm::ReduceOp::max)[0]);
  }
  peak = (peak + peak_of_all(world)) / 2;
  if (world.rank() != 0) return 0;
  const double step = median(seconds), tokens = static_cast<double>(first.tokens);
  const double share = nn::flops_per_token(config.model).train(true) * tokens / step / peak;
  if (options.json) {
    fmt::print("{}\n", nlohmann::json{{"step_seconds", seconds},
                                      {"tokens_per_step", first.tokens},
                                      {"peak_flops", peak},
                                      {"peak_share", share},
                                      {"ranks", world.size()}}
                           .dump());
    return 0;
  }
  fmt::print("parameters: {}\nranks: {}, threads per rank: {}\ntokens_per_step: {}\n",
             text::count(static_cast<double>(nn::parameter_count(config.model))), world.size(),
             ops::threads_in_use(), first.tokens);
  fmt::print("step_seconds: {:.4f} (median of {}, {:.4f} to {:.4f})\n", step, seconds.size(),
             *std::min_element(seconds.begin(), seconds.end()),
             *std::max_element(seconds.begin(), seconds.end()));
  fmt::print("steps_per_second: {:.4f}\ntokens_per_second: {:.1f}\n", 1 / step, tokens / step);
  fmt::print("fma_peak: {:.1f} GFLOP/s\nshare_of_peak: {:.1f} %\n", peak / 1e9, 100 * share);
  const auto held = static_cast<double>(trainer::most_tensor_bytes(trainer.parts()));
  fmt::print("memory: {} in tensors at most, {} resident at most\n", text::bytes(held),
             text::bytes(static_cast<double>(peak_resident_bytes())));
  return 0;
}

}  // namespace

int run_bench(const Arguments& arguments) {
  if (wants_help(arguments, kHelp)) return 0;
  auto [names, overrides] = split_arguments(arguments);
  if (names.size() != 1)
    fail(ExitCode::config, "C21",
         "command line: found {} names, wanted one configuration; see echelon bench --help",
         names.size());
  std::vector<std::string> own;
  std::erase_if(overrides, [&](const std::string& word) {
    if (!word.starts_with("steps=") && !word.starts_with("json=")) return false;
    own.push_back(word);
    return true;
  });
  const auto options = config::load<Options>({.file = {}, .overrides = own});
  return run_ranked([&](comm::Communicator& world) {
    auto run = trainer::load_run({.file = config_file(names[0]), .overrides = overrides}, world);
    if (run.config.model.vocab_size == 0) trainer::settle_vocabulary(run.config, world);
    trainer::check_run(run, world.size());
    trainer::settle_threads(run.config, world);
    return bench(run.config, options, world);
  });
}

}  // namespace echelon::app
