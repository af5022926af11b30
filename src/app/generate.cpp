// echelon generate: text from a checkpoint.
#include "echelon/generate/generate.h"

#include <fmt/format.h>

#include <cstdio>

#include "echelon/trainer/host.h"
#include "src/app/commands.h"
#include "src/app/opened_run.h"
#include "src/app/ranked.h"

namespace echelon::app {

namespace {

constexpr const char* kHelp =
    R"(usage: echelon generate RUN_DIR [prompt="text"] [max_new_tokens=200] [temperature=1.0] [top_k=0]
                        [top_p=1.0] [repetition_penalty=1.0] [num_samples=1] [seed=0] [stop="text"]

Continues the prompt with the newest checkpoint of a run (or the step-######## folder given), which
carries its own configuration and tokenizer. Under 'echelon launch np=N' the model is split over N
tensor-parallel ranks; the text is the same.
)";

int generate_text(const OpenedRun& opened, const generate::GenerateConfig& config,
                  comm::Communicator& world) {
  trainer::settle_threads(opened.run.config, world);
  trainer::Trainer model(opened.run.config, world, [](int64_t, int64_t) { return data::Batch{}; });
  model.load_weights(opened.checkpoint);
  auto& parts = model.parts();
  int64_t current = 0;
  generate::generate(*parts.chunks[0], *opened.tokenizer, config, *parts.stream, *parts.memory,
                     [&](int64_t sample, const std::string& text) {
                       if (world.rank() != 0) return;
                       fmt::print("{}{}", sample == current ? "" : "\n\n", text);
                       std::fflush(stdout);
                       current = sample;
                     });
  if (world.rank() == 0) fmt::print("\n");
  return 0;
}

}  // namespace

int run_generate(const Arguments& arguments) {
  if (wants_help(arguments, kHelp)) return 0;
  const auto [names, overrides] = split_arguments(arguments);
  if (names.size() != 1)
    fail(ExitCode::config, "C21",
         "command line: found {} names, wanted one run directory or checkpoint", names.size());
  const auto config = config::load<generate::GenerateConfig>({.file = {}, .overrides = overrides});
  return run_ranked([&](comm::Communicator& world) {
    const auto opened =
        open_run(names[0], {fmt::format("parallel.tensor_model_parallel_size={}", world.size()),
                            "zero_optimization.stage=0", "train.micro_batch_size=1",
                            "train.global_batch_size=1"});
    if (!opened.tokenizer)
      fail(ExitCode::data, "C9",
           "{}: found no tokenizer in the checkpoint, wanted the one its data was made with",
           opened.checkpoint.string());
    return generate_text(opened, config, world);
  });
}

}  // namespace echelon::app
