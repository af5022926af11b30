#include "echelon/data/prepare.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>

#include "echelon/base/error.h"
#include "echelon/base/file.h"
#include "echelon/data/meta.h"
#include "echelon/data/token_writer.h"
#include "echelon/device/device.h"
#include "text_reader.h"

namespace echelon::data {

namespace {

/// As written in the configuration, where control characters cannot stand: \n, \t and \\ for them.
std::string separator_text(const std::string& written) {
  std::string text;
  for (size_t i = 0; i < written.size(); ++i) {
    const char next = written[i] == '\\' && i + 1 < written.size() ? written[i + 1] : '\0';
    if (next == 'n' || next == 't' || next == '\\') {
      text += next == 'n' ? '\n' : next == 't' ? '\t' : '\\';
      ++i;
    } else {
      text += written[i];
    }
  }
  return text;
}

/// All parts of all files, in order.
class Inputs {
 public:
  Inputs(const PrepareOptions& options, const TextFiles& files, const Tokenizer& tokenizer)
      : options_(options), files_(files), tokenizer_(tokenizer) {}

  std::optional<TextPart> next() {
    for (;;) {
      if (reader_)
        if (auto part = reader_->next()) return part;
      if (file_ == files_.paths.size()) return std::nullopt;
      const std::string& path = files_.paths[file_++];
      reader_ = is_json_lines(path)
                    ? read_json_lines(path, options_.key)
                    : read_text(path, separator_text(options_.document_separator), tokenizer_);
    }
  }

 private:
  const PrepareOptions& options_;
  const TextFiles& files_;
  const Tokenizer& tokenizer_;
  size_t file_ = 0;
  std::unique_ptr<TextReader> reader_;
};

std::unique_ptr<Tokenizer> train(const PrepareOptions& options, const TextFiles& files) {
  constexpr int64_t kBytesAndEnd = 257;
  if (options.train_vocab < kBytesAndEnd)
    fail(ExitCode::config, "C9",
         "train_vocab: found {}, wanted at least {} (256 bytes and the end of text); nothing is "
         "written",
         options.train_vocab, kBytesAndEnd);
  BpeTrainer trainer(options.train_splitter);
  // Only a tokenizer that cuts like the future one gives the pieces it will see.
  BpeModel bytes;
  bytes.splitter = options.train_splitter;
  bytes.merges.push_back({0, 0, 0});
  const auto cutter = make_bpe_tokenizer(std::move(bytes));
  Inputs inputs(options, files, *cutter);
  int64_t seen = 0;
  while (seen < options.train_bytes) {
    const auto part = inputs.next();
    if (!part) break;
    trainer.add(part->text);
    seen += static_cast<int64_t>(part->text.size());
  }
  return make_bpe_tokenizer(trainer.train(options.train_vocab - kBytesAndEnd));
}

/// Encodes the parts on `threads` threads; the first error is rethrown.
std::vector<std::vector<int32_t>> encode(const std::vector<TextPart>& parts,
                                         const Tokenizer& tokenizer, size_t threads) {
  std::vector<std::vector<int32_t>> ids(parts.size());
  std::atomic<size_t> next{0};
  std::exception_ptr error;
  std::mutex mutex;
  const auto work = [&] {
    try {
      for (size_t i = next++; i < parts.size(); i = next++)
        ids[i] = tokenizer.encode(parts[i].text);
    } catch (...) {
      const std::scoped_lock lock(mutex);
      if (!error) error = std::current_exception();
    }
  };
  std::vector<std::jthread> helpers;
  for (size_t i = 1; i < std::min(threads, parts.size()); ++i) helpers.emplace_back(work);
  work();
  helpers.clear();
  if (error) std::rethrow_exception(error);
  return ids;
}

class Preparation {
 public:
  Preparation(const PrepareOptions& options, const Tokenizer& tokenizer, const TextFiles& files)
      : tokenizer_(tokenizer),
        inputs_(options, files, tokenizer),
        threads_(static_cast<size_t>(options.threads > 0 ? options.threads : usable_cores())),
        writer_(make_token_writer(
            options.output,
            {.format = options.format,
             .vocab_size = tokenizer.vocab_size(),
             .end_of_text = options.append_end_of_text ? tokenizer.end_of_text() : -1,
             .shard_tokens = options.shard_tokens})) {
    progress_.total_bytes = files.bytes;
  }

  /// Reads, encodes and writes one batch; false at the end.
  bool step() {
    constexpr size_t kBatchBytes = size_t{16} << 20;
    std::vector<TextPart> parts;
    for (size_t bytes = 0; bytes < kBatchBytes;) {
      auto part = inputs_.next();
      if (!part) break;
      bytes += part->text.size();
      parts.push_back(std::move(*part));
    }
    const auto ids = encode(parts, tokenizer_, threads_);
    for (size_t i = 0; i < parts.size(); ++i) {
      if (!parts[i].text.empty()) writer_->append(ids[i]);
      open_ = open_ || !parts[i].text.empty();
      report_.bytes += static_cast<int64_t>(parts[i].text.size());
      if (!parts[i].ends_document) continue;
      if (open_)
        writer_->end_document();
      else
        ++report_.empty_documents;
      open_ = false;
    }
    progress_.bytes = report_.bytes;
    progress_.tokens = writer_->tokens();
    return !parts.empty();
  }

  PrepareReport finish() {
    report_.tokens = writer_->tokens();
    report_.documents = writer_->documents();
    report_.vocab_size = tokenizer_.vocab_size();
    if (report_.documents == 0)
      fail(ExitCode::data, "D4",
           "{} empty documents: found no text, wanted some; nothing is written; check the inputs",
           report_.empty_documents);
    report_.bytes_per_token =
        static_cast<double>(report_.bytes) / static_cast<double>(report_.tokens);
    report_.files = writer_->finish();
    return report_;
  }
  const PrepareProgress& progress() const { return progress_; }

 private:
  const Tokenizer& tokenizer_;
  Inputs inputs_;
  size_t threads_;
  std::unique_ptr<TokenWriter> writer_;
  PrepareProgress progress_;
  PrepareReport report_;
  bool open_ = false;
};

}  // namespace

PrepareReport prepare(const PrepareOptions& options,
                      const std::function<void(const PrepareProgress&)>& progress) {
  if (options.inputs.empty() || options.output.empty())
    fail(ExitCode::config, "C9",
         "prepare: found {} inputs and output '{}', wanted both; nothing is written",
         options.inputs.size(), options.output);
  const TextFiles files = find_text_files(options.inputs);
  const auto tokenizer =
      options.train_vocab > 0 ? train(options, files) : make_tokenizer(options.tokenizer);
  Preparation work(options, *tokenizer, files);
  while (work.step())
    if (progress) progress(work.progress());
  PrepareReport report = work.finish();
  report.skipped_files = files.skipped;

  const std::string tokenizer_path = side_file(options.output, "tokenizer.json");
  const std::string meta_path = side_file(options.output, "meta.json");
  tokenizer->save(tokenizer_path);
  write_file_atomically(
      meta_path, to_json({tokenizer->name(), tokenizer->digest(), tokenizer->vocab_size(),
                          options.append_end_of_text ? tokenizer->end_of_text() : -1, report.tokens,
                          report.documents, report.bytes}));
  report.files.insert(report.files.end(), {tokenizer_path, meta_path});
  return report;
}

}  // namespace echelon::data
