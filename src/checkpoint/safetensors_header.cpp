// Decoding a header that may lie. The JSON is read as a stream of events, so that depth, duplicate
// names, number kinds and counts are refused before anything is built from them.
#include <algorithm>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "echelon/base/text.h"
#include "echelon/checkpoint/safetensors.h"
#include "src/checkpoint/safetensors_dtype.h"

namespace echelon::checkpoint {

namespace {

constexpr uint64_t kMaxHeader = 100'000'000;
constexpr size_t kMaxTensors = 100'000;
constexpr size_t kMaxName = 512;
constexpr size_t kMaxRank = 16;

template <class... Args>
[[noreturn]] void refuse(const char* id, fmt::format_string<Args...> text, Args&&... args) {
  fail(ExitCode::no_checkpoint, id, text, std::forward<Args>(args)...);
}

/// Receives the JSON events of one header. Levels: 1 the header, 2 a tensor or the metadata, 3 an
/// array of numbers.
class HeaderEvents {
 public:
  using number_integer_t = nlohmann::json::number_integer_t;
  using number_unsigned_t = nlohmann::json::number_unsigned_t;
  using number_float_t = nlohmann::json::number_float_t;
  using string_t = nlohmann::json::string_t;
  using binary_t = nlohmann::json::binary_t;

  HeaderEvents(SafetensorsHeader& out, const std::string& path) : out_(out), path_(path) {}

