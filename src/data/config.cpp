#include "echelon/data/config.h"

#include <array>
#include <charconv>
#include <cmath>
#include <optional>

#include "echelon/base/error.h"
#include "echelon/data/prepare.h"

namespace echelon::data {

namespace {
constexpr std::array<std::string_view, 4> kTokenizers{"auto", "byte", "gpt2", "file"};
constexpr std::array<std::string_view, 4> kFormats{"auto", "megatron", "llmc", "raw_u16"};
constexpr std::array<std::string_view, 4> kOrders{"counter", "megatron", "random", "sequential"};
constexpr std::array<std::string_view, 2> kIo{"pread", "mmap"};
}  // namespace

std::string_view name_of(Split split) {
  constexpr std::array<std::string_view, 3> kNames{"train", "valid", "test"};
  return kNames[static_cast<size_t>(split)];
}

void TokenizerConfig::fields(config::Fields& f) {
  f.choice("type", type, kTokenizers,
           "auto: the tokenizer saved beside the token files; byte: 256 bytes and an end; gpt2: "
           "vocab_file and "
           "merge_file; file: a tokenizer.json.");
  f.path("vocab_file", vocab_file, "vocab.json (or encoder.json) of a GPT-2 byte-pair tokenizer.");
  f.path("merge_file", merge_file, "merges.txt (or vocab.bpe) of a GPT-2 byte-pair tokenizer.");
  f.path("file", file, "A tokenizer.json, as written by 'echelon prepare' or Hugging Face.");
}

void DataConfig::fields(config::Fields& f) {
  f.texts("data_path", data_path,
          "Token files: Megatron prefixes, llm.c shards or globs of shards; or weight, path, "
          "weight, path, ...");
  f.texts("train_data_path", train_data_path,
          "As data_path, for training only; replaces data_path and split.");
  f.texts("valid_data_path", valid_data_path, "As data_path, for validation only.");
  f.texts("test_data_path", test_data_path, "As data_path, for the test set only.");
  f.reals(
      "split", split, {0, 1e12},
      "Shares of train, validation and test, cut in file order (by sequences; streams by tokens).");
  f.choice("format", format, kFormats,
           "auto recognises files by their first bytes; raw_u16 has none and must be named.");
  f.choice("order", order, kOrders,
           "counter: a permutation per epoch from the seed; megatron: Megatron-LM's order bit for "
           "bit; random: windows "
           "at random starts; sequential: file order.");
  f.group("tokenizer", tokenizer, "Turns text into token ids and back.");
  f.boolean("eod_mask_loss", eod_mask_loss,
            "No loss where the input token is the end of a document.");
  f.integer("end_of_text", end_of_text, {-1, std::numeric_limits<int32_t>::max()},
            "Token id that ends documents; -1: as stored beside the token files.");
  f.on_resume(config::OnResume::may_change);
  f.choice("io", io, kIo, "pread copies and notices a file cut while in use; mmap reads in place.");
  f.integer("prefetch_batches", prefetch_batches, {0, 1024},
            "Batches read ahead of the step; 0: read when asked.");
  f.integer("num_workers", num_workers, {0, 64}, "Threads that read ahead; 0: read when asked.");
  f.on_resume(config::OnResume::must_match);
}

void PrepareOptions::fields(config::Fields& f) {
  static constexpr std::array<std::string_view, 4> kSplitters{"none", "gpt2", "llama3", "qwen2"};
  f.texts("inputs", inputs, "Text files, JSON Lines (.jsonl, .ndjson) or folders of them.");
  f.path("output", output, "Prefix of the files written.");
  f.text("key", key, "Name of the text in JSON Lines.");
  f.text("document_separator", document_separator,
         "Cuts text files into documents, \\n for a line end; empty: each file is one.");
  f.choice("format", format, kFormats,
           "megatron (.bin and .idx), llmc shards, or raw_u16; auto: megatron.");
  f.group("tokenizer", tokenizer, "Turns the text into token ids; auto: byte.");
  f.integer(
      "train_vocab", train_vocab, {0, 1 << 20},
      "Train a byte-pair tokenizer of this many ids on the inputs first; 0: use `tokenizer`.");
  f.choice("train_splitter", train_splitter, kSplitters,
           "How text is cut into pieces that merges stay inside.");
  f.size("train_bytes", train_bytes, {1, int64_t{1} << 40},
         "Text looked at for training, from the start.");
  f.boolean("append_end_of_text", append_end_of_text, "Put the end-of-text id between documents.");
  f.count("shard_tokens", shard_tokens, {1, 1'000'000'000}, "Tokens of one llm.c shard.");
  f.integer("threads", threads, {0, 1024},
            "Threads that encode; 0: the cores this process may use.");
}

namespace {

std::optional<double> number(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::vector<WeightedPath> weighted_paths(const std::vector<std::string>& items,
                                         std::string_view key) {
  bool pairs = !items.empty() && items.size() % 2 == 0;
  for (size_t i = 0; pairs && i < items.size(); i += 2) pairs = number(items[i]).has_value();
  std::vector<WeightedPath> paths;
  if (!pairs) {
    for (const auto& item : items) {
      if (number(item))
        fail(ExitCode::config, "D11",
             "data.{}: found the number {} among paths, wanted only paths or weight, path, "
             "weight, path, ...; the run does not start",
             key, item);
      paths.push_back({-1, item});
    }
    return paths;
  }
  double sum = 0;
  for (size_t i = 0; i < items.size(); i += 2) {
    const double weight = *number(items[i]);
    if (!std::isfinite(weight) || weight < 0)
      fail(ExitCode::config, "D11",
           "data.{}: found weight {} for {}, wanted a finite number of at least 0; the run "
           "does not start",
           key, items[i], items[i + 1]);
    sum += weight;
    paths.push_back({weight, items[i + 1]});
  }
  if (!(sum > 0) || !std::isfinite(sum))
    fail(ExitCode::config, "D11",
         "data.{}: found weights that add up to {}, wanted more than 0; the run does not start",
         key, sum);
  return paths;
}

SplitPaths paths_of(const DataConfig& config, Split split) {
  const std::array<const std::vector<std::string>*, 3> own{
      &config.train_data_path, &config.valid_data_path, &config.test_data_path};
  const bool separate = !own[0]->empty() || !own[1]->empty() || !own[2]->empty();
  if (separate && !config.data_path.empty())
    fail(ExitCode::config, "D11",
         "data.data_path: found beside data.train_data_path, valid_data_path or "
         "test_data_path, wanted one or the other; the run does not start");
  const auto which = static_cast<size_t>(split);
  if (separate)
    return {weighted_paths(*own[which], fmt::format("{}_data_path", name_of(split))), false};
  return {weighted_paths(config.data_path, "data_path"), true};
}

}  // namespace echelon::data
