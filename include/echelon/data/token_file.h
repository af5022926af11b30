#pragma once
// Token files on disk behind one view: a flat run of token ids, cut into sequences and documents.
// Formats: Megatron indexed dataset (.bin/.idx), llm.c shards, raw u16 streams (nanoGPT).
// Every error here is Error(ExitCode::data) naming the file and the place in it.
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace echelon::data {

enum class FileFormat { automatic, megatron, llmc, raw_u16 };
/// pread copies (a file that shrinks is an error); mmap reads in place (a file that shrinks kills).
enum class FileIo { pread, mmap };
/// Item types by Megatron's codes; u32 is llm.c's and has no code there.
enum class TokenType : uint8_t { u8 = 1, i8 = 2, i16 = 3, i32 = 4, i64 = 5, u16 = 8, u32 = 100 };

std::string_view name_of(FileFormat format);
std::string_view name_of(TokenType type);
int64_t size_of(TokenType type);

class ByteSource;

/// An open token file. Immutable; reading is thread-safe.
class TokenFile {
 public:
  struct Part {
    std::shared_ptr<const ByteSource> bytes;
    int64_t header = 0;       ///< bytes before the first token
    int64_t first_token = 0;  ///< in the flat run
    int64_t tokens = 0;
  };
  struct Layout {
    FileFormat format = FileFormat::megatron;
    TokenType type = TokenType::u16;
    std::string name;  ///< path without extension, path, or glob
    std::vector<Part> parts;
    std::vector<int64_t> sequences;  ///< first token of each sequence, then the number of tokens
    std::vector<int64_t> documents;  ///< first sequence of each document, then their number
  };
  explicit TokenFile(Layout layout) : layout_(std::move(layout)) {}

  FileFormat format() const { return layout_.format; }
  TokenType type() const { return layout_.type; }
  const std::string& name() const { return layout_.name; }
  const std::vector<Part>& parts() const { return layout_.parts; }
  int64_t tokens() const { return layout_.sequences.back(); }
  int64_t sequences() const { return static_cast<int64_t>(layout_.sequences.size()) - 1; }
  int64_t documents() const { return static_cast<int64_t>(layout_.documents.size()) - 1; }
  /// First token of sequence i; i == sequences() gives tokens().
  int64_t sequence_begin(int64_t i) const { return layout_.sequences[static_cast<size_t>(i)]; }
  int64_t sequence_length(int64_t i) const { return sequence_begin(i + 1) - sequence_begin(i); }
  int64_t document_begin(int64_t d) const { return layout_.documents[static_cast<size_t>(d)]; }

  /// Tokens [at, at + out.size()) as i32. Ids outside [0, vocab_size) are an error (D3) naming
  /// file, document, position, byte and id; vocab_size 0 accepts whatever fits i32.
  void read(int64_t at, std::span<int32_t> out, int64_t vocab_size) const;
  /// "corpus.bin: document 3, token 17 of it, byte 1234".
  std::string where(int64_t token) const;

 private:
  Layout layout_;
};

/// Opens what `path` names: a Megatron prefix (with or without .bin/.idx), an llm.c shard or a glob
/// of shards in sorted order, or with `raw_u16` a stream. The content decides, not the name.
std::shared_ptr<const TokenFile> open_token_file(const std::string& path,
                                                 FileFormat format = FileFormat::automatic,
                                                 FileIo io = FileIo::pread);

/// Name, size and a digest of the index and of pages spread over the tokens: enough to notice
/// that a file was changed, appended to or exchanged between two runs.
struct FileDigest {
  std::string path;
  int64_t bytes = 0;
  std::string sha256;
  bool operator==(const FileDigest&) const = default;
};
std::vector<FileDigest> digest_of(const TokenFile& file);

}  // namespace echelon::data
