#include "kernels/cpu/random.h"

#include "cpu_ops.h"

namespace echelon::backend::cpu {
namespace {

namespace k = kernels::cpu;

k::Part part_of(const Tensor& t, const ops::Placement& where) {
  return {rows_of(t), columns_of(t), where.whole_columns, where.first_row, where.first_column};
}

void dropout(Tensor& x, float p, Philox rng, const ops::Placement& where, Stream& stream) {
  stream.run([=] { k::dropout(f32(x), p, key_of(rng), part_of(x, where)); });
}
void fill_normal(Tensor& dst, float mean, float deviation, Philox rng, const ops::Placement& where,
                 Stream& stream) {
  stream.run([=] { k::fill_normal(f32(dst), mean, deviation, key_of(rng), part_of(dst, where)); });
}
void fill_uniform(Tensor& dst, float bound, Philox rng, const ops::Placement& where,
                  Stream& stream) {
  stream.run([=] { k::fill_uniform(f32(dst), bound, key_of(rng), part_of(dst, where)); });
}

}  // namespace

void fill_random(ops::OpTable& table) {
  table.dropout = dropout;
  table.fill_normal = fill_normal;
  table.fill_uniform = fill_uniform;
}

}  // namespace echelon::backend::cpu
