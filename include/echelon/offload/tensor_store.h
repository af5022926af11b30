#pragma once
// A place beside the device's memory where tensors wait.
#include <memory>

#include "echelon/device/stream.h"
#include "echelon/offload/config.h"
#include "echelon/tensor/tensor.h"

namespace echelon::offload {

/// A tensor on its way back; readable once `done` has been waited for.
struct Fetched {
  Tensor tensor;
  Event done;
};

/// Keeps bytes, gives back the same ones. Used by one thread. Errors of writing and reading are
/// Error(storage); those of a write under way may come with a later call.
class TensorStore {
 public:
  using Ticket = int64_t;
  virtual ~TensorStore() = default;
  /// Starts taking a copy; the tensor must not change any more. Waits while too many are under way.
  virtual Ticket put(const Tensor& tensor) = 0;
  /// Starts giving back what `ticket` stands for, in memory of `memory`; the ticket is used up.
  virtual Fetched fetch(Ticket ticket, Allocator& memory) = 0;
  /// Gives the place up unread.
  virtual void drop(Ticket ticket) = 0;
  /// Whether a fetch goes on beside the caller's work.
  virtual bool reads_ahead() const = 0;
  virtual size_t bytes() const = 0;  ///< held at present
  virtual size_t peak_bytes() const = 0;
};

/// A memory pool of its own.
std::unique_ptr<TensorStore> make_memory_store();
/// A nameless file below `folder`, written and read by a thread of its own. Throws Error(config,
/// "V29") when no file can be made there.
std::unique_ptr<TensorStore> make_file_store(const std::string& folder);
/// Null for Place::none.
std::unique_ptr<TensorStore> make_store(const OffloadConfig& config);

}  // namespace echelon::offload
