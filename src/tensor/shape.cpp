#include "echelon/tensor/shape.h"

#include "echelon/base/error.h"

namespace echelon {

Shape::Shape(std::initializer_list<int64_t> extents) {
  for (const int64_t e : extents) append(e);
}

void Shape::append(int64_t extent) {
  ECH_CHECK(rank_ < kMaxRank, "more than {} dimensions", kMaxRank);
  ECH_CHECK(extent >= 0, "extent {} is negative", extent);
  extents_[rank_++] = extent;
}

int64_t Shape::operator[](int dim) const {
  const int at = dim < 0 ? dim + static_cast<int>(rank_) : dim;
  ECH_CHECK(at >= 0 && at < static_cast<int>(rank_), "dimension {} of {}", dim, to_string(*this));
  return extents_[static_cast<size_t>(at)];
}

int64_t Shape::elements() const {
  int64_t n = 1;
  for (const int64_t e : *this)
    ECH_CHECK(!__builtin_mul_overflow(n, e, &n), "{} elements overflow", to_string(*this));
  return n;
}

Shape Shape::with(int dim, int64_t extent) const {
  Shape s = *this;
  s.extents_[static_cast<size_t>(dim < 0 ? dim + static_cast<int>(rank_) : dim)] = extent;
  return s;
}

std::string to_string(const Shape& shape) {
  return fmt::format("[{}]", fmt::join(shape.begin(), shape.end(), ", "));
}

}  // namespace echelon
