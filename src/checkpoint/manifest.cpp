#include "echelon/checkpoint/manifest.h"

#include <algorithm>

#include "echelon/base/file.h"
#include "echelon/base/text.h"
#include "echelon/checkpoint/folder.h"
#include "echelon/checkpoint/safetensors.h"
#include "src/checkpoint/manifest_fields.h"
#include "src/checkpoint/publish.h"

namespace echelon::checkpoint {

namespace {

constexpr size_t kMaxManifest = size_t{256} << 20;
constexpr int kVersion = 1;

std::string hex(uint32_t value) { return fmt::format("{:08x}", value); }

std::string seal_of(const std::string& text) {
  return sha256_hex(std::as_bytes(std::span(text))) + "  manifest.json\n";
}

bool plain_name(const std::string& name) {
  const auto fine = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  return !name.empty() && name.size() <= 255 && name[0] != '.' &&
         std::all_of(name.begin(), name.end(), fine);
}

ShardFile parse_file(const Reader& r) {
  ShardFile file;
  file.path = r.text("path");
  if (!plain_name(file.path))
    fail(ExitCode::no_checkpoint, "X13", "{}: found '{}', wanted a plain file name",
         r.where("path"), text::escaped(file.path));
  file.rank = static_cast<int>(r.whole("rank", 1 << 24));
  file.bytes = static_cast<uint64_t>(r.whole("bytes"));
  file.header_bytes = static_cast<uint64_t>(r.whole("header_bytes"));
  file.header_crc32c = r.crc("header_crc32c");
  return file;
}

TensorRecord parse_tensor(const Reader& r, size_t files) {
  TensorRecord record;
  const std::string dtype = r.text("dtype");
  const auto known = dtype_of(dtype);
  if (!known)
    fail(ExitCode::no_checkpoint, "X9", "{}: unknown data type '{}'", r.where("dtype"),
         text::escaped(dtype));
  record.dtype = *known;
  const auto shape = r.wholes("shape");
  int64_t elements = static_cast<int64_t>(size_of(record.dtype));
  for (const int64_t extent : shape) {
    if (record.shape.rank() == Shape::kMaxRank ||
        __builtin_mul_overflow(elements, extent, &elements))
      fail(ExitCode::no_checkpoint, "X7", "{}: too many or too large dimensions", r.where("shape"));
    record.shape.append(extent);
  }
  for (const Reader& c : r.list("chunks")) {
    Chunk chunk;
    chunk.file = static_cast<int>(c.whole("file"));
    if (static_cast<size_t>(chunk.file) >= files)
      fail(ExitCode::no_checkpoint, "S12", "{}: found {}, there are {} files", c.where("file"),
           chunk.file, files);
    chunk.key = c.text("key");
    chunk.box = {c.wholes("offsets"), c.wholes("sizes")};
    chunk.crc32c = c.crc("crc32c");
    record.chunks.push_back(std::move(chunk));
  }
  return record;
}

}  // namespace

void verify_tiling(const Manifest& manifest, const std::string& path) {
  for (const auto& [name, record] : manifest.tensors) {
    std::vector<Box> boxes;
    for (const Chunk& chunk : record.chunks) boxes.push_back(chunk.box);
    const std::string fault = tiling_fault(record.shape, boxes);
    if (!fault.empty())
      fail(ExitCode::no_checkpoint, "S13", "{}: tensor '{}' of shape {}: {}", path,
           text::escaped(name), echelon::to_string(record.shape), fault);
  }
}

std::string to_text(const Manifest& manifest) {
  nlohmann::ordered_json out;
  out["format"] = "echelon.checkpoint";
  out["version"] = kVersion;
  out["run"] = manifest.run;
  out["step"] = manifest.step;
  for (const auto& [key, value] : manifest.extra.items()) {
    ECH_CHECK(!out.contains(key) && key != "files" && key != "tensors", "reserved field '{}'", key);
    out[key] = value;
  }
  auto& files = out["files"] = nlohmann::ordered_json::array();
  for (const ShardFile& file : manifest.files)
    files.push_back({{"path", file.path},
                     {"rank", file.rank},
                     {"bytes", file.bytes},
                     {"header_bytes", file.header_bytes},
                     {"header_crc32c", hex(file.header_crc32c)}});
  auto& tensors = out["tensors"] = nlohmann::ordered_json::object();
  for (const auto& [name, record] : manifest.tensors) {
    auto& t = tensors[name];
    t["dtype"] = safetensors_name(record.dtype);
    t["shape"] = std::vector<int64_t>(record.shape.begin(), record.shape.end());
    auto& chunks = t["chunks"] = nlohmann::ordered_json::array();
    for (const Chunk& c : record.chunks)
      chunks.push_back({{"file", c.file},
                        {"key", c.key},
                        {"offsets", c.box.offset},
                        {"sizes", c.box.size},
                        {"crc32c", hex(c.crc32c)}});
  }
  return out.dump(1) + "\n";
}

namespace {
Manifest parse(const std::string& text, const std::string& path) {
  nlohmann::json json;
  try {
    json = nlohmann::json::parse(text);
  } catch (const nlohmann::json::exception& e) {
    fail(ExitCode::no_checkpoint, "S12", "{}: {}", path, text::escaped(e.what()));
  }
  const Reader r(json, path);
  if (r.text("format") != "echelon.checkpoint" || r.whole("version") != kVersion)
    fail(ExitCode::no_checkpoint, "X16",
         "{}: found format '{}' version {}, wanted 'echelon.checkpoint' version {}", path,
         text::escaped(r.text("format")), r.whole("version"), kVersion);
  Manifest manifest;
  manifest.run = r.text("run");
  manifest.step = r.whole("step");
  for (const Reader& file : r.list("files")) manifest.files.push_back(parse_file(file));
  for (const auto& [name, value] : r.object("tensors").items())
    manifest.tensors[name] = parse_tensor(
        Reader(value, path + ": tensor '" + text::escaped(name) + "'"), manifest.files.size());
  for (const char* key : {"format", "version", "run", "step", "files", "tensors"}) json.erase(key);
  manifest.extra = std::move(json);
  return manifest;
}
}  // namespace

Manifest parse_part(const std::string& text) { return parse(text, "part of a manifest"); }

Manifest parse_manifest(const std::string& text, const std::string& path) {
  Manifest manifest = parse(text, path);
  verify_tiling(manifest, path);
  return manifest;
}

Manifest read_manifest(const std::filesystem::path& checkpoint) {
  const auto path = checkpoint / "manifest.json";
  const std::string text = read_file(path, kMaxManifest, ExitCode::no_checkpoint);
  const std::string seal =
      read_file(checkpoint / "manifest.json.sha256", 200, ExitCode::no_checkpoint);
  if (seal != seal_of(text))
    fail(ExitCode::no_checkpoint, "S12", "{}: its SHA-256 differs from manifest.json.sha256",
         path.string());
  Manifest manifest = parse_manifest(text, path.string());
  // The name of the folder as written on disk, not as the caller spelled it.
  const auto name = std::filesystem::weakly_canonical(checkpoint).filename().string();
  if (name.starts_with("step-") && !name.starts_with(step_name(manifest.step)))
    fail(ExitCode::no_checkpoint, "S14", "{}: belongs to step {}, the folder is called {}",
         path.string(), manifest.step, name);
  return manifest;
}

void write_manifest(const std::filesystem::path& checkpoint, const Manifest& manifest) {
  const std::string text = to_text(manifest);
  const auto write = [&](const char* name, const std::string& content) {
    OutputFile file(checkpoint / name, OutputFile::Mode::create_exclusive);
    file.write(content);
    file.sync();
    file.close();
  };
  write("manifest.json", text);
  write("manifest.json.sha256", seal_of(text));
}

}  // namespace echelon::checkpoint
