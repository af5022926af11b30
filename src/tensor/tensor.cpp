#include "echelon/tensor/tensor.h"

#include <cstring>

namespace echelon {

Tensor Tensor::empty(const Shape& shape, DType dtype, Allocator& allocator,
                     MemoryCategory category) {
  const auto bytes = static_cast<size_t>(shape.elements()) * size_of(dtype);
  return wrap(allocator.allocate(bytes, category), shape, dtype, allocator.device());
}

Tensor Tensor::zeros(const Shape& shape, DType dtype, Allocator& allocator,
                     MemoryCategory category) {
  Tensor t = empty(shape, dtype, allocator, category);
  fill_zero(t);
  return t;
}

Tensor Tensor::wrap(std::shared_ptr<std::byte> owner, const Shape& shape, DType dtype,
                    Device device) {
  Tensor t;
  t.data_ = std::move(owner);
  t.shape_ = shape;
  t.dtype_ = dtype;
  t.device_ = device;
  return t;
}

Tensor Tensor::view(const Shape& shape) const {
  ECH_CHECK(shape.elements() == elements(), "view {} of {}", to_string(shape), to_string(shape_));
  Tensor t = *this;
  t.shape_ = shape;
  return t;
}

Tensor Tensor::slice(int64_t from, int64_t to) const {
  ECH_CHECK(0 <= from && from <= to && to <= shape_[0], "rows [{}, {}) of {}", from, to,
            to_string(shape_));
  const int64_t row = shape_[0] == 0 ? 0 : elements() / shape_[0];
  Tensor t = flat(from * row, to * row);
  t.shape_ = shape_.with(0, to - from);
  return t;
}

Tensor Tensor::flat(int64_t from, int64_t to) const {
  ECH_CHECK(0 <= from && from <= to && to <= elements(), "elements [{}, {}) of {}", from, to,
            elements());
  Tensor t = *this;
  t.data_ =
      std::shared_ptr<std::byte>(data_, data_.get() + static_cast<size_t>(from) * size_of(dtype_));
  t.shape_ = {to - from};
  return t;
}

void copy(const Tensor& src, Tensor& dst) {
  ECH_CHECK(src.elements() == dst.elements() && src.dtype() == dst.dtype(), "copy {} {} to {} {}",
            name_of(src.dtype()), to_string(src.shape()), name_of(dst.dtype()),
            to_string(dst.shape()));
  if (src.bytes() > 0) std::memmove(dst.raw(), src.raw(), src.bytes());
}

Tensor clone(const Tensor& src, Allocator& allocator, MemoryCategory category) {
  Tensor t = Tensor::empty(src.shape(), src.dtype(), allocator, category);
  copy(src, t);
  return t;
}

void fill_zero(Tensor& dst) {
  if (dst.bytes() > 0) std::memset(dst.raw(), 0, dst.bytes());
}

}  // namespace echelon
