#include "echelon/data/meta.h"

#include <nlohmann/json.hpp>

#include "echelon/base/file.h"
#include "echelon/base/text.h"
#include "echelon/data/token_file.h"

namespace echelon::data {

std::string side_file(const std::string& prefix, const std::string& suffix) {
  return prefix + "." + suffix;
}

std::string to_json(const TokenMeta& meta) {
  const nlohmann::ordered_json json{{"format", "echelon.tokens"},
                                    {"version", 1},
                                    {"tokenizer", meta.tokenizer},
                                    {"tokenizer_digest", meta.tokenizer_digest},
                                    {"vocab_size", meta.vocab_size},
                                    {"end_of_text", meta.end_of_text},
                                    {"tokens", meta.tokens},
                                    {"documents", meta.documents},
                                    {"bytes", meta.bytes}};
  return json.dump(1) + "\n";
}

std::string side_prefix(const TokenFile& file) {
  std::string name = file.name();
  if (file.format() == FileFormat::llmc)
    for (const std::string_view part : {"_train_", "_val_"})
      if (const size_t at = name.rfind(part); at != std::string::npos) return name.substr(0, at);
  if (name.ends_with(".bin")) name.resize(name.size() - 4);
  return name;
}

std::optional<TokenMeta> read_meta(const TokenFile& file) {
  const std::string path = side_file(side_prefix(file), "meta.json");
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return std::nullopt;
  TokenMeta meta;
  try {
    const auto json = nlohmann::json::parse(read_file(path, 1 << 20, ExitCode::data));
    meta.tokenizer = json.at("tokenizer").get<std::string>();
    meta.tokenizer_digest = json.at("tokenizer_digest").get<std::string>();
    meta.vocab_size = json.at("vocab_size").get<int64_t>();
    meta.end_of_text = json.at("end_of_text").get<int32_t>();
    meta.tokens = json.at("tokens").get<int64_t>();
    meta.documents = json.at("documents").get<int64_t>();
    meta.bytes = json.at("bytes").get<int64_t>();
  } catch (const nlohmann::json::exception& e) {
    fail(ExitCode::data, "C9",
         "{}: found {}, wanted the side file of a token file; the run ends; remove it or make the "
         "data anew",
         path, text::escaped(e.what()));
  }
  // The side file of shards counts all of them; the file may be some.
  const bool whole = file.format() != FileFormat::llmc;
  if ((whole ? meta.tokens != file.tokens() : meta.tokens < file.tokens()) || meta.bytes < 0)
    fail(ExitCode::data, "C9",
         "{}: found {} tokens of {} bytes, wanted {} as in {}; the run ends; remove it or make the "
         "data anew",
         path, meta.tokens, meta.bytes, file.tokens(), file.name());
  return meta;
}

}  // namespace echelon::data
