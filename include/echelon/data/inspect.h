#pragma once
// What a token file holds, for `echelon inspect`.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "echelon/data/meta.h"
#include "echelon/data/token_file.h"
#include "echelon/data/tokenizer.h"

namespace echelon::data {

struct InspectOptions {
  FileFormat format = FileFormat::automatic;
  int64_t vocab_size = 0;    ///< 0: that of the side file, else unknown
  bool scan = true;          ///< read every token
  int64_t text_tokens = 64;  ///< decoded from the start, when the tokenizer is beside the file
};

struct TokenFileSummary {
  std::string name;
  FileFormat format = FileFormat::megatron;
  TokenType type = TokenType::u16;
  int64_t documents = 0, sequences = 0, tokens = 0;
  int64_t shortest = 0, longest = 0, empty = 0;  ///< sequence lengths in tokens
  std::optional<TokenMeta> meta;
  int64_t vocab_size = 0;  ///< what ids were compared with; 0: nothing
  bool scanned = false;
  int32_t least_id = 0, greatest_id = 0;
  int64_t outside = 0;        ///< ids outside the vocabulary
  std::string first_outside;  ///< where the first one is
  std::string text;           ///< start of the data, printable
};

/// Error(data) when the file cannot be opened, is inconsistent, or holds ids that fit no i32.
TokenFileSummary inspect_token_file(const std::string& path, const InspectOptions& options = {});
/// One "name: value" line each.
std::string to_text(const TokenFileSummary& summary);

/// The tokenizer `config.tokenizer` names; automatic: the one saved beside the first token file.
/// Error(data, C9) when there is none or it is not the one the data was made with.
std::unique_ptr<Tokenizer> find_tokenizer(const DataConfig& config);

}  // namespace echelon::data
