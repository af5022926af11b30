#include "text_reader.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "echelon/base/text.h"
#include "unicode_class.h"

namespace echelon::data {

namespace {

constexpr size_t kBlock = size_t{1} << 20;
constexpr size_t kLongestPart = size_t{64} << 20;
constexpr size_t kLongestLine = size_t{1} << 30;

/// The bytes of a file not yet handed out.
class Window {
 public:
  explicit Window(const std::string& path) : file_(path, FileIo::pread) {}
  const std::string& path() const { return file_.path(); }
  bool at_end() const { return read_ == file_.size(); }
  std::string_view text() const { return std::string_view(held_).substr(from_); }
  void grow() {
    held_.erase(0, from_);
    from_ = 0;
    const auto n = static_cast<size_t>(std::min<int64_t>(kBlock, file_.size() - read_));
    const size_t old = held_.size();
    held_.resize(old + n);
    file_.read(read_, std::as_writable_bytes(std::span(held_.data() + old, n)));
    read_ += static_cast<int64_t>(n);
  }
  std::string take(size_t n) {
    std::string out(text().substr(0, n));
    from_ += n;
    return out;
  }

 private:
  ByteSource file_;
  std::string held_;
  size_t from_ = 0;
  int64_t read_ = 0;
};

class PlainText final : public TextReader {
 public:
  PlainText(const std::string& path, std::string separator, const Tokenizer& tokenizer)
      : window_(path), separator_(std::move(separator)), tokenizer_(tokenizer) {}

  std::optional<TextPart> next() override {
    if (ended_) return std::nullopt;
    for (;;) {
      if (const size_t at =
              separator_.empty() ? std::string::npos : window_.text().find(separator_);
          at != std::string::npos) {
        TextPart part{window_.take(at), true};
        window_.take(separator_.size());
        return part;
      }
      if (window_.at_end()) {
        ended_ = true;
        return TextPart{window_.take(window_.text().size()), true};
      }
      if (window_.text().size() >= kBlock)
        if (const size_t cut = cut_of(window_.text()); cut > 0)
          return TextPart{window_.take(cut), false};
      window_.grow();
    }
  }

 private:
  size_t cut_of(std::string_view text) const {
    // A separator may begin in the last bytes.
    const size_t most = text.size() - std::min(text.size(), separator_.size());
    if (const size_t cut = tokenizer_.safe_cut(text.substr(0, most), most); cut > 0) return cut;
    return most < kLongestPart ? 0 : most - unfinished_tail(text.substr(0, most));
  }

  Window window_;
  std::string separator_;
  const Tokenizer& tokenizer_;
  bool ended_ = false;
};

class JsonLines final : public TextReader {
 public:
  JsonLines(const std::string& path, std::string key) : window_(path), key_(std::move(key)) {}

  std::optional<TextPart> next() override {
    while (const auto line = next_line()) {
      if (line->find_first_not_of(" \t\r") == std::string::npos) continue;
      return TextPart{text_of(*line), true};
    }
    return std::nullopt;
  }

 private:
  std::optional<std::string> next_line() {
    for (size_t looked = 0;;) {
      if (const size_t end = window_.text().find('\n', looked); end != std::string::npos) {
        ++line_;
        std::string line = window_.take(end);
        window_.take(1);
        return line;
      }
      looked = window_.text().size();
      if (looked > kLongestLine)
        fail(ExitCode::data, "D7",
             "{}: line {}: found more than {} bytes, wanted shorter lines; nothing is written",
             window_.path(), line_ + 1, kLongestLine);
      if (window_.at_end()) {
        if (looked == 0) return std::nullopt;
        ++line_;
        return window_.take(looked);
      }
      window_.grow();
    }
  }

  std::string text_of(const std::string& line) const {
    try {
      const auto json = nlohmann::json::parse(line);
      if (json.is_object() && json.contains(key_) && json.at(key_).is_string())
        return json.at(key_).get<std::string>();
    } catch (const nlohmann::json::exception& e) {
      fail(ExitCode::data, "D7",
           "{}: line {}: found {}, wanted a JSON object; nothing is written; repair the line",
           window_.path(), line_, text::escaped(e.what()));
    }
    fail(ExitCode::data, "D7",
         "{}: line {}: found no text under \"{}\", wanted an object that holds it; nothing is "
         "written; name another key",
         window_.path(), line_, text::escaped(key_));
  }

  Window window_;
  std::string key_;
  int64_t line_ = 0;
};

bool is_binary(const std::string& path) {
  const ByteSource file(path, FileIo::pread);
  const auto head = file.read(0, std::min<int64_t>(file.size(), 4096));
  return std::find(head.begin(), head.end(), std::byte{0}) != head.end();
}

}  // namespace

std::unique_ptr<TextReader> read_text(const std::string& path, const std::string& separator,
                                      const Tokenizer& tokenizer) {
  return std::make_unique<PlainText>(path, separator, tokenizer);
}
std::unique_ptr<TextReader> read_json_lines(const std::string& path, const std::string& key) {
  return std::make_unique<JsonLines>(path, key);
}

bool is_json_lines(const std::string& path) {
  return path.ends_with(".jsonl") || path.ends_with(".ndjson");
}

TextFiles find_text_files(const std::vector<std::string>& inputs) {
  namespace fs = std::filesystem;
  TextFiles found;
  const auto add = [&](const std::string& path) {
    found.paths.push_back(path);
    found.bytes += ByteSource(path, FileIo::pread).size();
  };
  for (const auto& input : inputs) {
    std::error_code error;
    if (!fs::is_directory(input, error)) {
      add(input);
      continue;
    }
    std::vector<std::string> inside;
    for (fs::recursive_directory_iterator it(input, error), end; !error && it != end;
         it.increment(error)) {
      const bool hidden = it->path().filename().string().starts_with(".");
      if (hidden && it->is_directory()) it.disable_recursion_pending();
      if (!hidden && it->is_regular_file()) inside.push_back(it->path().string());
    }
    if (error)
      fail(ExitCode::data, "D1", "{}: cannot be listed: {}; nothing is written", input,
           error.message());
    std::sort(inside.begin(), inside.end());
    for (const auto& path : inside) {
      if (is_binary(path))
        ++found.skipped;
      else
        add(path);
    }
  }
  return found;
}

}  // namespace echelon::data
