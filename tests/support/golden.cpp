#include "tests/support/golden.h"

#include <cmath>
#include <fstream>
#include <stdexcept>

namespace echelon::test {

nlohmann::json golden_case(const std::string& family, const std::string& name) {
  const std::string path = std::string(ECHELON_TEST_DATA) + "/" + family + ".json";
  std::ifstream in(path);
  if (!in) throw std::runtime_error(path + ": no such golden file");
  const auto document = nlohmann::json::parse(in);
  for (const auto& entry : document.at("cases"))
    if (entry.at("name") == name) return entry;
  throw std::runtime_error(path + ": no case " + name);
}

GoldenTensor golden_tensor(const nlohmann::json& value) {
  if (value.is_number()) return {{1}, {value.get<double>()}};
  return {value.at("shape").get<std::vector<int64_t>>(),
          value.at("data").get<std::vector<double>>()};
}

Tensor to_tensor(const std::vector<float>& values, const Shape& shape, Allocator& allocator) {
  Tensor t = Tensor::empty(shape, DType::f32, allocator);
  std::copy(values.begin(), values.end(), t.data<float>());
  return t;
}

Tensor to_tensor(const GoldenTensor& golden, Allocator& allocator) {
  Shape shape;
  for (const int64_t e : golden.shape) shape.append(e);
  return to_tensor(std::vector<float>(golden.data.begin(), golden.data.end()), shape, allocator);
}

std::vector<float> values_of(const Tensor& tensor) {
  const auto s = tensor.span<float>();
  return {s.begin(), s.end()};
}

namespace {
double unit(int64_t index, int seed) {
  auto h = static_cast<uint32_t>(index + 1000003LL * seed);
  h ^= h >> 16;
  h *= 0x85EBCA6Bu;
  h ^= h >> 13;
  h *= 0xC2B2AE35u;
  h ^= h >> 16;
  return (h >> 8) / 16777216.0;
}
}  // namespace

std::vector<float> fill(int64_t count, int seed, double scale, double offset) {
  std::vector<float> values(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i)
    values[static_cast<size_t>(i)] =
        static_cast<float>(offset + scale * (2.0 * unit(i + 1, seed) - 1.0));
  return values;
}

std::vector<int32_t> tokens(int64_t count, int vocab, int seed) {
  std::vector<int32_t> values(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i)
    values[static_cast<size_t>(i)] =
        static_cast<int32_t>(std::floor(unit(i + 1, seed + 5000) * vocab));
  return values;
}

double worst_error(const std::vector<float>& a, const std::vector<double>& b, double rtol,
                   double atol) {
  if (a.size() != b.size()) throw std::runtime_error("sizes differ");
  double worst = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double error =
        std::abs(static_cast<double>(a[i]) - b[i]) / (atol + rtol * std::abs(b[i]));
    worst = std::isnan(error) ? INFINITY : std::max(worst, error);
  }
  return worst;
}

}  // namespace echelon::test
