// The split patterns of GPT-2, LLaMA-3 and Qwen2 as scanners (the patterns stand in
// tokenizer_json.cpp).
#include "echelon/base/error.h"
#include "echelon/data/tokenizer.h"
#include "unicode_class.h"

namespace echelon::data {

std::string_view name_of(Splitter splitter) {
  constexpr std::array<std::string_view, 4> kNames{"none", "gpt2", "llama3", "qwen2"};
  return kNames[static_cast<size_t>(splitter)];
}

namespace {

/// A text with the class of each character at hand.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  size_t size() const { return text_.size(); }
  char byte(size_t i) const { return i < text_.size() ? text_[i] : '\0'; }
  bool newline(size_t i) const { return byte(i) == '\n' || byte(i) == '\r'; }
  size_t next(size_t i) const { return i + at(i).bytes; }
  /// Class of the character at i; ill-formed parts are "other". The end has no class: none().
  int kind(size_t i) const {
    if (i >= text_.size()) return none();
    const uint32_t code = at(i).code;
    return static_cast<int>(code == kIllFormed ? CharClass::other : class_of(code));
  }
  static constexpr int none() { return -1; }
  size_t run(size_t i, CharClass wanted) const {
    while (kind(i) == static_cast<int>(wanted)) i = next(i);
    return i;
  }
  /// End of the white space at i; the last character is left for the word that follows.
  size_t space_end(size_t i) const {
    size_t end = i, last = i;
    while (kind(end) == static_cast<int>(CharClass::space)) last = end, end = next(end);
    return end == text_.size() || last == i ? end : last;
  }
  /// Bytes of 's 't 're 've 'm 'll 'd at i, or 0. With `fold` case is ignored, U+017F counts as s.
  size_t contraction(size_t i, bool fold) const {
    if (byte(i) != '\'') return 0;
    if (fold && text_.substr(i + 1, 2) == "\xC5\xBF") return 3;
    const auto letter = [&](size_t k) {
      const char c = byte(i + k);
      return fold && c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
    };
    const char a = letter(1), b = letter(2);
    if (a == 's' || a == 't' || a == 'm' || a == 'd') return 2;
    return (a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l') ? 3 : 0;
  }

 private:
  Character at(size_t i) const { return character_at(text_, i); }
  std::string_view text_;
};

size_t gpt2_end(const Scanner& s, size_t i) {
  if (const size_t n = s.contraction(i, false)) return i + n;
  const int after = s.byte(i) == ' ' ? s.kind(i + 1) : Scanner::none();
  const bool joined = after != Scanner::none() && after != static_cast<int>(CharClass::space);
  const size_t start = joined ? i + 1 : i;
  const auto kind = static_cast<CharClass>(s.kind(start));
  return kind == CharClass::space ? s.space_end(i) : s.run(start, kind);
}

size_t llama3_end(const Scanner& s, size_t i, int digits) {
  if (const size_t n = s.contraction(i, true)) return i + n;
  const auto kind = static_cast<CharClass>(s.kind(i));
  const size_t second = s.next(i);
  const int after = s.kind(second);
  const auto is = [&](CharClass c) { return after == static_cast<int>(c); };
  if (kind == CharClass::letter ||
      (is(CharClass::letter) && kind != CharClass::number && !s.newline(i)))
    return s.run(second, CharClass::letter);
  if (kind == CharClass::number) {
    size_t end = second;
    for (int n = 1; n < digits && s.kind(end) == static_cast<int>(CharClass::number); ++n)
      end = s.next(end);
    return end;
  }
  if (kind == CharClass::other || (s.byte(i) == ' ' && is(CharClass::other))) {
    size_t end = s.run(second, CharClass::other);
    while (s.newline(end)) ++end;
    return end;
  }
  const size_t run = s.run(i, CharClass::space);
  for (size_t k = run; k > i; --k)
    if (s.newline(k - 1)) return k;
  return s.space_end(i);
}

size_t piece_end(const Scanner& s, size_t i, Splitter splitter) {
  switch (splitter) {
    case Splitter::none: return s.size();
    case Splitter::gpt2: return gpt2_end(s, i);
    case Splitter::llama3: return llama3_end(s, i, 3);
    case Splitter::qwen2: return llama3_end(s, i, 1);
  }
  return s.size();
}

}  // namespace

std::vector<std::string_view> split_text(std::string_view text, Splitter splitter) {
  std::vector<std::string_view> pieces;
  const Scanner scanner(text);
  for (size_t i = 0; i < text.size();) {
    const size_t end = piece_end(scanner, i, splitter);
    pieces.push_back(text.substr(i, end - i));
    i = end;
  }
  return pieces;
}

}  // namespace echelon::data
