#pragma once
// Text to token ids and back. One implementation, byte-level byte-pair encoding; with no merges it
// is the byte tokenizer. Saved and loaded as a Hugging Face tokenizer.json (supported subset:
// BPE over ByteLevel, split patterns of GPT-2, LLaMA-3, Qwen2 or none).
#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "echelon/data/config.h"

namespace echelon::data {

/// How text is cut before merging; a merge never crosses a cut.
enum class Splitter { none, gpt2, llama3, qwen2 };
std::string_view name_of(Splitter splitter);
/// The pieces of valid UTF-8 `text`, in order; together they are the text.
std::vector<std::string_view> split_text(std::string_view text, Splitter splitter);

/// Immutable; thread-safe.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  /// Ids of the text; special tokens in it are ordinary text. Any bytes are accepted; bytes that
  /// are not UTF-8 count as "other" characters when the text is cut.
  virtual std::vector<int32_t> encode(std::string_view text) const = 0;
  /// As encode, but special tokens written out in the text ("<|endoftext|>") become their ids,
  /// leftmost-longest.
  virtual std::vector<int32_t> encode_with_specials(std::string_view text) const = 0;
  /// Bytes of the ids; special tokens as their name. Not always valid UTF-8: see utf8_lossy.
  /// Ids outside the vocabulary are an Error(data).
  virtual std::string decode(std::span<const int32_t> ids) const = 0;
  virtual int64_t vocab_size() const = 0;   ///< highest id + 1
  virtual int32_t end_of_text() const = 0;  ///< -1: none
  virtual std::string name() const = 0;     ///< "byte", "bpe"
  /// tokenizer.json text; the digest is its SHA-256 (64 hex digits).
  virtual std::string json() const = 0;
  std::string digest() const;
  void save(const std::filesystem::path& path) const;
  /// Where `text` may be cut at or before `at` without changing its encoding; 0: nowhere.
  virtual size_t safe_cut(std::string_view text, size_t at) const = 0;
};

struct BpeModel {
  struct Merge {
    int32_t left, right, result;
  };
  std::vector<std::string> tokens;    ///< bytes of each id; specials: their text
  std::array<int32_t, 256> byte_ids;  ///< id of each single byte
  std::vector<Merge> merges;          ///< in order of rank
  std::map<std::string, int32_t> specials;
  int32_t end_of_text = -1;
  Splitter splitter = Splitter::none;
  bool ignore_merges = false;  ///< a piece that is a token becomes it without merging
};
std::unique_ptr<Tokenizer> make_bpe_tokenizer(BpeModel model);

/// Ids 0-255 are the bytes, 256 ends a document; vocabulary 257.
std::unique_ptr<Tokenizer> make_byte_tokenizer();
/// GPT-2 files: token -> id object, and one merge per line after an optional "#version" line.
std::unique_ptr<Tokenizer> load_gpt2_tokenizer(const std::filesystem::path& vocab,
                                               const std::filesystem::path& merges);
/// A tokenizer.json. Parts outside the supported subset are refused by name (Error(data)).
std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& path);
/// The same from the text of such a file; `name` stands for the path in messages.
std::unique_ptr<Tokenizer> parse_tokenizer(const std::string& json, const std::string& name);
/// What the configuration says; nothing else is looked at (automatic means byte here).
std::unique_ptr<Tokenizer> make_tokenizer(const TokenizerConfig& config);

/// Each maximal ill-formed part replaced by U+FFFD (as Rust and browsers do).
std::string utf8_lossy(std::string_view bytes);

/// Text of a growing run of ids for printing: holds back an unfinished character.
class StreamDecoder {
 public:
  explicit StreamDecoder(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}
  std::string push(int32_t id);
  std::string finish();

 private:
  const Tokenizer& tokenizer_;
  std::string held_;
};

/// Byte-level BPE training: merge the most frequent adjacent pair inside the pieces of `splitter`,
/// ties by smaller first then second id, "aaa" holds "aa" once; stops early when no pair occurs
/// twice. Ids: bytes 0-255, merges from 256, end of text last.
class BpeTrainer {
 public:
  explicit BpeTrainer(Splitter splitter) : splitter_(splitter) {}
  void add(std::string_view text);
  BpeModel train(int64_t merges) const;

 private:
  Splitter splitter_;
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view s) const { return std::hash<std::string_view>{}(s); }
  };
  std::unordered_map<std::string, int64_t, Hash, std::equal_to<>>
      pieces_;  // their order is of no effect
};

}  // namespace echelon::data
