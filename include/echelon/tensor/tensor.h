#pragma once
// A row-major, contiguous view of a shared buffer. Copying a Tensor copies the view, never the
// data.
#include <memory>
#include <span>

#include "echelon/base/error.h"
#include "echelon/device/allocator.h"
#include "echelon/device/dtype.h"
#include "echelon/tensor/shape.h"

namespace echelon {

class Tensor {
 public:
  Tensor() = default;  ///< undefined: no data

  /// Contents undefined.
  static Tensor empty(const Shape& shape, DType dtype, Allocator& allocator,
                      MemoryCategory category = MemoryCategory::activations);
  static Tensor zeros(const Shape& shape, DType dtype, Allocator& allocator,
                      MemoryCategory category = MemoryCategory::activations);
  /// A view of memory somebody else owns; `owner` is kept alive.
  static Tensor wrap(std::shared_ptr<std::byte> owner, const Shape& shape, DType dtype,
                     Device device);

  bool defined() const { return data_ != nullptr; }
  const Shape& shape() const { return shape_; }
  int64_t size(int dim) const { return shape_[dim]; }
  DType dtype() const { return dtype_; }
  Device device() const { return device_; }
  int64_t elements() const { return shape_.elements(); }
  size_t bytes() const { return static_cast<size_t>(elements()) * size_of(dtype_); }

  /// Same data, other extents; the number of elements must not change.
  Tensor view(const Shape& shape) const;
  /// Rows [from, to) of the first dimension.
  Tensor slice(int64_t from, int64_t to) const;
  /// Elements [from, to) of the flattened tensor, as a 1-D view.
  Tensor flat(int64_t from, int64_t to) const;
  Tensor flat() const { return view({elements()}); }

  std::byte* raw() const { return data_.get(); }
  /// Expires when nobody holds the buffer any more.
  std::weak_ptr<const std::byte> watch() const { return data_; }
  /// Typed elements. Throws when T is not the dtype or the data is not on the host.
  template <class T>
  std::span<T> span() const {
    ECH_CHECK(DTypeOf<T>::value == dtype_, "tensor is {}, asked as another type", name_of(dtype_));
    ECH_CHECK(device_.kind == DeviceKind::cpu, "tensor is on {}", to_string(device_));
    return {reinterpret_cast<T*>(data_.get()), static_cast<size_t>(elements())};
  }
  template <class T>
  T* data() const {
    return span<T>().data();
  }

 private:
  std::shared_ptr<std::byte> data_;  // points at the first element, owns the whole buffer
  Shape shape_;
  DType dtype_ = DType::f32;
  Device device_;
};

/// Same bytes into `dst` (host to host); shapes and dtypes must agree.
void copy(const Tensor& src, Tensor& dst);
Tensor clone(const Tensor& src, Allocator& allocator, MemoryCategory category);
void fill_zero(Tensor& dst);

}  // namespace echelon
