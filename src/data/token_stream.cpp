// llm.c shards (1,024-byte header of i32: magic, version, count) and raw u16 streams.
#include "byte_source.h"

namespace echelon::data {

namespace {

struct Shard {
  TokenType type;
  int64_t tokens;
};

Shard read_shard_header(const ByteSource& file) {
  if (file.size() < kLlmcHeader)
    fail(ExitCode::data, "D1",
         "{}: found {} bytes, wanted at least {}; the run ends; make the shard anew", file.path(),
         file.size(), kLlmcHeader);
  const auto raw = file.read(0, 12);
  const auto magic = load<int32_t>(&raw[0]), version = load<int32_t>(&raw[4]),
             count = load<int32_t>(&raw[8]);
  if (magic != kLlmcMagicU16 && magic != kLlmcMagicU32)
    fail(ExitCode::data, "D7", "{}: byte 0: found magic {}, wanted {} or {}; the run ends",
         file.path(), magic, kLlmcMagicU16, kLlmcMagicU32);
  const bool narrow = magic == kLlmcMagicU16;
  if (const int32_t wanted = narrow ? kLlmcVersionU16 : kLlmcVersionU32; version != wanted)
    fail(ExitCode::data, "D7", "{}: byte 4: found version {}, wanted {}; the run ends", file.path(),
         version, wanted);
  const TokenType type = narrow ? TokenType::u16 : TokenType::u32;
  if (count < 0 || file.size() != kLlmcHeader + count * size_of(type))
    fail(ExitCode::data, "D1",
         "{}: byte 8: found {} tokens in a file of {} bytes, wanted {} bytes; the run ends; "
         "make the shard anew",
         file.path(), count, file.size(), kLlmcHeader + int64_t{count} * size_of(type));
  return {type, count};
}

void add_part(TokenFile::Layout& layout, std::shared_ptr<const ByteSource> bytes, int64_t header,
              int64_t tokens) {
  const int64_t first = layout.sequences.back();
  layout.parts.push_back({std::move(bytes), header, first, tokens});
  layout.sequences.back() = first + tokens;
}

TokenFile::Layout stream_layout(FileFormat format, TokenType type, const std::string& name) {
  TokenFile::Layout layout;
  layout.format = format;
  layout.type = type;
  layout.name = name;
  layout.sequences = {0, 0};
  layout.documents = {0, 1};
  return layout;
}

}  // namespace

TokenFile::Layout open_llmc(const std::vector<std::string>& paths, FileIo io) {
  TokenFile::Layout layout;
  for (const auto& path : paths) {
    auto bytes = std::make_shared<const ByteSource>(path, io);
    const Shard shard = read_shard_header(*bytes);
    if (layout.parts.empty()) layout = stream_layout(FileFormat::llmc, shard.type, path);
    if (shard.type != layout.type)
      fail(ExitCode::data, "D7",
           "{}: found {} tokens, wanted {} as in {}; the run ends; do not mix shard kinds", path,
           name_of(shard.type), name_of(layout.type), paths.front());
    add_part(layout, std::move(bytes), kLlmcHeader, shard.tokens);
  }
  return layout;
}

TokenFile::Layout open_raw_u16(const std::vector<std::string>& paths, FileIo io) {
  auto layout = stream_layout(FileFormat::raw_u16, TokenType::u16, paths.front());
  for (const auto& path : paths) {
    auto bytes = std::make_shared<const ByteSource>(path, io);
    if (bytes->size() % 2 != 0)
      fail(ExitCode::data, "D1",
           "{}: found {} bytes, wanted an even number of them (u16 tokens); the run ends", path,
           bytes->size());
    const int64_t tokens = bytes->size() / 2;
    add_part(layout, std::move(bytes), 0, tokens);
  }
  return layout;
}

}  // namespace echelon::data
