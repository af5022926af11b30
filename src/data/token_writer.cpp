#include "echelon/data/token_writer.h"

#include <algorithm>
#include <array>
#include <limits>

#include "byte_source.h"
#include "staged_file.h"

namespace echelon::data {

namespace {

template <class T>
std::string_view bytes_of(std::span<const T> items) {
  return {reinterpret_cast<const char*>(items.data()), items.size_bytes()};
}

/// Tokens to one file, as u16 or as 32 bits.
class TokenOutput {
 public:
  TokenOutput(std::filesystem::path path, TokenType type, int64_t header = 0)
      : file_(std::move(path)), type_(type) {
    file_.write(std::string(static_cast<size_t>(header), '\0'));
  }
  void write(std::span<const int32_t> tokens) {
    const int32_t most = type_ == TokenType::u16 ? 65535 : std::numeric_limits<int32_t>::max();
    const auto bad =
        std::find_if(tokens.begin(), tokens.end(), [&](int32_t id) { return id < 0 || id > most; });
    if (bad != tokens.end())
      fail(ExitCode::data, "D3", "{}: token {}: found id {}, wanted 0 to {}; nothing is written",
           file_.path().string(), count_ + (bad - tokens.begin()), *bad, most);
    count_ += static_cast<int64_t>(tokens.size());
    if (type_ != TokenType::u16) return file_.write(bytes_of(tokens));
    std::array<uint16_t, 4096> narrow;
    while (!tokens.empty()) {
      const size_t n = std::min(tokens.size(), narrow.size());
      for (size_t i = 0; i < n; ++i) narrow[i] = static_cast<uint16_t>(tokens[i]);
      file_.write(bytes_of(std::span<const uint16_t>(narrow.data(), n)));
      tokens = tokens.subspan(n);
    }
  }
  StagedFile& file() { return file_; }
  int64_t count() const { return count_; }
  TokenType type() const { return type_; }

 private:
  StagedFile file_;
  TokenType type_;
  int64_t count_ = 0;
};

class MegatronWriter final : public TokenWriter {
 public:
  MegatronWriter(const std::string& prefix, const WriterOptions& options)
      : index_(prefix + ".idx"),
        out_(prefix + ".bin", megatron_type(options.vocab_size)),
        end_(options.end_of_text) {}

  void append(std::span<const int32_t> tokens) override {
    constexpr int64_t kLongest = int64_t{1} << 30;  // a length is stored in 31 bits
    while (!tokens.empty()) {
      if (open_ == kLongest) end_sequence();
      const auto n = std::min(tokens.size(), static_cast<size_t>(kLongest - open_));
      out_.write(tokens.first(n));
      open_ += static_cast<int64_t>(n);
      tokens = tokens.subspan(n);
    }
  }
  void end_sequence() override {
    lengths_.push_back(static_cast<int32_t>(open_));
    open_ = 0;
  }
  void end_document() override {
    if (end_ >= 0) append({&end_, 1});
    if (open_ > 0 || static_cast<int64_t>(lengths_.size()) == documents_.back()) end_sequence();
    documents_.push_back(static_cast<int64_t>(lengths_.size()));
  }
  std::vector<std::filesystem::path> finish() override {
    ECH_CHECK(open_ == 0, "a document was not ended");
    write_index();
    out_.file().publish();  // the index last: without it there is no data set
    index_.publish();
    return {out_.file().path(), index_.path()};
  }
  int64_t tokens() const override { return out_.count(); }
  int64_t documents() const override { return static_cast<int64_t>(documents_.size()) - 1; }

 private:
  void write_index() {
    index_.write("MMIDIDX");
    index_.write_value(uint16_t{0}, 2);
    index_.write_value(uint64_t{1}, 8);
    index_.write_value(static_cast<uint8_t>(out_.type()), 1);
    index_.write_value(static_cast<uint64_t>(lengths_.size()), 8);
    index_.write_value(static_cast<uint64_t>(documents_.size()), 8);
    for (const int32_t n : lengths_) index_.write_value(n, 4);
    int64_t at = 0;
    for (const int32_t n : lengths_) {
      index_.write_value(at, 8);
      at += n * size_of(out_.type());
    }
    for (const int64_t d : documents_) index_.write_value(d, 8);
  }

