#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>

namespace echelon {

/// Extents of a row-major array, at most 6 dimensions; the empty shape is a scalar of one element.
class Shape {
 public:
  static constexpr size_t kMaxRank = 6;
  Shape() = default;
  Shape(std::initializer_list<int64_t> extents);
  size_t rank() const { return rank_; }
  /// Extent of a dimension; negative counts from the end.
  int64_t operator[](int dim) const;
  int64_t elements() const;
  bool operator==(const Shape& other) const = default;
  Shape with(int dim, int64_t extent) const;
  const int64_t* begin() const { return extents_.data(); }
  const int64_t* end() const { return extents_.data() + rank_; }
  void append(int64_t extent);

 private:
  std::array<int64_t, kMaxRank> extents_{};
  size_t rank_ = 0;
};

std::string to_string(const Shape& shape);  ///< "[4, 256, 768]"

}  // namespace echelon
