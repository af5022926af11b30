#pragma once
// Who holds values and gradients, and how gradients meet across data-parallel ranks.
#include <memory>
#include <vector>

#include "echelon/comm/communicator.h"
#include "echelon/nn/parameter.h"
#include "echelon/optim/optimizer.h"

namespace echelon::sharding {

/// Owns the buffers behind Parameter::value and Parameter::grad. One step:
/// zero_grads, micro-batches (ready() as gradients complete), finish, [norm, clip, optimizer], publish.
class ParamStore : public nn::GradSink {
 public:
  /// Assigns value and grad of every parameter (values undefined, gradients zero). Once.
  virtual void adopt(std::vector<nn::Parameter*> parameters) = 0;
  /// What the optimizer of this rank updates.
  virtual std::vector<optim::Slice> slices() = 0;
  virtual void zero_grads(Stream& stream) = 0;
  /// Starts the reduction of a bucket once all its parameters are ready (on the communication stream).
  void ready(nn::Parameter& parameter) override = 0;
  /// Waits until every gradient is summed over the gradient group.
  virtual void finish(Stream& stream) = 0;
  /// Makes updated weights visible on every rank (ZeRO all-gather; nothing in stage 0).
  virtual void publish(Stream& stream) = 0;
  virtual const std::vector<nn::Parameter*>& parameters() const = 0;
};

}  // namespace echelon::sharding
