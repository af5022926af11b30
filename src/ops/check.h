#pragma once
// Argument checks of the ops: dtype, shape, and one device for all.
#include <string_view>

#include "echelon/base/error.h"
#include "echelon/ops/table.h"
#include "echelon/tensor/tensor.h"

namespace echelon::ops {

/// Rows of a tensor seen as a matrix of its last dimension.
inline int64_t columns_of(const Tensor& t) { return t.shape().rank() == 0 ? 1 : t.size(-1); }
inline int64_t rows_of(const Tensor& t) {
  const int64_t columns = columns_of(t);
  return columns == 0 ? 0 : t.elements() / columns;
}
inline bool is_float(DType t) { return t == DType::f32 || t == DType::bf16 || t == DType::f16; }

/// Checks tensors of one op call one after the other; throws Error(internal) naming op and
/// argument.
class Arguments {
 public:
  Arguments(std::string_view op, const Tensor& first) : op_(op), device_(first.device()) {}

  Arguments& defined(std::string_view name, const Tensor& t) {
    ECH_CHECK(t.defined() || t.elements() == 0, "{}: {} is undefined", op_, name);
    ECH_CHECK(t.device() == device_, "{}: {} is on {}, wanted {}", op_, name, to_string(t.device()),
              to_string(device_));
    return *this;
  }
  Arguments& typed(std::string_view name, const Tensor& t, DType dtype) {
    defined(name, t);
    ECH_CHECK(t.dtype() == dtype, "{}: {} is {}, wanted {}", op_, name, name_of(t.dtype()),
              name_of(dtype));
    return *this;
  }
  /// f32 [rows, columns]; leading dimensions may be several.
  Arguments& matrix(std::string_view name, const Tensor& t, int64_t rows, int64_t columns) {
    typed(name, t, DType::f32);
    ECH_CHECK(columns_of(t) == columns && t.elements() == rows * columns,
              "{}: {} is {}, wanted {} rows of {}", op_, name, to_string(t.shape()), rows, columns);
    return *this;
  }
  Arguments& count(std::string_view name, const Tensor& t, DType dtype, int64_t elements) {
    typed(name, t, dtype);
    ECH_CHECK(t.elements() == elements, "{}: {} is {}, wanted {} elements", op_, name,
              to_string(t.shape()), elements);
    return *this;
  }
  Arguments& vector(std::string_view name, const Tensor& t, int64_t elements) {
    return count(name, t, DType::f32, elements);
  }
  const OpTable& table() const { return ops::table(device_); }

 private:
  std::string_view op_;
  Device device_;
};

}  // namespace echelon::ops
