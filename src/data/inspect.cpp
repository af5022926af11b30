#include "echelon/data/inspect.h"

#include <algorithm>
#include <limits>

#include "echelon/base/error.h"
#include "echelon/base/text.h"

namespace echelon::data {

namespace {

std::string tokenizer_path(const TokenFile& file) {
  return side_file(side_prefix(file), "tokenizer.json");
}

void scan(const TokenFile& file, TokenFileSummary& summary) {
  constexpr int64_t kBlock = int64_t{1} << 20;
  std::vector<int32_t> block(static_cast<size_t>(std::min(kBlock, file.tokens())));
  const int64_t limit =
      summary.vocab_size > 0 ? summary.vocab_size : std::numeric_limits<int64_t>::max();
  summary.scanned = true;
  summary.least_id = file.tokens() > 0 ? std::numeric_limits<int32_t>::max() : 0;
  for (int64_t at = 0; at < file.tokens(); at += kBlock) {
    const std::span ids(block.data(), static_cast<size_t>(std::min(kBlock, file.tokens() - at)));
    file.read(at, ids, 0);
    const auto [least, most] = std::minmax_element(ids.begin(), ids.end());
    summary.least_id = std::min(summary.least_id, *least);
    summary.greatest_id = std::max(summary.greatest_id, *most);
    if (*most < limit) continue;
    const auto is_outside = [&](int32_t id) { return id >= limit; };
    if (summary.outside == 0) {
      const auto first = std::find_if(ids.begin(), ids.end(), is_outside);
      summary.first_outside =
          fmt::format("{}, id {}", file.where(at + (first - ids.begin())), *first);
    }
    summary.outside += std::count_if(ids.begin(), ids.end(), is_outside);
  }
}

std::string start_of(const TokenFile& file, int64_t count) {
  const std::string path = tokenizer_path(file);
  std::error_code ignored;
  if (count <= 0 || !std::filesystem::exists(path, ignored)) return "";
  const auto tokenizer = load_tokenizer(path);
  std::vector<int32_t> ids(static_cast<size_t>(std::min(count, file.tokens())));
  file.read(0, ids, tokenizer->vocab_size());
  return text::escaped(utf8_lossy(tokenizer->decode(ids)), 4096);
}

}  // namespace

TokenFileSummary inspect_token_file(const std::string& path, const InspectOptions& options) {
  const auto file = open_token_file(path, options.format);
  TokenFileSummary s;
  s.name = file->name();
  s.format = file->format();
  s.type = file->type();
  s.documents = file->documents();
  s.sequences = file->sequences();
  s.tokens = file->tokens();
  s.meta = read_meta(*file);
  s.vocab_size = options.vocab_size > 0 ? options.vocab_size : s.meta ? s.meta->vocab_size : 0;
  s.shortest = s.sequences > 0 ? std::numeric_limits<int64_t>::max() : 0;
  for (int64_t i = 0; i < s.sequences; ++i) {
    const int64_t n = file->sequence_length(i);
    s.shortest = std::min(s.shortest, n);
    s.longest = std::max(s.longest, n);
    s.empty += n == 0;
  }
  if (options.scan) scan(*file, s);
  if (s.outside == 0) s.text = start_of(*file, options.text_tokens);
  return s;
}

std::string to_text(const TokenFileSummary& s) {
  std::string out;
  const auto line = [&](std::string_view name, const std::string& value) {
    out += fmt::format("{:<12} {}\n", name, value);
  };
  line("file", s.name);
  line("format", fmt::format("{}, {} items", name_of(s.format), name_of(s.type)));
  line("tokens", fmt::format("{} ({})", s.tokens, text::count(static_cast<double>(s.tokens))));
  line("documents", fmt::format("{}", s.documents));
  line("sequences",
       fmt::format("{}, {} to {} tokens, {} empty", s.sequences, s.shortest, s.longest, s.empty));
  if (s.scanned) line("ids", fmt::format("{} to {}", s.least_id, s.greatest_id));
  if (s.vocab_size > 0 && s.scanned)
    line("vocabulary", s.outside == 0 ? fmt::format("{}, all ids inside", s.vocab_size)
                                      : fmt::format("{}, {} ids OUTSIDE, first: {}", s.vocab_size,
                                                    s.outside, s.first_outside));
  if (s.meta) {
    line("tokenizer", fmt::format("{} {:.12}", s.meta->tokenizer, s.meta->tokenizer_digest));
    if (s.meta->tokens > 0)
      line("bytes/token", fmt::format("{:.3f}", static_cast<double>(s.meta->bytes) /
                                                    static_cast<double>(s.meta->tokens)));
  }
  if (!s.text.empty()) line("text", s.text);
  return out;
}

std::unique_ptr<Tokenizer> find_tokenizer(const DataConfig& config) {
  if (config.tokenizer.type != TokenizerKind::automatic) return make_tokenizer(config.tokenizer);
  for (const auto split : {Split::train, Split::valid, Split::test})
    for (const auto& [weight, path] : paths_of(config, split).paths) {
      const auto file = open_token_file(path, config.format, config.io);
      if (std::error_code ignored; !std::filesystem::exists(tokenizer_path(*file), ignored))
        fail(ExitCode::data, "C9",
             "{}: not found, and data.tokenizer.type is auto; wanted the tokenizer the data was "
             "made with; "
             "the run ends; set data.tokenizer",
             tokenizer_path(*file));
      auto tokenizer = load_tokenizer(tokenizer_path(*file));
      if (const auto meta = read_meta(*file); meta && meta->tokenizer_digest != tokenizer->digest())
        fail(ExitCode::data, "C9",
             "{}: found a tokenizer with digest {}, wanted {}, which made the data; the run ends; "
             "make "
             "the data anew or name the tokenizer in data.tokenizer",
             tokenizer_path(*file), tokenizer->digest(), meta->tokenizer_digest);
      return tokenizer;
    }
  fail(ExitCode::config, "C9",
       "data.tokenizer.type: auto, but data.data_path names no files to look beside; the run does "
       "not start; set data.tokenizer");
}

}  // namespace echelon::data
