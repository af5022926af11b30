#include "byte_level.h"

#include "unicode_class.h"

namespace echelon::data {

std::array<uint32_t, 256> byte_characters() {
  std::array<uint32_t, 256> table{};
  uint32_t next = 256;
  for (uint32_t b = 0; b < 256; ++b) {
    const bool kept = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
    table[b] = kept ? b : next++;
  }
  return table;
}

std::string to_byte_level(std::string_view bytes) {
  const auto table = byte_characters();
  std::string out;
  for (const char c : bytes) append_utf8(out, table[static_cast<uint8_t>(c)]);
  return out;
}

std::optional<std::string> from_byte_level(std::string_view characters) {
  std::array<int16_t, 512> bytes;
  bytes.fill(-1);
  const auto table = byte_characters();
  for (size_t b = 0; b < 256; ++b) bytes[table[b]] = static_cast<int16_t>(b);
  std::string out;
  for (size_t i = 0; i < characters.size();) {
    const auto [code, n] = character_at(characters, i);
    if (code >= bytes.size() || bytes[code] < 0) return std::nullopt;
    out += static_cast<char>(bytes[code]);
    i += n;
  }
  return out;
}

}  // namespace echelon::data
