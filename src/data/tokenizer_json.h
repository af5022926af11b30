#pragma once
#include <nlohmann/json.hpp>
#include <string>

#include "echelon/data/tokenizer.h"

namespace echelon::data {

inline constexpr size_t kLargestTokenizer = size_t{256} << 20;  ///< bytes of a file
inline constexpr int64_t kLargestVocabulary = int64_t{1} << 22;

/// The model as a Hugging Face tokenizer.json.
std::string tokenizer_json(const BpeModel& model);

/// Error(data, C9) about a field of a tokenizer file.
[[noreturn]] void refuse(const std::string& path, const std::string& field,
                         const std::string& found, const std::string& wanted);
/// JSON without a name twice in one object (the last would win silently), nested at most 64 deep.
nlohmann::ordered_json parse_strict(const std::string& text, const std::string& path);

}  // namespace echelon::data
