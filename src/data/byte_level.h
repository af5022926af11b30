#pragma once
// GPT-2's printable stand-ins for bytes: 33-126, 161-172, 174-255 stand for themselves, the other
// 68 bytes, in order, for U+0100 and up.
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace echelon::data {

/// Code point of each byte.
std::array<uint32_t, 256> byte_characters();
std::string to_byte_level(std::string_view bytes);
/// Nothing when a character stands for no byte.
std::optional<std::string> from_byte_level(std::string_view characters);

}  // namespace echelon::data
