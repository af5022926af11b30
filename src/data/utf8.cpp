#include <algorithm>

#include "echelon/data/tokenizer.h"
#include "unicode_class.h"

namespace echelon::data {

namespace {

/// What a lead byte asks for: trailing bytes and the range of the first of them.
struct Lead {
  uint32_t need, low, high;
};
Lead lead_of(uint8_t c) {
  if (c >= 0xC2 && c <= 0xDF) return {1, 0x80, 0xBF};
  if (c >= 0xE0 && c <= 0xEF) return {2, c == 0xE0 ? 0xA0u : 0x80u, c == 0xED ? 0x9Fu : 0xBFu};
  if (c >= 0xF0 && c <= 0xF4) return {3, c == 0xF0 ? 0x90u : 0x80u, c == 0xF4 ? 0x8Fu : 0xBFu};
  return {0, 0, 0};
}

}  // namespace

Character character_at(std::string_view text, size_t at) {
  const auto c = static_cast<uint8_t>(text[at]);
  if (c < 0x80) return {c, 1};
  auto [need, low, high] = lead_of(c);
  if (need == 0) return {kIllFormed, 1};
  uint32_t code = c & (0x3Fu >> need), have = 0;
  for (; have < need && at + 1 + have < text.size(); ++have) {
    const auto next = static_cast<uint8_t>(text[at + 1 + have]);
    if (next < low || next > high) break;
    low = 0x80, high = 0xBF;
    code = code << 6 | (next & 0x3Fu);
  }
  return have == need ? Character{code, need + 1} : Character{kIllFormed, have + 1};
}

size_t unfinished_tail(std::string_view bytes) {
  for (size_t back = 1; back <= std::min<size_t>(3, bytes.size()); ++back) {
    const size_t at = bytes.size() - back;
    const auto c = static_cast<uint8_t>(bytes[at]);
    if ((c & 0xC0) == 0x80) continue;
    const bool open = lead_of(c).need >= back && character_at(bytes, at).bytes == back;
    return open ? back : 0;
  }
  return 0;
}

void append_utf8(std::string& out, uint32_t code) {
  const auto put = [&](uint32_t byte) { out += static_cast<char>(byte); };
  if (code < 0x80) return put(code);
  if (code < 0x800) return put(0xC0 | code >> 6), put(0x80 | (code & 0x3F));
  if (code < 0x10000)
    return put(0xE0 | code >> 12), put(0x80 | (code >> 6 & 0x3F)), put(0x80 | (code & 0x3F));
  put(0xF0 | code >> 18), put(0x80 | (code >> 12 & 0x3F)), put(0x80 | (code >> 6 & 0x3F)),
      put(0x80 | (code & 0x3F));
}

std::string utf8_lossy(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  for (size_t i = 0; i < bytes.size();) {
    const auto [code, n] = character_at(bytes, i);
    if (code == kIllFormed)
      out += "\xEF\xBF\xBD";
    else
      out += bytes.substr(i, n);
    i += n;
  }
  return out;
}

std::string StreamDecoder::push(int32_t id) {
  held_ += tokenizer_.decode({&id, 1});
  const size_t tail = unfinished_tail(held_), ready = held_.size() - tail;
  std::string out = utf8_lossy(std::string_view(held_).substr(0, ready));
  held_.erase(0, ready);
  return out;
}

std::string StreamDecoder::finish() {
  std::string out = utf8_lossy(held_);
  held_.clear();
  return out;
}

}  // namespace echelon::data
