#pragma once
// The side file of a token file: what the tokens cannot say. Advice: absence is no error, a
// contradiction is.
#include <cstdint>
#include <optional>
#include <string>

namespace echelon::data {

class TokenFile;

/// `<prefix>.meta.json`; the tokenizer lies beside it as `<prefix>.tokenizer.json`.
struct TokenMeta {
  std::string tokenizer;         ///< name
  std::string tokenizer_digest;  ///< SHA-256 of its tokenizer.json
  int64_t vocab_size = 0;
  int32_t end_of_text = -1;
  int64_t tokens = 0;
  int64_t documents = 0;
  int64_t bytes = 0;  ///< of text
};

/// Path of a side file: `suffix` "meta.json" or "tokenizer.json".
std::string side_file(const std::string& prefix, const std::string& suffix);
/// Prefix of the side files of a token file: its name without .bin, and for llm.c shards without
/// "_train_..." or "_val_...".
std::string side_prefix(const TokenFile& file);
std::string to_json(const TokenMeta& meta);
/// Nothing when there is none. Error(data): unreadable, or its token count is not the file's (C9).
std::optional<TokenMeta> read_meta(const TokenFile& file);

}  // namespace echelon::data
