#pragma once
#include <string>

#include "echelon/data/tokenizer.h"

namespace echelon::data {

/// The model as a Hugging Face tokenizer.json.
std::string tokenizer_json(const BpeModel& model);

}  // namespace echelon::data
