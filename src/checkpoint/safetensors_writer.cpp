#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "echelon/checkpoint/safetensors.h"
#include "src/checkpoint/safetensors_dtype.h"

namespace echelon::checkpoint {

namespace {

constexpr size_t kBlock = size_t{4} << 20;

const FormatType& type_of(const TensorSource& source) {
  const FormatType* type = format_type(source.dtype);
  ECH_CHECK(type != nullptr, "'{}' has the unknown type '{}'", source.name, source.dtype);
  return *type;
}

void check_size(const TensorSource& source) {
  uint64_t bits = type_of(source).bits;
  for (const int64_t extent : source.shape) bits *= static_cast<uint64_t>(extent);
  ECH_CHECK(bits == source.data.size() * 8, "'{}' has {} bytes, its shape and type {} bits",
            source.name, source.data.size(), bits);
}

void write_data(OutputFile& file, const TensorSource& source, const std::filesystem::path& path) {
  uint32_t crc = 0;
  for (size_t at = 0; at < source.data.size(); at += kBlock) {
    const auto block = source.data.subspan(at, std::min(kBlock, source.data.size() - at));
    file.write(block);
    if (source.crc32c) crc = crc32c(block, crc);
  }
  if (source.crc32c && crc != *source.crc32c)
    fail(ExitCode::storage, "S27",
         "{}: tensor '{}' changed in memory while it was written: checksum {:08x}, wanted {:08x}",
         path.string(), source.name, crc, *source.crc32c);
}

}  // namespace

std::string safetensors_header(std::vector<TensorSource>& sources, const Metadata& metadata) {
  std::sort(sources.begin(), sources.end(), [](const TensorSource& a, const TensorSource& b) {
    const int ra = type_of(a).rank, rb = type_of(b).rank;
    return ra != rb ? ra > rb : a.name < b.name;
  });
  nlohmann::ordered_json head;
  auto& meta = head["__metadata__"];
  meta["format"] = "pt";
  for (const auto& [key, value] : metadata) meta[key] = value;
  uint64_t at = 0;
  for (const TensorSource& source : sources) {
    check_size(source);
    ECH_CHECK(!head.contains(source.name), "tensor '{}' appears twice", source.name);
    head[source.name] = {{"dtype", source.dtype},
                         {"shape", source.shape},
                         {"data_offsets", {at, at + source.data.size()}}};
    at += source.data.size();
  }
  std::string text = head.dump();
  text.append((8 - text.size() % 8) % 8, ' ');
  std::string out(8, '\0');
  const uint64_t length = text.size();
  std::memcpy(out.data(), &length, 8);
  return out + text;
}

WrittenFile write_safetensors(const std::filesystem::path& path, std::vector<TensorSource> sources,
                              const Metadata& metadata, OutputFile::Mode mode) {
  const std::string head = safetensors_header(sources, metadata);
  WrittenFile written;
  written.header_bytes = written.bytes = head.size();
  written.header_crc32c = crc32c(std::as_bytes(std::span(head)));
  OutputFile file(path, mode);
  file.write(head);
  for (const TensorSource& source : sources) {
    write_data(file, source, path);
    written.bytes += source.data.size();
  }
  file.sync();
  file.close();
  return written;
}

}  // namespace echelon::checkpoint
