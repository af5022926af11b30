// Built where cuDNN's headers are absent: every attention takes the kernels of this project.
#include "flash_plans.h"

namespace echelon::backend::cuda {

struct FlashPlans::State {};

FlashPlans::FlashPlans() = default;
FlashPlans::~FlashPlans() = default;
bool FlashPlans::forward(const FlashShape&, const FlashTensors&, CudaStream&) { return false; }
bool FlashPlans::backward(const FlashShape&, const FlashTensors&, CudaStream&) { return false; }

}  // namespace echelon::backend::cuda
