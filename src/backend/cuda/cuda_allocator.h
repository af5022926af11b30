#pragma once
#include <memory>

#include "echelon/device/allocator.h"

namespace echelon::backend::cuda {

/// Device memory (cudaMalloc, never managed) that keeps freed blocks by size class. Reuse follows
/// the order of one compute stream (echelon/ops/backend.h).
std::shared_ptr<Allocator> make_allocator(int index);

}  // namespace echelon::backend::cuda
