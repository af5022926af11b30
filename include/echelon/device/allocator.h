#pragma once
// Memory of one rank on one device, counted by what it is for.
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "echelon/device/device.h"

namespace echelon {

enum class MemoryCategory : uint8_t {
  weights,
  gradients,
  optimizer,
  activations,
  buckets,
  workspace
};
inline constexpr size_t kMemoryCategories = 6;
std::string_view name_of(MemoryCategory category);

/// Bytes handed out, by category.
struct MemoryUse {
  std::array<size_t, kMemoryCategories> now{};
  std::array<size_t, kMemoryCategories> peak{};  ///< each category's own highest
  size_t total_now = 0;
  size_t total_peak = 0;
  size_t cached = 0;  ///< taken from the system, at present handed to nobody
};

/// Source of buffers. Thread-safe. A buffer may outlive the allocator object.
class Allocator {
 public:
  virtual ~Allocator() = default;
  /// At least `bytes` bytes aligned to 64; contents undefined. Throws Error(out_of_memory).
  virtual std::shared_ptr<std::byte> allocate(size_t bytes, MemoryCategory category) = 0;
  virtual Device device() const = 0;
  virtual MemoryUse use() const = 0;
};

/// Host memory that keeps freed blocks by size class, so that a training step maps no new pages.
std::shared_ptr<Allocator> make_cpu_allocator();

}  // namespace echelon
