// Saving and continuing a run.
#include "echelon/base/log.h"
#include "echelon/base/text.h"
#include "echelon/checkpoint/folder.h"
#include "echelon/trainer/trainer.h"
#include "src/trainer/saved_state.h"

namespace echelon::trainer {

namespace {

/// Throws Error(resume_mismatch) naming every key whose line differs.
void require_same(const std::string& saved, const std::string& wanted, const std::string& path) {
  if (saved == wanted) return;
  const auto key_of = [](const std::string& line) { return line.substr(0, line.find(" = ")); };
  const auto before = text::split(saved, '\n'), now = text::split(wanted, '\n');
  std::string differing;
  for (const auto& line : now)
    for (const auto& old : before)
      if (key_of(line) == key_of(old) && line != old)
        differing += fmt::format("; found {}, wanted {}", line, old.substr(old.find(" = ") + 3));
  fail(ExitCode::resume_mismatch, "U3",
       "{}: this run's configuration differs from the checkpoint's{}; nothing was trained; restore "
       "these "
       "keys, or start afresh in another run directory",
       path, differing.empty() ? " in its list of keys" : differing);
}

}  // namespace

checkpoint::SaveReport Trainer::save(const std::filesystem::path& folder, const SavedFacts& facts) {
  const auto& d = parts_.mesh->degrees();
  const nlohmann::json extra = {{"consumed_samples", consumed_},
                                {"attempts", attempts_},
                                {"seed", config_.seed},
                                {"layout",
                                 {{"tp", d.tp},
                                  {"cp", d.cp},
                                  {"dp", d.dp},
                                  {"pp", d.pp},
                                  {"zero", config_.zero_optimization.stage}}},
                                {"optimizer", config_.optimizer.type},
                                {"config", facts.config},
                                {"must_match", facts.resume_lines},
                                {"tokenizer", facts.tokenizer}};
  const checkpoint::SaveOptions options{.run = facts.run,
                                        .step = step_,
                                        .retention = config_.checkpoint.retention(),
                                        .megatron_tracker = config_.checkpoint.megatron_tracker,
                                        .verify_data = config_.checkpoint.verify_after_save};
  return checkpoint::save(folder, pieces_of(parts_, true), extra, options, world_);
}

bool Trainer::resume(const std::filesystem::path& folder, const SavedFacts& facts) {
  const std::string& how = config_.checkpoint.resume;
  if (how == "never") {
    if (checkpoint::list_steps(folder).empty()) return false;
    fail(ExitCode::resume_mismatch, "U1",
         "{}: found checkpoints of an earlier run, wanted none with checkpoint.resume: never; "
         "nothing was "
         "started; move the folder away, choose another name or use checkpoint.resume: auto",
         folder.string());
  }
  const checkpoint::LoadOptions options{config_.checkpoint.convert_dtype,
                                        config_.checkpoint.allow_nonfinite};
  const checkpoint::PiecesFor pieces = [&](const checkpoint::Manifest& manifest) {
    require_same(manifest.extra.value("must_match", ""), facts.resume_lines, folder.string());
    return pieces_of(parts_, true);
  };
  std::optional<checkpoint::Resumed> found;
  if (how == "auto" || how == "must")
    found = checkpoint::load_newest(folder, pieces, options, world_);
  else
    found = checkpoint::load_from(how, pieces, options, world_);
  if (!found && how == "must")
    fail(ExitCode::no_checkpoint, "U2",
         "{}: found no checkpoint, wanted one with checkpoint.resume: must; "
         "nothing was started",
         folder.string());
  if (!found) return false;
  parts_.store->publish(*parts_.stream);
  step_ = found->manifest.step;
  consumed_ = found->manifest.extra.at("consumed_samples").get<int64_t>();
  attempts_ = found->manifest.extra.at("attempts").get<int64_t>();
  return true;
}

void Trainer::load_weights(const std::filesystem::path& checkpoint) {
  checkpoint::load_from(
      checkpoint, [&](const checkpoint::Manifest&) { return pieces_of(parts_, false); },
      {.convert_floats = true}, world_);
  parts_.store->publish(*parts_.stream);
}

}  // namespace echelon::trainer
