#pragma once
// Golden vectors of tests/golden/*.json (float64 references) and deterministic inputs.
#include <nlohmann/json.hpp>

#include <string>
#include <vector>

#include "echelon/tensor/tensor.h"

namespace echelon::test {

/// Case `name` of family `family` ("gpt", "optimizers", ...). Throws when absent.
nlohmann::json golden_case(const std::string& family, const std::string& name);

struct GoldenTensor {
  std::vector<int64_t> shape;
  std::vector<double> data;
};
/// {"shape": [...], "data": [...]} or a plain number.
GoldenTensor golden_tensor(const nlohmann::json& value);
/// f32 tensor with the golden values, on the host.
Tensor to_tensor(const GoldenTensor& golden, Allocator& allocator);
Tensor to_tensor(const std::vector<float>& values, const Shape& shape, Allocator& allocator);
std::vector<float> values_of(const Tensor& tensor);

/// offset + scale*(2u-1), u from a 32-bit mix of (index, seed); the references' `fill`.
std::vector<float> fill(int64_t count, int seed, double scale = 1.0, double offset = 0.0);
/// floor(u * vocab); the references' `tokens`.
std::vector<int32_t> tokens(int64_t count, int vocab, int seed);

/// Largest |a-b| / (atol + rtol*|b|): at most 1 when every element agrees.
double worst_error(const std::vector<float>& a, const std::vector<double>& b, double rtol,
                   double atol);

}  // namespace echelon::test
