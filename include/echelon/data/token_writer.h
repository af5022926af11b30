#pragma once
// Writing token files. Output appears under its final name only when `finish` returns.
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "echelon/data/token_file.h"

namespace echelon::data {

struct WriterOptions {
  FileFormat format = FileFormat::megatron;
  int64_t vocab_size = 0;    ///< decides the item type: u16 below 65,500, else i32 (llm.c: u32)
  int32_t end_of_text = -1;  ///< written after each document (llm.c: before it); -1: never
  int64_t shard_tokens = 100'000'000;  ///< llm.c only
};

/// Receives documents piece by piece, in order. Throws Error(storage) on write errors and
/// Error(data) for an id the item type cannot hold. Dropped without `finish`, it leaves nothing.
class TokenWriter {
 public:
  virtual ~TokenWriter() = default;
  /// More tokens of the current document.
  virtual void append(std::span<const int32_t> tokens) = 0;
  /// Ends the current sequence of the document; only Megatron files keep the mark.
  virtual void end_sequence() {}
  virtual void end_document() = 0;
  /// Syncs and renames; returns the files written.
  virtual std::vector<std::filesystem::path> finish() = 0;
  virtual int64_t tokens() const = 0;  ///< so far, ends of text included
  virtual int64_t documents() const = 0;
};

/// Megatron: `prefix`.bin and .idx. llm.c: `prefix`_val_000000.bin, then `prefix`_train_000001.bin
/// and so on. Raw: `prefix`.bin.
std::unique_ptr<TokenWriter> make_token_writer(const std::string& prefix, const WriterOptions&);

/// Item type of a Megatron file for a vocabulary.
TokenType megatron_type(int64_t vocab_size);

}  // namespace echelon::data