  StagedFile index_;
  TokenOutput out_;
  int32_t end_;
  int64_t open_ = 0;
  std::vector<int32_t> lengths_;
  std::vector<int64_t> documents_{0};
};

class LlmcWriter final : public TokenWriter {
 public:
  LlmcWriter(std::string prefix, const WriterOptions& options)
      : prefix_(std::move(prefix)), options_(options) {
    ECH_CHECK(options.shard_tokens > 0, "shards of {} tokens", options.shard_tokens);
  }
  void append(std::span<const int32_t> tokens) override {
    if (!inside_ && options_.end_of_text >= 0) write({&options_.end_of_text, 1});
    inside_ = true;
    write(tokens);
  }
  void end_document() override {
    append({});
    inside_ = false;
    ++documents_;
  }
  std::vector<std::filesystem::path> finish() override {
    if (!shard_) open_shard();
    close_shard();
    std::vector<std::filesystem::path> paths;
    for (auto& done : closed_) {
      done->publish();
      paths.push_back(done->path());
    }
    return paths;
  }
  int64_t tokens() const override { return tokens_; }
  int64_t documents() const override { return documents_; }

 private:
  void write(std::span<const int32_t> tokens) {
    while (!tokens.empty()) {
      if (shard_ && shard_->count() == options_.shard_tokens) close_shard();
      if (!shard_) open_shard();
      const auto n =
          std::min(tokens.size(), static_cast<size_t>(options_.shard_tokens - shard_->count()));
      shard_->write(tokens.first(n));
      tokens_ += static_cast<int64_t>(n);
      tokens = tokens.subspan(n);
    }
  }
  void open_shard() {
    const bool narrow = options_.vocab_size <= 65536;
    shard_ = std::make_unique<TokenOutput>(
        fmt::format("{}_{}_{:06}.bin", prefix_, closed_.empty() ? "val" : "train", closed_.size()),
        narrow ? TokenType::u16 : TokenType::u32, kLlmcHeader);
  }
  void close_shard() {
    const bool narrow = shard_->type() == TokenType::u16;
    const std::array<int32_t, 3> head{narrow ? kLlmcMagicU16 : kLlmcMagicU32,
                                      narrow ? kLlmcVersionU16 : kLlmcVersionU32,
                                      static_cast<int32_t>(shard_->count())};
    shard_->file().overwrite_start(std::as_bytes(std::span(head)));
    shard_->file().seal();
    closed_.push_back(std::make_unique<StagedFile>(std::move(shard_->file())));
    shard_.reset();
  }

  std::string prefix_;
  WriterOptions options_;
  std::unique_ptr<TokenOutput> shard_;
  std::vector<std::unique_ptr<StagedFile>> closed_;
  bool inside_ = false;
  int64_t tokens_ = 0, documents_ = 0;
};

class RawWriter final : public TokenWriter {
 public:
  RawWriter(const std::string& prefix, const WriterOptions& options)
      : out_(prefix + ".bin", TokenType::u16), end_(options.end_of_text) {}
  void append(std::span<const int32_t> tokens) override { out_.write(tokens); }
  void end_document() override {
    if (end_ >= 0) out_.write({&end_, 1});
    ++documents_;
  }
  std::vector<std::filesystem::path> finish() override {
    out_.file().publish();
    return {out_.file().path()};
  }
  int64_t tokens() const override { return out_.count(); }
  int64_t documents() const override { return documents_; }

 private:
  TokenOutput out_;
  int32_t end_;
  int64_t documents_ = 0;
};

}  // namespace

TokenType megatron_type(int64_t vocab_size) {
  return vocab_size > 0 && vocab_size < 65500 ? TokenType::u16 : TokenType::i32;
}

std::unique_ptr<TokenWriter> make_token_writer(const std::string& prefix,
                                               const WriterOptions& options) {
  switch (options.format) {
    case FileFormat::llmc: return std::make_unique<LlmcWriter>(prefix, options);
    case FileFormat::raw_u16:
      if (options.vocab_size > 65536)
        fail(ExitCode::config, "C9",
             "format: raw_u16 with a vocabulary of {}, wanted at most 65536; nothing is "
             "written; use megatron",
             options.vocab_size);
      return std::make_unique<RawWriter>(prefix, options);
    default: return std::make_unique<MegatronWriter>(prefix, options);
  }
}

}  // namespace echelon::data
