// GPT-2's two files: vocab.json (token -> id) and merges.txt; and the choice among tokenizers.
#include <unordered_map>

#include "byte_level.h"
#include "echelon/base/error.h"
#include "echelon/base/file.h"
#include "echelon/base/text.h"
#include "tokenizer_json.h"

namespace echelon::data {

namespace {

using Ids = std::unordered_map<std::string, int32_t>;

bool is_special(const std::string& characters) {
  return characters.starts_with("<|") && characters.ends_with("|>");
}

Ids read_vocab(const std::string& path, BpeModel& model) {
  const auto json = parse_strict(read_file(path, kLargestTokenizer, ExitCode::data), path);
  if (!json.is_object()) refuse(path, "vocabulary", "no object", "an object of token: id");
  Ids ids;
  for (const auto& [characters, id] : json.items()) {
    const int64_t value = id.is_number_integer() ? id.get<int64_t>() : -1;
    if (value < 0 || value >= kLargestVocabulary)
      refuse(path, characters, id.dump(),
             fmt::format("an id from 0 to {}", kLargestVocabulary - 1));
    const auto at = static_cast<size_t>(value);
    if (at >= model.tokens.size()) model.tokens.resize(at + 1);
    if (!model.tokens[at].empty())
      refuse(path, characters, fmt::format("id {} twice", value), "each id once");
    const auto bytes = is_special(characters) ? characters : from_byte_level(characters);
    if (!bytes || bytes->empty())
      refuse(path, "token", characters, "characters that stand for bytes");
    model.tokens[at] = *bytes;
    ids[characters] = static_cast<int32_t>(value);
    if (is_special(characters)) model.specials[characters] = static_cast<int32_t>(value);
  }
  for (size_t b = 0; b < 256; ++b) {
    const char byte = static_cast<char>(b);
    const auto found = ids.find(to_byte_level({&byte, 1}));
    if (found == ids.end())
      refuse(path, "vocabulary", fmt::format("no token for byte {}", b), "all 256 bytes");
    model.byte_ids[b] = found->second;
  }
  return ids;
}

void read_merges(const std::string& path, const Ids& ids, BpeModel& model) {
  const auto id_of = [&](const std::string& token) {
    const auto found = ids.find(token);
    return found == ids.end() ? -1 : found->second;
  };
  const auto lines = text::split(read_file(path, kLargestTokenizer, ExitCode::data), '\n');
  for (size_t n = 0; n < lines.size(); ++n) {
    if (lines[n].empty() || (n == 0 && lines[n].starts_with("#version"))) continue;
    const auto parts = text::split(lines[n], ' ');
    const bool pair = parts.size() == 2;
    const int32_t a = pair ? id_of(parts[0]) : -1, b = pair ? id_of(parts[1]) : -1;
    const int32_t joined = pair ? id_of(parts[0] + parts[1]) : -1;
    if (a < 0 || b < 0 || joined < 0)
      refuse(path, fmt::format("line {}", n + 1), lines[n],
             "two tokens of the vocabulary, also joined");
    model.merges.push_back({a, b, joined});
  }
}

}  // namespace

std::unique_ptr<Tokenizer> load_gpt2_tokenizer(const std::filesystem::path& vocab,
                                               const std::filesystem::path& merges) {
  BpeModel model;
  model.splitter = Splitter::gpt2;
  read_merges(merges.string(), read_vocab(vocab.string(), model), model);
  if (const auto end = model.specials.find("<|endoftext|>"); end != model.specials.end())
    model.end_of_text = end->second;
  return make_bpe_tokenizer(std::move(model));
}

std::unique_ptr<Tokenizer> make_tokenizer(const TokenizerConfig& config) {
  const auto need = [](const std::string& value, std::string_view key) {
    if (value.empty())
      fail(ExitCode::config, "C9",
           "data.tokenizer.{}: found nothing, wanted a file; the run does not start", key);
  };
  switch (config.type) {
    case TokenizerKind::gpt2:
      need(config.vocab_file, "vocab_file");
      need(config.merge_file, "merge_file");
      return load_gpt2_tokenizer(config.vocab_file, config.merge_file);
    case TokenizerKind::file: need(config.file, "file"); return load_tokenizer(config.file);
    default: return make_byte_tokenizer();
  }
}

}  // namespace echelon::data
