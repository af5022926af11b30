#include "echelon/data/loader.h"

#include <chrono>

#include "echelon/data/meta.h"
#include "read_ahead.h"
#include "sample_source.h"

namespace echelon::data {

class Loader::State {
 public:
  State(const DataConfig& config, const LoaderOptions& options, Allocator& host)
      : options_(options),
        host_(host),
        end_of_text_(static_cast<int32_t>(config.end_of_text)),
        mask_end_(config.eod_mask_loss),
        files_(open_split(config, options.split)) {
    ECH_CHECK(options.vocab_size > 0, "vocab_size {}", options.vocab_size);
    if (files_.empty())
      fail(ExitCode::data, "D10",
           "data.data_path: found nothing for {}, wanted a token file; the run ends; check "
           "data.data_path and data.split",
           name_of(options.split));
    source_ = make_source(
        config, files_,
        {options.split, options.seq_length, options.vocab_size, options.seed, options.samples});
    read_side_files();
    if (mask_end_ && end_of_text_ < 0)
      fail(ExitCode::config, "C9",
           "data.eod_mask_loss: true, but {} has no side file that names the end of a document; "
           "the run does not start; set data.end_of_text",
           files_[0].file->name());
    ahead_ = std::make_unique<ReadAhead>(
        [this](int64_t first, int64_t count) { return read(first, count); },
        config.prefetch_batches, config.num_workers);
  }

  Batch rows(int64_t first, int64_t count) {
    ECH_CHECK(first >= 0 && count >= 0, "rows {} to {}", first, first + count);
    const auto start = std::chrono::steady_clock::now();
    Batch batch = ahead_->take(first, count);
    stall_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return batch;
  }

  LoaderOptions options_;
  Allocator& host_;
  int32_t end_of_text_;
  bool mask_end_;
  std::vector<SourceFile> files_;
  std::unique_ptr<SampleSource> source_;
  int64_t tokens_ = 0;
  std::optional<double> bytes_per_token_;
  std::string tokenizer_digest_;
  std::vector<FileDigest> digests_;
  double stall_ = 0;
  std::unique_ptr<ReadAhead> ahead_;  // last: its threads use the rest

 private:
  void read_side_files() {
    double bytes = 0;
    bool all = true;
    for (const auto& [file, sequences, range, weight] : files_) {
      const auto tokens = static_cast<double>(range.second - range.first);
      tokens_ += range.second - range.first;
      const auto meta = read_meta(*file);
      all = all && meta && meta->tokens > 0;
      if (meta) check_side_file(*file, *meta);
      if (all)
        bytes += tokens * static_cast<double>(meta->bytes) / static_cast<double>(meta->tokens);
      const auto digests = digest_of(*file);
      digests_.insert(digests_.end(), digests.begin(), digests.end());
    }
    if (all && tokens_ > 0) bytes_per_token_ = bytes / static_cast<double>(tokens_);
  }

  void check_side_file(const TokenFile& file, const TokenMeta& meta) {
    if (meta.vocab_size > options_.vocab_size)
      fail(ExitCode::data, "C9",
           "{}: made with a tokenizer of {} ids, wanted at most the model's {}; the run ends; set "
           "model.vocab_size or use the data's tokenizer",
           file.name(), meta.vocab_size, options_.vocab_size);
    if (!tokenizer_digest_.empty() && meta.tokenizer_digest != tokenizer_digest_)
      fail(ExitCode::data, "C9",
           "{}: made with tokenizer {}, wanted {} as the data sets before it; the run ends; blend "
           "only data of one tokenizer",
           file.name(), meta.tokenizer_digest, tokenizer_digest_);
    tokenizer_digest_ = meta.tokenizer_digest;
    if (end_of_text_ < 0) end_of_text_ = meta.end_of_text;
  }

  Batch read(int64_t first, int64_t count) const {
    const int64_t length = options_.seq_length;
    Batch batch{first, Tensor::empty({count, length}, DType::i32, host_, MemoryCategory::workspace),
                Tensor::empty({count, length}, DType::i32, host_, MemoryCategory::workspace)};
    std::vector<int32_t> sample(static_cast<size_t>(length) + 1);
    int32_t* tokens = batch.tokens.data<int32_t>();
    int32_t* targets = batch.targets.data<int32_t>();
    for (int64_t row = 0; row < count; ++row) {
      const int64_t valid = source_->read(first + row, sample);
      for (int64_t t = 0; t < length; ++t, ++tokens, ++targets) {
        const auto i = static_cast<size_t>(t);
        *tokens = t < valid ? sample[i] : 0;
        const bool loss = t + 1 < valid && !(mask_end_ && sample[i] == end_of_text_);
        *targets = loss ? sample[i + 1] : kIgnoreTarget;
      }
    }
    return batch;
  }
};

Loader::Loader(const DataConfig& config, const LoaderOptions& options, Allocator& host)
    : state_(std::make_unique<State>(config, options, host)) {}
Loader::~Loader() = default;
Loader::Loader(Loader&&) noexcept = default;
Loader& Loader::operator=(Loader&&) noexcept = default;

Batch Loader::rows(int64_t first, int64_t count) { return state_->rows(first, count); }
int64_t Loader::samples_per_epoch() const { return state_->source_->size(); }
int64_t Loader::tokens() const { return state_->tokens_; }
std::optional<double> Loader::bytes_per_token() const { return state_->bytes_per_token_; }
const std::string& Loader::tokenizer_digest() const { return state_->tokenizer_digest_; }
int32_t Loader::end_of_text() const { return state_->end_of_text_; }
const std::vector<FileDigest>& Loader::digests() const { return state_->digests_; }
double Loader::stall_seconds() const { return state_->stall_; }

bool has_split(const DataConfig& config, Split split) {
  const auto files = open_split(config, split);
  return !files.empty();
}

}  // namespace echelon::data
