#pragma once
// Character classes of the tokenizers' split patterns: \s, \p{L}, \p{N}, and everything else.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace echelon::data {

enum class CharClass : uint8_t { space, letter, number, other };
bool is_space(uint32_t code_point);
CharClass class_of(uint32_t code_point);

/// One character of a text. Ill-formed bytes stand alone, with code point kIllFormed.
struct Character {
  uint32_t code;
  uint32_t bytes;
};
inline constexpr uint32_t kIllFormed = 0xFFFFFFFF;
/// The character at `at`; `bytes` of an ill-formed one is its maximal ill-formed part (at least 1).
Character character_at(std::string_view text, size_t at);
/// Length of the unfinished but so far well-formed character at the end of `bytes`: 0 to 3.
size_t unfinished_tail(std::string_view bytes);
void append_utf8(std::string& out, uint32_t code);

}  // namespace echelon::data
