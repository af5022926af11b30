#pragma once
// Text files as a stream of pieces of documents.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "byte_source.h"
#include "echelon/data/tokenizer.h"

namespace echelon::data {

/// A part of a document; parts of one document follow each other.
struct TextPart {
  std::string text;
  bool ends_document = false;
};

class TextReader {
 public:
  virtual ~TextReader() = default;
  virtual std::optional<TextPart> next() = 0;
};

/// A text file cut by `separator` (empty: one document). Long documents come in parts that encode
/// as the whole does: cut where the tokenizer allows it, at a character after 64 MiB without.
std::unique_ptr<TextReader> read_text(const std::string& path, const std::string& separator,
                                      const Tokenizer& tokenizer);
/// JSON Lines: the string `key` of each line's object is a document.
std::unique_ptr<TextReader> read_json_lines(const std::string& path, const std::string& key);

struct TextFiles {
  std::vector<std::string> paths;
  int64_t bytes = 0;
  int64_t skipped = 0;
};
/// The files that `inputs` name, folders opened.
TextFiles find_text_files(const std::vector<std::string>& inputs);
bool is_json_lines(const std::string& path);

}  // namespace echelon::data
