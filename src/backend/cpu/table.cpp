#include "cpu_ops.h"

namespace echelon::ops {
namespace {

OpTable make_table() {
  OpTable t;
  backend::cpu::fill_linear(t);
  backend::cpu::fill_attention(t);
  backend::cpu::fill_norm(t);
  backend::cpu::fill_activation(t);
  backend::cpu::fill_embedding(t);
  backend::cpu::fill_cross_entropy(t);
  backend::cpu::fill_elementwise(t);
  backend::cpu::fill_random(t);
  backend::cpu::fill_optimizer(t);
  return t;
}

}  // namespace

const OpTable& cpu_table() {
  static const OpTable kTable = make_table();
  return kTable;
}

}  // namespace echelon::ops