  bool null() { return wrong("null"); }
  bool boolean(bool) { return wrong("a boolean"); }
  bool number_integer(number_integer_t v) {
    refuse("X5", "{}: {}: found {}, wanted a whole number of 0 or more", path_, where(), v);
  }
  bool number_unsigned(number_unsigned_t v) {
    if (level_ != 3) return wrong("a number");
    if (v > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
      refuse("X5", "{}: {}: found {}, wanted at most 2^63-1", path_, where(), v);
    numbers_.push_back(v);
    if (numbers_.size() > kMaxRank)
      refuse("X7", "{}: {}: found more than {} numbers", path_, where(), kMaxRank);
    return true;
  }
  bool number_float(number_float_t, const string_t& text) {
    refuse("X5", "{}: {}: found {}, wanted a whole number", path_, where(), text::escaped(text));
  }
  bool string(string_t& value) {
    if (level_ == 2 && in_metadata_) {
      out_.metadata[key_] = value;
      return true;
    }
    if (level_ == 2 && key_ == "dtype") {
      entry_.dtype = value;
      return true;
    }
    return wrong("a string");
  }
  bool binary(binary_t&) { return wrong("binary data"); }
  bool start_object(std::size_t) {
    if (++level_ > 2) refuse("X3", "{}: {}: an object inside a tensor", path_, where());
    if (level_ == 2) {
      in_metadata_ = name_ == "__metadata__";
      entry_ = {};
      entry_.name = name_;
      keys_.clear();
    }
    return true;
  }
  bool key(string_t& value) {
    if (level_ == 1) {
      check_name(value);
      name_ = value;
      if (!names_.insert(value).second) duplicate(value);
      if (names_.size() > kMaxTensors + 1)
        refuse("X15", "{}: found more than {} tensors", path_, kMaxTensors);
    } else {
      key_ = value;
      if (!keys_.insert(value).second) duplicate(value);
    }
    return true;
  }
  bool end_object() {
    if (level_-- == 2 && !in_metadata_) {
      for (const char* needed : {"dtype", "shape", "data_offsets"})
        if (!keys_.contains(needed))
          refuse("X9", "{}: tensor '{}': '{}' is missing", path_, text::escaped(name_), needed);
      out_.tensors.push_back(std::move(entry_));
    }
    return true;
  }
  bool start_array(std::size_t) {
    if (level_ != 2 || in_metadata_ || (key_ != "shape" && key_ != "data_offsets"))
      return wrong("an array");
    ++level_;
    numbers_.clear();
    return true;
  }
  bool end_array() {
    --level_;
    if (key_ == "shape") {
      entry_.shape.assign(numbers_.begin(), numbers_.end());
    } else {
      if (numbers_.size() != 2)
        refuse("X5", "{}: {}: found {} numbers, wanted 2", path_, where(), numbers_.size());
      entry_.begin = numbers_[0];
      entry_.end = numbers_[1];
    }
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception& e) {
    refuse("X4", "{}: byte {} of the header: {}", path_, position, text::escaped(e.what()));
  }

 private:
  std::string where() const {
    return level_ >= 2 ? fmt::format("tensor '{}', '{}'", text::escaped(name_), text::escaped(key_))
                       : fmt::format("'{}'", text::escaped(name_));
  }
  bool wrong(const char* found) {
    refuse("X4", "{}: {}: found {} where the format has none", path_, where(), found);
  }
  void duplicate(const std::string& name) {
    refuse("X4", "{}: '{}' appears twice", path_, text::escaped(name));
  }
  void check_name(const std::string& name) {
    const bool control = std::any_of(name.begin(), name.end(), [](char c) {
      return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    });
    if (name.empty() || name.size() > kMaxName || control)
      refuse("X11", "{}: tensor name '{}' of {} bytes, wanted 1 to {} without control characters",
             path_, text::escaped(name, 60), name.size(), kMaxName);
  }

  SafetensorsHeader& out_;
  const std::string& path_;
  int level_ = 0;
  bool in_metadata_ = false;
  std::string name_, key_;
  TensorEntry entry_;
  std::vector<uint64_t> numbers_;
  std::set<std::string> names_, keys_;
};

/// Bytes of a tensor by its shape, without overflow.
uint64_t expected_bytes(const TensorEntry& t, const std::string& path) {
  const FormatType* type = format_type(t.dtype);
  if (!type)
    refuse("X9", "{}: tensor '{}': unknown data type '{}'", path, text::escaped(t.name),
           text::escaped(t.dtype, 40));
  // Zero extents come last: [2^62, 2^62, 0] still has a product that overflows, and is refused.
  uint64_t bits = type->bits;
  for (const int64_t extent : t.shape)
    if (extent > 0 && __builtin_mul_overflow(bits, static_cast<uint64_t>(extent), &bits))
      refuse("X7", "{}: tensor '{}': the product of its shape exceeds 64 bits", path,
             text::escaped(t.name));
  if (std::count(t.shape.begin(), t.shape.end(), 0) > 0) bits = 0;
  if (bits % 8 != 0)
    refuse("X8", "{}: tensor '{}': does not end on a byte", path, text::escaped(t.name));
  return bits / 8;
}

void check_ranges(SafetensorsHeader& header, uint64_t file_bytes, const std::string& path) {
  std::stable_sort(header.tensors.begin(), header.tensors.end(),
                   [](const TensorEntry& a, const TensorEntry& b) {
                     return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
                   });
  uint64_t at = 0;
  for (const TensorEntry& t : header.tensors) {
    const uint64_t wanted = expected_bytes(t, path);
    if (t.end < t.begin || t.end - t.begin != wanted)
      refuse("X8", "{}: tensor '{}': found range [{}, {}), wanted {} bytes by its shape and type",
             path, text::escaped(t.name), t.begin, t.end, wanted);
    if (t.begin != at)
      refuse("X6", "{}: tensor '{}': begins at {}, the one before it ends at {}", path,
             text::escaped(t.name), t.begin, at);
    at = t.end;
  }
  if (header.data_start + at != file_bytes)
    refuse("S10",
           "{}: found {} bytes, wanted {}; the file was cut or has bytes after its last tensor",
           path, file_bytes, header.data_start + at);
}

void check_kind(std::span<const std::byte> head, uint64_t file_bytes, const std::string& path) {
  const auto starts = [&](std::string_view magic) {
    return head.size() >= magic.size() && std::memcmp(head.data(), magic.data(), magic.size()) == 0;
  };
  if (starts("\x80\x02") || starts("\x80\x03") || starts("\x80\x04") || starts("\x80\x05") ||
      starts("PK\x03\x04"))
    refuse("X12",
           "{}: not safetensors; pickle and zip files are never loaded; export the weights "
           "to safetensors with the tool that wrote them",
           path);
  if (starts("GGUF")) refuse("X12", "{}: not safetensors but GGUF, which is never loaded", path);
  if (file_bytes < 8) refuse("S10", "{}: found {} bytes, wanted at least 8", path, file_bytes);
}

}  // namespace

SafetensorsHeader parse_safetensors(std::span<const std::byte> head, uint64_t file_bytes,
                                    const std::string& path) {
  check_kind(head, file_bytes, path);
  uint64_t length = 0;
  std::memcpy(&length, head.data(), 8);
  if (length > kMaxHeader || length > file_bytes - 8)
    refuse("X1", "{}: the header claims {} bytes, the file has {}, the limit is {}", path, length,
           file_bytes, kMaxHeader);
  ECH_CHECK(head.size() >= 8 + length, "{} of {} header bytes given", head.size(), 8 + length);
  const std::string_view json(reinterpret_cast<const char*>(head.data()) + 8, length);
  if (json.empty() || json[0] != '{')
    refuse("X4", "{}: the header does not begin with a brace", path);
  SafetensorsHeader header;
  header.data_start = 8 + length;
  HeaderEvents events(header, path);
  nlohmann::json::sax_parse(json.begin(), json.end(), &events);
  check_ranges(header, file_bytes, path);
  return header;
}

}  // namespace echelon::checkpoint
