// echelon prepare: text or JSON Lines to token files.
#include "echelon/data/prepare.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>

#include "echelon/base/error.h"
#include "echelon/base/text.h"
#include "echelon/config/load.h"
#include "echelon/config/tools.h"
#include "src/app/commands.h"

namespace echelon::app {

namespace {

constexpr const char* kHelp =
    R"(usage: echelon prepare INPUT... output=PREFIX [train_vocab=N] [tokenizer.type=byte|gpt2|file] [key=value ...]

Turns text files, .jsonl files (key "text") or folders of them into PREFIX.bin and PREFIX.idx (the format of
Megatron-LM; format=llmc and format=raw_u16 are the others), with PREFIX.tokenizer.json and PREFIX.meta.json
beside them. Default: bytes as tokens. train_vocab=N learns a byte-pair vocabulary of N tokens first.
'echelon prepare --help keys' lists all keys.

example: echelon prepare corpus/ output=data/corpus train_vocab=8192
)";

}  // namespace

int run_prepare(const Arguments& arguments) {
  if (arguments.size() == 2 && arguments[1] == "keys") {
    fmt::print("{}", config::help_all(config::settings_of(data::PrepareOptions{})));
    return 0;
  }
  if (wants_help(arguments, kHelp)) return 0;
  const auto [names, overrides] = split_arguments(arguments);
  auto options = config::load<data::PrepareOptions>({.file = {}, .overrides = overrides});
  options.inputs = names;
  if (names.empty() || options.output.empty())
    fail(ExitCode::config, "C21",
         "command line: found {}, wanted echelon prepare INPUT... output=PREFIX",
         names.empty() ? "no input" : "no output=PREFIX");
  const auto start = std::chrono::steady_clock::now();
  const auto seconds = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  const bool live = ::isatty(STDERR_FILENO) == 1;
  double shown = 0;
  const auto report = data::prepare(options, [&](const data::PrepareProgress& p) {
    if (!live || seconds() < shown + 0.1 || p.total_bytes == 0) return;
    shown = seconds();
    fmt::print(stderr, "\r{:3.0f} %  {} of {}  {} tokens\x1b[K",
               100.0 * static_cast<double>(p.bytes) / static_cast<double>(p.total_bytes),
               text::bytes(static_cast<double>(p.bytes)),
               text::bytes(static_cast<double>(p.total_bytes)),
               text::count(static_cast<double>(p.tokens)));
  });
  if (live) fmt::print(stderr, "\r\x1b[K");
  fmt::print("{} documents, {} of text, {} tokens ({:.2f} bytes per token), vocabulary {}, in {}\n",
             report.documents, text::bytes(static_cast<double>(report.bytes)), report.tokens,
             report.bytes_per_token, report.vocab_size, text::duration(seconds()));
  for (const auto& file : report.files) fmt::print("wrote {}\n", file.string());
  return 0;
}

}  // namespace echelon::app
