#pragma once
// One table of functions per device kind; ops check their arguments, then call through it.
#include "echelon/ops/activation.h"
#include "echelon/ops/attention.h"
#include "echelon/ops/cross_entropy.h"
#include "echelon/ops/elementwise.h"
#include "echelon/ops/embedding.h"
#include "echelon/ops/linear.h"
#include "echelon/ops/norm.h"
#include "echelon/ops/optimizer.h"

namespace echelon::ops {

/// Same signatures and contracts as the ops of the same names; arguments arrive checked.
struct OpTable {
  decltype(&ops::linear_forward) linear_forward = nullptr;
  decltype(&ops::linear_backward_input) linear_backward_input = nullptr;
  decltype(&ops::linear_backward_weight) linear_backward_weight = nullptr;

  decltype(&ops::sdpa_forward) sdpa_forward = nullptr;
  decltype(&ops::sdpa_backward) sdpa_backward = nullptr;
  decltype(&ops::rope) rope = nullptr;

  decltype(&ops::layer_norm_forward) layer_norm_forward = nullptr;
  decltype(&ops::layer_norm_backward) layer_norm_backward = nullptr;
  decltype(&ops::rms_norm_forward) rms_norm_forward = nullptr;
  decltype(&ops::rms_norm_backward) rms_norm_backward = nullptr;

  decltype(&ops::activation_forward) activation_forward = nullptr;
  decltype(&ops::activation_backward) activation_backward = nullptr;

  decltype(&ops::embedding_forward) embedding_forward = nullptr;
  decltype(&ops::embedding_backward) embedding_backward = nullptr;
  decltype(&ops::position_add) position_add = nullptr;
  decltype(&ops::position_backward) position_backward = nullptr;

  decltype(&ops::cross_entropy_max) cross_entropy_max = nullptr;
  decltype(&ops::cross_entropy_sums) cross_entropy_sums = nullptr;
  decltype(&ops::cross_entropy_loss) cross_entropy_loss = nullptr;
  decltype(&ops::cross_entropy_backward) cross_entropy_backward = nullptr;

  decltype(&ops::zero) zero = nullptr;
  decltype(&ops::add) add = nullptr;
  decltype(&ops::axpy) axpy = nullptr;
  decltype(&ops::scale) scale = nullptr;
  decltype(&ops::cast) cast = nullptr;
  decltype(&ops::dropout) dropout = nullptr;
  decltype(&ops::fill_normal) fill_normal = nullptr;
  decltype(&ops::fill_uniform) fill_uniform = nullptr;
  decltype(&ops::fill_constant) fill_constant = nullptr;
  decltype(&ops::sum_of_squares) sum_of_squares = nullptr;
  decltype(&ops::all_finite) all_finite = nullptr;

  decltype(&ops::adam_update) adam_update = nullptr;
  decltype(&ops::lion_update) lion_update = nullptr;
  decltype(&ops::sgd_update) sgd_update = nullptr;
  decltype(&ops::lamb_direction) lamb_direction = nullptr;
};

/// The table of a device's kind. Throws Error(environment) when this program has no backend for it.
const OpTable& table(Device device);

/// The CPU backend's table (src/backend/cpu/table.cpp).
const OpTable& cpu_table();

}  // namespace echelon::ops
