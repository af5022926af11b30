#pragma once
#include "echelon/base/philox.h"
#include "echelon/device/stream.h"
#include "echelon/tensor/tensor.h"

namespace echelon::ops {

void zero(Tensor& dst, Stream& stream);
/// dst = a + b (any may alias).
void add(const Tensor& a, const Tensor& b, Tensor& dst, Stream& stream);
/// dst += factor * src.
void axpy(float factor, const Tensor& src, Tensor& dst, Stream& stream);
void scale(float factor, Tensor& dst, Stream& stream);
/// f32 <-> bf16 <-> f16, round to nearest even.
void cast(const Tensor& src, Tensor& dst, Stream& stream);

/// Which elements of a whole tensor a part holds: element (r, c) of the part is element
/// (first_row + r)*whole_columns + first_column + c of the whole.
struct Placement {
  int64_t whole_columns = 0;
  int64_t first_row = 0;
  int64_t first_column = 0;
};

/// In place on x[R,C]: kept iff rng.uniform(element) >= p, then multiplied by 1/(1-p). The gradient
/// is the same call on dy: no mask is stored.
void dropout(Tensor& x, float p, Philox rng, const Placement& where, Stream& stream);

/// dst[R,C] = mean + deviation * rng.normal(element).
void fill_normal(Tensor& dst, float mean, float deviation, Philox rng, const Placement& where,
                 Stream& stream);
/// dst[R,C] = uniform in [-bound, bound): bound*(2u - 1).
void fill_uniform(Tensor& dst, float bound, Philox rng, const Placement& where, Stream& stream);
void fill_constant(Tensor& dst, float value, Stream& stream);

/// Sum of squares in double, in a fixed order that does not depend on the number of threads.
double sum_of_squares(const Tensor& x, Stream& stream);
bool all_finite(const Tensor& x, Stream& stream);

}  // namespace echelon::ops
