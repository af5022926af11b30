#pragma once
// Temporary folders, small data sets and golden files for the data tests.
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "echelon/base/error.h"
#include "echelon/base/file.h"
#include "echelon/data/token_writer.h"

namespace echelon::data::test {

/// A folder that goes with the object.
class Folder {
 public:
  Folder() {
    // Writers sync their files: memory is faster to sync than a disk.
    const std::filesystem::path memory = "/dev/shm";
    const auto base =
        std::filesystem::exists(memory) ? memory : std::filesystem::temp_directory_path();
    std::string name = (base / "echelon-data-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

inline std::string golden(const std::string& name) {
  return std::string(ECHELON_TEST_DATA) + "/" + name;
}
inline std::string slurp(const std::string& path) { return read_file(path, 1 << 26); }
inline void spill(const std::string& path, std::string_view content) {
  std::ofstream(path, std::ios::binary) << content;
}
inline nlohmann::json golden_json(const std::string& name) {
  return nlohmann::json::parse(slurp(golden(name)));
}

/// Documents of one sequence each.
inline void write_documents(const std::string& prefix,
                            const std::vector<std::vector<int32_t>>& documents,
                            WriterOptions options) {
  const auto writer = make_token_writer(prefix, options);
  for (const auto& document : documents) {
    writer->append(document);
    writer->end_document();
  }
  writer->finish();
}
/// One document 0, 1, 2, ... n-1.
inline void write_counting(const std::string& prefix, int32_t n,
                           int64_t document_length = 1 << 30) {
  std::vector<std::vector<int32_t>> documents;
  for (int32_t i = 0; i < n; ++i) {
    if (i % document_length == 0) documents.emplace_back();
    documents.back().push_back(i);
  }
  write_documents(prefix, documents, {.vocab_size = n});
}

/// Exit code, id and message of the Error `f` throws.
struct Failure {
  ExitCode code = ExitCode::ok;
  std::string id, text;
};
template <class F>
Failure failure_of(F&& f) {
  try {
    f();
  } catch (const Error& e) {
    return {e.code(), e.id(), e.what()};
  }
  return {};
}

}  // namespace echelon::data::test
