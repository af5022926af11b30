#include "echelon/data/token_file.h"

#include <glob.h>

#include <algorithm>
#include <array>
#include <limits>

#include "byte_source.h"

namespace echelon::data {

std::string_view name_of(FileFormat format) {
  constexpr std::array<std::string_view, 4> kNames{"auto", "megatron", "llmc", "raw_u16"};
  return kNames[static_cast<size_t>(format)];
}

std::string_view name_of(TokenType type) {
  switch (type) {
    case TokenType::u8: return "u8";
    case TokenType::i8: return "i8";
    case TokenType::i16: return "i16";
    case TokenType::i32: return "i32";
    case TokenType::i64: return "i64";
    case TokenType::u16: return "u16";
    case TokenType::u32: return "u32";
  }
  return "?";
}

int64_t size_of(TokenType type) {
  switch (type) {
    case TokenType::u8:
    case TokenType::i8: return 1;
    case TokenType::i16:
    case TokenType::u16: return 2;
    case TokenType::i32:
    case TokenType::u32: return 4;
    case TokenType::i64: return 8;
  }
  return 0;
}

namespace {

constexpr int64_t kBlock =
    16384;  // tokens read at a time: the scratch stays in the first-level cache

/// Index of the first item outside [0, limit), or -1. Widens into `out`.
template <class T>
int64_t widen(const std::byte* raw, std::span<int32_t> out, int64_t limit) {
  bool good = true;
  for (size_t i = 0; i < out.size(); ++i) {
    const auto id = static_cast<int64_t>(load<T>(raw + i * sizeof(T)));
    good &= id >= 0 && id < limit;
    out[i] = static_cast<int32_t>(id);
  }
  if (good) return -1;
  for (size_t i = 0;; ++i)
    if (const auto id = static_cast<int64_t>(load<T>(raw + i * sizeof(T))); id < 0 || id >= limit)
      return static_cast<int64_t>(i);
}

int64_t widen(TokenType type, const std::byte* raw, std::span<int32_t> out, int64_t limit) {
  switch (type) {
    case TokenType::u8: return widen<uint8_t>(raw, out, limit);
    case TokenType::i8: return widen<int8_t>(raw, out, limit);
    case TokenType::i16: return widen<int16_t>(raw, out, limit);
    case TokenType::u16: return widen<uint16_t>(raw, out, limit);
    case TokenType::i32: return widen<int32_t>(raw, out, limit);
    case TokenType::u32: return widen<uint32_t>(raw, out, limit);
    case TokenType::i64: return widen<int64_t>(raw, out, limit);
  }
  return 0;
}

int64_t item(TokenType type, const std::byte* raw) {
  switch (type) {
    case TokenType::u8: return load<uint8_t>(raw);
    case TokenType::i8: return load<int8_t>(raw);
    case TokenType::i16: return load<int16_t>(raw);
    case TokenType::u16: return load<uint16_t>(raw);
    case TokenType::i32: return load<int32_t>(raw);
    case TokenType::u32: return load<uint32_t>(raw);
    case TokenType::i64: return load<int64_t>(raw);
  }
  return 0;
}

size_t part_of(const std::vector<TokenFile::Part>& parts, int64_t token) {
  const auto after = std::upper_bound(parts.begin(), parts.end(), token,
                                      [](int64_t t, const auto& p) { return t < p.first_token; });
  return static_cast<size_t>(after - parts.begin()) - 1;
}

}  // namespace

void TokenFile::read(int64_t at, std::span<int32_t> out, int64_t vocab_size) const {
  ECH_CHECK(at >= 0 && at + static_cast<int64_t>(out.size()) <= tokens(),
            "{}: tokens {} to {} of {}", name(), at, at + static_cast<int64_t>(out.size()),
            tokens());
  const int64_t width = size_of(type());
  const int64_t limit = vocab_size > 0 ? vocab_size : std::numeric_limits<int32_t>::max();
  std::array<std::byte, kBlock * 8> scratch;
  while (!out.empty()) {
    const Part& part = parts()[part_of(parts(), at)];
    const int64_t n =
        std::min({static_cast<int64_t>(out.size()), part.first_token + part.tokens - at, kBlock});
    const std::span raw(scratch.data(), static_cast<size_t>(n * width));
    part.bytes->read(part.header + (at - part.first_token) * width, raw);
    if (const int64_t bad = widen(type(), raw.data(), out.first(static_cast<size_t>(n)), limit);
        bad >= 0)
      fail(ExitCode::data, "D3",
           "{}: found token id {}, wanted 0 to {}; the run ends; check that the data "
           "was made with this model's tokenizer",
           where(at + bad), item(type(), raw.data() + bad * width), limit - 1);
    out = out.subspan(static_cast<size_t>(n));
    at += n;
  }
}

std::string TokenFile::where(int64_t token) const {
  const Part& part = parts()[part_of(parts(), token)];
  const int64_t byte = part.header + (token - part.first_token) * size_of(type());
  const auto& begin = layout_.sequences;
  const auto sequence = std::upper_bound(begin.begin(), begin.end(), token) - begin.begin() - 1;
  const auto& docs = layout_.documents;
  const auto document = std::upper_bound(docs.begin(), docs.end(), sequence) - docs.begin() - 1;
  const int64_t start = sequence_begin(document_begin(document));
  return fmt::format("{}: document {}, token {} of it, byte {}", part.bytes->path(), document,
                     token - start, byte);
}

namespace {

std::vector<std::string> expand(const std::string& path) {
  if (path.find_first_of("*?[") == std::string::npos) return {path};
  ::glob_t found{};
  const int rc = ::glob(path.c_str(), 0, nullptr, &found);
  std::vector<std::string> paths(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  ::globfree(&found);
  if (rc != 0 || paths.empty())
    fail(ExitCode::data, "D1",
         "{}: found no file, wanted at least one; the run ends; check data.data_path", path);
  std::sort(paths.begin(), paths.end());
  return paths;
}

bool is_file(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored) && !std::filesystem::is_directory(path, ignored);
}

bool has_llmc_magic(const std::string& path) {
  const ByteSource file(path, FileIo::pread);
  if (file.size() < 4) return false;
  const auto magic = load<int32_t>(file.read(0, 4).data());
  return magic == kLlmcMagicU16 || magic == kLlmcMagicU32;
}

std::string without_extension(const std::string& path) {
  const std::filesystem::path p(path);
  return p.extension() == ".bin" || p.extension() == ".idx"
             ? std::filesystem::path(p).replace_extension("").string()
             : path;
}

FileFormat recognise(const std::string& path, const std::string& first) {
  const std::string prefix = without_extension(first);
  if (is_file(prefix + ".idx")) return FileFormat::megatron;
  if (is_file(first) && has_llmc_magic(first)) return FileFormat::llmc;
  if (is_file(first))
    fail(ExitCode::data, "D7",
         "{}: found neither {}.idx beside it nor an llm.c header, wanted a token file; the run "
         "ends; a stream of u16 tokens without header needs data.format: raw_u16, text needs "
         "'echelon prepare'",
         path, prefix);
  fail(ExitCode::data, "D1",
       "{}: found neither {}.idx nor a file of that name; the run ends; check data.data_path", path,
       prefix);
}

}  // namespace

std::shared_ptr<const TokenFile> open_token_file(const std::string& path, FileFormat format,
                                                 FileIo io) {
  const auto paths = expand(path);
  if (format == FileFormat::automatic) format = recognise(path, paths.front());
  TokenFile::Layout layout;
  switch (format) {
    case FileFormat::llmc: layout = open_llmc(paths, io); break;
    case FileFormat::raw_u16: layout = open_raw_u16(paths, io); break;
    default:
      if (paths.size() != 1)
        fail(ExitCode::data, "D7",
             "{}: found {} files, wanted one Megatron data set; the run ends; list several in "
             "data.data_path",
             path, paths.size());
      layout = open_megatron(without_extension(path), io);
  }
  if (paths.size() > 1) layout.name = path;
  return std::make_shared<const TokenFile>(std::move(layout));
}

std::vector<FileDigest> digest_of(const TokenFile& file) {
  constexpr int64_t kPages = 64, kPage = 4096;
  std::vector<FileDigest> digests;
  const auto add = [&](const ByteSource& bytes, bool whole) {
    std::string text = fmt::format("{}\n", bytes.size());
    const int64_t step = whole ? 1 << 20 : std::max(kPage, bytes.size() / kPages);
    for (int64_t at = 0; at < bytes.size(); at += step) {
      const auto page = bytes.read(at, std::min(whole ? step : kPage, bytes.size() - at));
      text += fmt::format("{:08x}\n", crc32c(page));
    }
    if (!whole && bytes.size() > kPage)
      text += fmt::format("{:08x}\n", crc32c(bytes.read(bytes.size() - kPage, kPage)));
    digests.push_back({bytes.path(), bytes.size(),
                       sha256_hex(std::as_bytes(std::span(text.data(), text.size())))});
  };
  if (file.format() == FileFormat::megatron)
    add(ByteSource(file.name() + ".idx", FileIo::pread), true);
  for (const auto& part : file.parts()) add(*part.bytes, false);
  return digests;
}

}  // namespace echelon::data
