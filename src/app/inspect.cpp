// echelon inspect: what a checkpoint or a token file holds.
#include <fmt/format.h>

#include <filesystem>
#include <map>

#include "echelon/base/text.h"
#include "echelon/checkpoint/checkpoint.h"
#include "echelon/data/inspect.h"
#include "src/app/commands.h"
#include "src/app/opened_run.h"

namespace echelon::app {

namespace {

constexpr const char* kHelp =
    R"(usage: echelon inspect PATH [vocab_size=N] [scan=false] [format=raw_u16] [tensors=true] [verify=true]

PATH is a token file (prefix, .bin, .idx, shard or glob) or a run directory, checkpoints folder or
step-######## folder. Token files: counts, sequence lengths, ids outside the vocabulary, the first text.
Checkpoints: step, layout, parameters, sections; tensors=true lists every tensor; verify=true reads every byte.
)";

struct Options {
  data::InspectOptions tokens;
  bool tensors = false, verify = false;
  void fields(config::Fields& f) {
    constexpr std::array<std::string_view, 4> kFormats = {"auto", "megatron", "llmc", "raw_u16"};
    f.choice("format", tokens.format, kFormats, "Of a token file.");
    f.integer("vocab_size", tokens.vocab_size, {0},
              "Ids are compared with it; 0: that of the side file.");
    f.boolean("scan", tokens.scan, "Read every token.");
    f.integer("text_tokens", tokens.text_tokens, {0, 100000}, "Tokens decoded from the start.");
    f.boolean("tensors", tensors, "List every tensor of a checkpoint.");
    f.boolean("verify", verify, "Check every byte of a checkpoint against its checksum.");
  }
};

bool is_checkpoint(const std::filesystem::path& path) {
  return std::filesystem::is_directory(path) && (std::filesystem::exists(path / "manifest.json") ||
                                                 std::filesystem::exists(path / "checkpoints") ||
                                                 std::filesystem::exists(path / "latest"));
}

void show(const std::filesystem::path& path, const Options& options) {
  const auto manifest = checkpoint::read_manifest(path);
  checkpoint::verify_files(path, manifest);
  struct Section {
    int64_t tensors = 0, elements = 0, bytes = 0;
  };
  std::map<std::string, Section> sections;
  for (const auto& [name, record] : manifest.tensors) {
    auto& section = sections[name.substr(0, name.find('/'))];
    ++section.tensors, section.elements += record.shape.elements(), section.bytes += record.bytes();
    if (options.tensors)
      fmt::print("{:<48} {:>5} {:<18} {} chunks\n", name, name_of(record.dtype),
                 to_string(record.shape), record.chunks.size());
  }
  fmt::print("checkpoint: {}\nrun: {}\nstep: {}\n", path.string(), text::escaped(manifest.run),
             manifest.step);
  for (const char* key : {"consumed_samples", "seed", "optimizer", "layout"})
    if (manifest.extra.contains(key)) fmt::print("{}: {}\n", key, manifest.extra[key].dump());
  fmt::print("files: {}\n", manifest.files.size());
  for (const auto& [name, s] : sections)
    fmt::print("{}: {} tensors, {} elements, {}\n", name, s.tensors,
               text::count(static_cast<double>(s.elements)),
               text::bytes(static_cast<double>(s.bytes)));
  if (options.verify)
    fmt::print("verified: {}\n",
               text::bytes(static_cast<double>(checkpoint::verify_data(path, manifest))));
}

}  // namespace

int run_inspect(const Arguments& arguments) {
  if (wants_help(arguments, kHelp)) return 0;
  const auto [names, overrides] = split_arguments(arguments);
  if (names.size() != 1)
    fail(ExitCode::config, "C21",
         "command line: found {} names, wanted one token file or checkpoint", names.size());
  const auto options = config::load<Options>({.file = {}, .overrides = overrides});
  if (is_checkpoint(names[0]))
    show(find_checkpoint(names[0]), options);
  else
    fmt::print("{}", data::to_text(data::inspect_token_file(names[0], options.tokens)));
  return 0;
}

}  // namespace echelon::app
