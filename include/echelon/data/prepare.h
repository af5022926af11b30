#pragma once
// Text to token files.
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "echelon/data/config.h"
#include "echelon/data/tokenizer.h"

namespace echelon::data {

struct PrepareOptions {
  /// Text files, JSON Lines (.jsonl, .ndjson), or folders of them (recursive, by name; hidden and
  /// binary files are passed over). A text file is one document unless `document_separator` cuts
  /// it.
  std::vector<std::string> inputs;
  std::string output;        ///< prefix of the files written
  std::string key = "text";  ///< of JSON Lines
  std::string document_separator;
  FileFormat format = FileFormat::megatron;
  TokenizerConfig tokenizer;
  int64_t train_vocab =
      0;  ///< > 0: first train a byte-pair tokenizer of this many ids on the inputs
  Splitter train_splitter = Splitter::gpt2;
  int64_t train_bytes = int64_t{64} << 20;  ///< text looked at for training, from the start
  bool append_end_of_text = true;
  int64_t shard_tokens = 100'000'000;
  int64_t threads = 0;  ///< 0: the cores this process may use

  void fields(config::Fields& f);
};

struct PrepareProgress {
  int64_t bytes = 0;        ///< of input read
  int64_t total_bytes = 0;  ///< of input files
  int64_t tokens = 0;
};

struct PrepareReport {
  int64_t tokens = 0;     ///< ends of text included
  int64_t bytes = 0;      ///< of text
  int64_t documents = 0;  ///< written; empty ones are passed over
  int64_t empty_documents = 0;
  int64_t skipped_files = 0;  ///< binary files found in folders
  int64_t vocab_size = 0;
  double bytes_per_token = 0;
  std::vector<std::filesystem::path> files;
};

/// Streams the inputs through the tokenizer; memory does not grow with their size. Writes the token
/// files, then <output>.tokenizer.json and <output>.meta.json; nothing appears on an error.
/// Error(data): an input is missing (D1) or not what its name says (D7), or no text is left (D4).
PrepareReport prepare(const PrepareOptions& options,
                      const std::function<void(const PrepareProgress&)>& progress = {});

}  // namespace echelon::data
