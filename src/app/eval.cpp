// echelon eval: loss of a checkpoint on the validation or test split, or on other token files.
#include <fmt/format.h>

#include <array>

#include "echelon/trainer/host.h"
#include "src/app/commands.h"
#include "src/app/opened_run.h"
#include "src/app/ranked.h"

namespace echelon::app {

namespace {

constexpr const char* kHelp =
    R"(usage: echelon eval RUN_DIR [split=valid|test|train] [batches=N] [key.sub=value ...]

Loss, perplexity and bits per byte of the newest checkpoint of a run (or of the step-######## folder
given) on N global batches of a split. The checkpoint carries its configuration; overrides change it,
for example data.valid_data_path=[data/other]. Under 'echelon launch' the ranks share the batches.
)";

struct Options {
  data::Split split = data::Split::valid;
  int64_t batches = 10;
  void fields(config::Fields& f) {
    constexpr std::array<std::string_view, 3> kSplits = {"train", "valid", "test"};
    f.choice("split", split, kSplits, "Part of the data.");
    f.integer("batches", batches, {1}, "Global batches.");
  }
};

}  // namespace

int run_eval(const Arguments& arguments) {
  if (wants_help(arguments, kHelp)) return 0;
  auto [names, overrides] = split_arguments(arguments);
  if (names.size() != 1)
    fail(ExitCode::config, "C21",
         "command line: found {} names, wanted one run directory or checkpoint", names.size());
  std::vector<std::string> own;
  std::erase_if(overrides, [&](const std::string& word) {
    if (!word.starts_with("split=") && !word.starts_with("batches=")) return false;
    own.push_back(word);
    return true;
  });
  const auto options = config::load<Options>({.file = {}, .overrides = own});
  return run_ranked([&](comm::Communicator& world) {
    auto opened = open_run(names[0], overrides);
    trainer::settle_threads(opened.run.config, world);
    trainer::check_run(opened.run, world.size());
    trainer::Trainer model(opened.run.config, world,
                           [](int64_t, int64_t) { return data::Batch{}; });
    model.load_weights(opened.checkpoint);
    const auto v = model.validate(options.batches, options.split);
    if (world.rank() == 0) {
      fmt::print("checkpoint: {}\ntokens: {}\nloss: {:.6f}\nperplexity: {:.4f}\n",
                 opened.checkpoint.string(), v.tokens, v.loss, v.perplexity);
      if (v.bits_per_byte) fmt::print("bits_per_byte: {:.4f}\n", *v.bits_per_byte);
    }
    return 0;
  });
}

}  // namespace echelon::app
