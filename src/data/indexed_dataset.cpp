// Megatron indexed dataset: .idx = magic(9) version(u64) type(u8) S(u64) D(u64) lengths(S i32)
// offsets(S i64) documents(D i64) [modes(S i8)]; .bin = tokens back to back.
#include <algorithm>
#include <cstring>
#include <limits>

#include "byte_source.h"
#include "echelon/base/text.h"

namespace echelon::data {

namespace {

constexpr int64_t kHeader = 34;

[[noreturn]] void wrong(const char* id, const ByteSource& file, int64_t at,
                        const std::string& found, const std::string& wanted) {
  fail(ExitCode::data, id, "{}: byte {}: found {}, wanted {}; the run ends; make the data set anew",
       file.path(), at, found, wanted);
}

struct Header {
  TokenType type;
  int64_t sequences, document_entries;
};

TokenType token_type(const ByteSource& file, uint8_t code) {
  switch (code) {
    case 1: return TokenType::u8;
    case 2: return TokenType::i8;
    case 3: return TokenType::i16;
    case 4: return TokenType::i32;
    case 5: return TokenType::i64;
    case 8: return TokenType::u16;
    default:
      wrong("D7", file, 17,
            fmt::format("token type code {}{}", code,
                        code == 6 || code == 7 ? " (floating point)" : ""),
            "1 to 5 or 8 (u8, i8, i16, i32, i64, u16)");
  }
}

Header read_header(const ByteSource& file) {
  if (file.size() < kHeader)
    wrong("D2", file, 0, fmt::format("{} bytes", file.size()), "at least 34");
  const auto raw = file.read(0, kHeader);
  const std::string_view magic(reinterpret_cast<const char*>(raw.data()), kMegatronMagic.size());
  if (magic != kMegatronMagic)
    wrong("D7", file, 0, fmt::format("'{}'", text::escaped(magic)), "'MMIDIDX' and two zero bytes");
  if (const auto version = load<uint64_t>(&raw[9]); version != 1)
    wrong("D7", file, 9, fmt::format("version {}", version), "1");
  const TokenType type = token_type(file, load<uint8_t>(&raw[17]));
  const auto sequences = load<uint64_t>(&raw[18]), entries = load<uint64_t>(&raw[26]);
  const auto room = static_cast<uint64_t>(file.size() - kHeader);
  if (sequences > room / 12 || entries > (room - 12 * sequences) / 8)
    wrong("D2", file, 18,
          fmt::format("{} sequences and {} document entries in a file of {} bytes", sequences,
                      entries, file.size()),
          "34 + 12 x sequences + 8 x entries bytes");
  const uint64_t rest = room - 12 * sequences - 8 * entries;
  if (rest != 0 && rest != sequences)
    wrong("D2", file, 18, fmt::format("a file of {} bytes", file.size()),
          fmt::format("{} for {} sequences and {} document entries",
                      file.size() - static_cast<int64_t>(rest), sequences, entries));
  return {type, static_cast<int64_t>(sequences), static_cast<int64_t>(entries)};
}

/// First token of each sequence, then the number of tokens. Offsets must be the running sum.
std::vector<int64_t> read_sequences(const ByteSource& index, const ByteSource& tokens,
                                    const Header& h) {
  const auto raw = index.read(kHeader, 12 * h.sequences);
  const int64_t width = size_of(h.type), available = tokens.size() / width;
  std::vector<int64_t> begin(static_cast<size_t>(h.sequences) + 1);
  int64_t at = 0;
  for (int64_t i = 0; i < h.sequences; ++i) {
    const auto length = load<int32_t>(raw.data() + 4 * i);
    const auto offset = load<int64_t>(raw.data() + 4 * h.sequences + 8 * i);
    if (offset != at * width)
      wrong("D6", index, kHeader + 4 * h.sequences + 8 * i,
            fmt::format("sequence {} at offset {}", i, offset),
            fmt::format("{}, where the sequence before it ends", at * width));
    if (length < 0 || length > available - at)
      wrong("D5", index, kHeader + 4 * i,
            fmt::format("sequence {} of {} tokens from byte {}", i, length, offset),
            fmt::format("0 to {}, what {} still holds", available - at, tokens.path()));
    begin[static_cast<size_t>(i)] = at;
    at += length;
  }
  begin.back() = at;
  if (at * width != tokens.size())
    fail(ExitCode::data, "D1",
         "{}: found {} bytes, wanted {} by {}; the run ends; make the data set anew", tokens.path(),
         tokens.size(), at * width, index.path());
  return begin;
}

std::vector<int64_t> read_documents(const ByteSource& index, const Header& h) {
  const int64_t base = kHeader + 12 * h.sequences;
  const auto raw = index.read(base, 8 * h.document_entries);
  std::vector<int64_t> documents(static_cast<size_t>(h.document_entries));
  for (size_t i = 0; i < documents.size(); ++i) {
    documents[i] = load<int64_t>(raw.data() + 8 * i);
    const int64_t least = i == 0 ? 0 : documents[i - 1], most = i == 0 ? 0 : h.sequences;
    if (documents[i] < least || documents[i] > most)
      wrong("D6", index, base + 8 * static_cast<int64_t>(i),
            fmt::format("document entry {} = {}", i, documents[i]),
            fmt::format("{} to {}", least, most));
  }
  if (documents.empty() || documents.back() != h.sequences)
    wrong("D2", index, base,
          documents.empty() ? "no document entries"
                            : fmt::format("last document entry {}", documents.back()),
          fmt::format("{} as the last entry", h.sequences));
  return documents;
}

}  // namespace

TokenFile::Layout open_megatron(const std::string& prefix, FileIo io) {
  const ByteSource index(prefix + ".idx", FileIo::pread);
  const Header header = read_header(index);
  auto bytes = std::make_shared<const ByteSource>(prefix + ".bin", io);
  TokenFile::Layout layout;
  layout.format = FileFormat::megatron;
  layout.type = header.type;
  layout.name = prefix;
  layout.sequences = read_sequences(index, *bytes, header);
  layout.documents = read_documents(index, header);
  layout.parts.push_back({std::move(bytes), 0, 0, layout.sequences.back()});
  return layout;
}

}  // namespace echelon::data
