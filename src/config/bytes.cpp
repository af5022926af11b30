// What must hold of a configuration file's bytes before any YAML reader sees them.
#include <array>
#include <utility>

#include "echelon/base/text.h"
#include "src/config/tree.h"

#include <fmt/format.h>

namespace echelon::config {

namespace {

struct Magic {
  std::string_view start;
  std::string_view what;
};
constexpr std::array<Magic, 8> kMagic = {{
    {"\x7f"
     "ELF",
     "a program"},
    {"\x1f\x8b", "a gzip archive"},
    {"PK\x03\x04", "a zip archive or a PyTorch checkpoint"},
    {"\x89PNG", "a PNG picture"},
    {"MMIDIDX", "a Megatron dataset index"},
    {"\x93NUMPY", "a NumPy array"},
    {"\x28\xb5\x2f\xfd", "a zstd archive"},
    {"\x89HDF", "an HDF5 file"},
}};

/// Reason to refuse the character at s[i], empty when it is fine.
std::string objection(std::string_view s, size_t i, size_t length) {
  const auto c = static_cast<unsigned char>(s[i]);
  if (length == 0) return fmt::format("invalid UTF-8 (byte 0x{:02x})", c);
  if (c == 0) return "a NUL byte";
  if (c == '\r') return i + 1 < s.size() && s[i + 1] == '\n' ? "" : "a carriage return alone";
  if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7F)
    return fmt::format("control character 0x{:02x}", c);
  if (c == 0xC2 && static_cast<unsigned char>(s[i + 1]) < 0xA0)
    return fmt::format("control character U+{:04X}", static_cast<unsigned char>(s[i + 1]));
  if (s.substr(i, 3) == "\xEF\xBB\xBF") return "a byte order mark";
  return "";
}

void check_start(std::string_view text, const std::string& name, Mistakes& mistakes) {
  for (const Magic& magic : kMagic)
    if (text.starts_with(magic.start))
      mistakes.fatal("U16", fmt::format("{}: byte 0: found {}, wanted a YAML configuration file",
                                        name, magic.what));
  if (text.size() > 9 && text[8] == '{' && text[9] == '"' && text.substr(3, 5) == std::string(5, 0))
    mistakes.fatal("U16", fmt::format("{}: byte 0: found a safetensors file, wanted a YAML "
                                      "configuration file",
                                      name));
  if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF"))
    mistakes.fatal("C18", fmt::format("{}: byte 0: found UTF-16, wanted UTF-8; save the file as "
                                      "UTF-8",
                                      name));
}

}  // namespace

size_t utf8_length(std::string_view s, size_t i) {
  const auto at = [&](size_t k) { return static_cast<unsigned char>(s[k]); };
  const unsigned char c = at(i);
  if (c < 0x80) return 1;
  const size_t n = c >= 0xF0 && c < 0xF5   ? 4
                   : c >= 0xE0 && c < 0xF0 ? 3
                   : c >= 0xC2 && c < 0xE0 ? 2
                                           : 0;
  if (n == 0 || i + n > s.size()) return 0;
  for (size_t k = 1; k < n; ++k)
    if ((at(i + k) & 0xC0) != 0x80) return 0;
  const unsigned char second = at(i + 1);
  if ((c == 0xE0 && second < 0xA0) || (c == 0xED && second > 0x9F) ||
      (c == 0xF0 && second < 0x90) || (c == 0xF4 && second > 0x8F))
    return 0;
  return n;
}

void check_bytes(std::string_view text, const std::string& name, Mistakes& mistakes) {
  if (text.size() > kMaxBytes)
    mistakes.fatal(
        "C17", fmt::format("{}: found {} bytes, wanted at most {}", name, text.size(), kMaxBytes));
  if (text.empty())
    mistakes.fatal("C20",
                   fmt::format("{}: found an empty file, wanted at least one key; write {{}} "
                               "to take every default",
                               name));
  check_start(text, name, mistakes);
  int line = 1, column = 1;
  bool indenting = true;
  for (size_t i = 0; i < text.size();) {
    const size_t length = utf8_length(text, i);
    if (const std::string why = objection(text, i, length); !why.empty())
      mistakes.fatal("C18", fmt::format("{}:{}:{}: byte {}: found {}, wanted plain UTF-8 text",
                                        name, line, column, i, why));
    if (text[i] == '\t' && indenting)
      mistakes.fatal("C20", fmt::format("{}:{}:{}: found a tab in the indentation, wanted spaces",
                                        name, line, column));
    indenting = text[i] == '\n' || (indenting && text[i] == ' ');
    column = text[i] == '\n' ? 1 : column + 1;
    line += text[i] == '\n';
    i += length;
  }
}

}  // namespace echelon::config
