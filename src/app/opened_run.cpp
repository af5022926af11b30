#include "src/app/opened_run.h"

#include "echelon/checkpoint/folder.h"
#include "echelon/config/load.h"

namespace echelon::app {

namespace fs = std::filesystem;

fs::path find_checkpoint(const std::string& path) {
  if (fs::exists(fs::path(path) / "manifest.json")) return path;
  for (const auto& folder : {fs::path(path) / "checkpoints", fs::path(path)})
    if (const auto newest = checkpoint::find_newest(folder); !newest.empty()) return newest;
  fail(ExitCode::no_checkpoint, "U2",
       "{}: found no complete checkpoint, wanted a run directory, its checkpoints "
       "folder or a step-######## folder; train one with: echelon train RUN.YAML",
       path);
}

OpenedRun open_run(const std::string& path, std::vector<std::string> overrides) {
  OpenedRun opened;
  opened.checkpoint = find_checkpoint(path);
  const auto manifest = checkpoint::read_manifest(opened.checkpoint);
  std::vector<std::string> all = {"~parallel.pipeline_model_parallel_size",
                                  "~parallel.context_parallel_size",
                                  "~parallel.virtual_pipeline_model_parallel_size",
                                  "~parallel.pipeline_layout",
                                  "~parallel.pipeline_schedule",
                                  "~parallel.tensor_model_parallel_size",
                                  "~parallel.sequence_parallel",
                                  "~zero_optimization.stage"};
  all.insert(all.end(), overrides.begin(), overrides.end());
  opened.run.config = config::load_text<trainer::RunConfig>(
      manifest.extra.at("config").get<std::string>(),
      (opened.checkpoint / "manifest.json").string(), &opened.run.settings, all);
  if (const auto tokenizer = manifest.extra.value("tokenizer", ""); !tokenizer.empty())
    opened.tokenizer =
        data::parse_tokenizer(tokenizer, (opened.checkpoint / "manifest.json").string());
  return opened;
}

}  // namespace echelon::app
