#include "src/checkpoint/safetensors_dtype.h"

#include <algorithm>
#include <array>

#include "echelon/checkpoint/safetensors.h"

namespace echelon::checkpoint {

namespace {

constexpr std::array<FormatType, 22> kTypes = {
    {{"BOOL", 8, 0},    {"F4", 4, 1},          {"F6_E2M3", 6, 2},      {"F6_E3M2", 6, 3},
     {"U8", 8, 4},      {"I8", 8, 5},          {"F8_E5M2", 8, 6},      {"F8_E4M3", 8, 7},
     {"F8_E8M0", 8, 8}, {"F8_E4M3FNUZ", 8, 9}, {"F8_E5M2FNUZ", 8, 10}, {"I16", 16, 11},
     {"U16", 16, 12},   {"F16", 16, 13},       {"BF16", 16, 14},       {"I32", 32, 15},
     {"U32", 32, 16},   {"F32", 32, 17},       {"C64", 64, 18},        {"F64", 64, 19},
     {"I64", 64, 20},   {"U64", 64, 21}}};

constexpr std::array<std::pair<DType, std::string_view>, 8> kOurs = {{{DType::f32, "F32"},
                                                                      {DType::bf16, "BF16"},
                                                                      {DType::f16, "F16"},
                                                                      {DType::f64, "F64"},
                                                                      {DType::i64, "I64"},
                                                                      {DType::i32, "I32"},
                                                                      {DType::u16, "U16"},
                                                                      {DType::u8, "U8"}}};

}  // namespace

const FormatType* format_type(std::string_view name) {
  const auto it = std::find_if(kTypes.begin(), kTypes.end(),
                               [&](const FormatType& t) { return t.name == name; });
  return it == kTypes.end() ? nullptr : &*it;
}

std::string_view safetensors_name(DType dtype) {
  for (const auto& [ours, name] : kOurs)
    if (ours == dtype) return name;
  fail(ExitCode::internal, "", "dtype {} has no safetensors name", static_cast<int>(dtype));
}

std::optional<DType> dtype_of(std::string_view name) {
  for (const auto& [ours, theirs] : kOurs)
    if (theirs == name) return ours;
  return std::nullopt;
}

}  // namespace echelon::checkpoint
