#pragma once
// Strict access to the fields of a JSON object; every mistake is Error(no_checkpoint) with its
// place.
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "echelon/base/error.h"

namespace echelon::checkpoint {

class Reader {
 public:
  Reader(const nlohmann::json& json, std::string place) : json_(json), place_(std::move(place)) {
    if (!json.is_object()) fail(ExitCode::no_checkpoint, "S12", "{}: wanted an object", place_);
  }
  std::string where(const char* key) const { return place_ + ": " + key; }

  std::string text(const char* key) const {
    const auto& v = at(key);
    if (!v.is_string()) wrong(key, "a string");
    return v.get<std::string>();
  }
  int64_t whole(const char* key, int64_t most = std::numeric_limits<int64_t>::max()) const {
    return whole(at(key), key, most);
  }
  std::vector<int64_t> wholes(const char* key) const {
    const auto& v = at(key);
    if (!v.is_array()) wrong(key, "a list");
    std::vector<int64_t> out;
    for (const auto& item : v) out.push_back(whole(item, key, std::numeric_limits<int64_t>::max()));
    return out;
  }
  uint32_t crc(const char* key) const {
    const std::string v = text(key);
    if (v.size() != 8 || v.find_first_not_of("0123456789abcdef") != std::string::npos)
      wrong(key, "8 hexadecimal digits");
    return static_cast<uint32_t>(std::stoul(v, nullptr, 16));
  }
  std::vector<Reader> list(const char* key) const {
    const auto& v = at(key);
    if (!v.is_array()) wrong(key, "a list");
    std::vector<Reader> out;
    for (const auto& item : v)
      out.emplace_back(item, place_ + ": " + key + "[" + std::to_string(out.size()) + "]");
    return out;
  }
  const nlohmann::json& object(const char* key) const {
    const auto& v = at(key);
    if (!v.is_object()) wrong(key, "an object");
    return v;
  }

 private:
  const nlohmann::json& at(const char* key) const {
    const auto it = json_.find(key);
    if (it == json_.end()) wrong(key, "this field");
    return *it;
  }
  int64_t whole(const nlohmann::json& v, const char* key, int64_t most) const {
    if (!v.is_number_integer() || (v.is_number_unsigned() && v.get<uint64_t>() > INT64_MAX) ||
        v.get<int64_t>() < 0 || v.get<int64_t>() > most)
      wrong(key, "a whole number in range");
    return v.get<int64_t>();
  }
  [[noreturn]] void wrong(const char* key, const char* wanted) const {
    fail(ExitCode::no_checkpoint, "S12", "{}: wanted {}", where(key), wanted);
  }

  const nlohmann::json& json_;
  std::string place_;
};

}  // namespace echelon::checkpoint
