#pragma once
// Between floating-point storage types; every value passes through f64 and is rounded once.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "echelon/device/dtype.h"

namespace echelon::checkpoint {

bool is_float(DType dtype);
/// `count` values of `from` as values of `to`.
std::vector<std::byte> converted(const std::byte* data, int64_t count, DType from, DType to);
int64_t count_nonfinite(const std::byte* data, int64_t count, DType dtype);

}  // namespace echelon::checkpoint
