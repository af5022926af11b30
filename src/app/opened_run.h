#pragma once
// A trained model found by its run directory or checkpoint, for commands that use one.
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "echelon/data/tokenizer.h"
#include "echelon/trainer/trainer.h"

namespace echelon::app {

/// `path`: a run directory, its checkpoints folder, or one step-######## folder. Throws
/// Error(no_checkpoint) when none is found.
std::filesystem::path find_checkpoint(const std::string& path);

/// The configuration that the checkpoint was trained with, changed by `overrides`. Layout keys go
/// back to one pipeline stage and ZeRO 0; batches to what the ranks of this start divide.
struct OpenedRun {
  std::filesystem::path checkpoint;
  trainer::LoadedRun run;
  std::unique_ptr<data::Tokenizer> tokenizer;  ///< null when the checkpoint names none
};
OpenedRun open_run(const std::string& path, std::vector<std::string> overrides);

}  // namespace echelon::app
