#pragma once
// A few parameters trained on made-up gradients by ranks that are threads.
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "echelon/base/trace.h"
#include "echelon/comm/world.h"
#include "echelon/optim/config.h"
#include "echelon/sharding/param_store.h"

namespace echelon::test {

struct ToyModel {
  std::deque<nn::Parameter> parameters;
  std::vector<nn::Parameter*> list();
};
/// Two blocks between a table and a final gain; 1,200 elements of odd sizes. Names carry "norm" for
/// vectors that are partial under sequence parallelism.
ToyModel toy_model();
/// Gradient of micro-batch `unit` of update `step` for parameter `index`.
std::vector<float> toy_gradient(size_t index, int64_t elements, int step, int unit);
std::vector<float> toy_weights(size_t index, int64_t elements);

/// Counts calls and elements by "op group".
class CallCounter : public CommSink {
 public:
  void record(const CommRecord& r) override;
  int64_t calls(const std::string& op) const;
  int64_t elements(const std::string& op) const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::pair<int64_t, int64_t>> seen_;
};

struct Training {
  int ranks = 1;
  int64_t stage = 0;
  bool overlap = true;
  DType weights = DType::f32;
  std::string optimizer = "adamw";
  double clip = 0;
  int64_t cap = 300;
  int steps = 3;
  int units = 4;            ///< micro-batches of an update, dealt to the ranks
  uint64_t shuffle = 0;     ///< another ready order on every rank; 0: backward order
  size_t never_ready = 99;  ///< index of a parameter nobody reports
};
struct Trained {
  std::vector<std::vector<float>> weights;  ///< by rank: all values in registration order
  std::vector<float> norms;                 ///< of rank 0, by step
  std::vector<sharding::StoreBytes> bytes;  ///< by rank
  std::vector<size_t> optimizer_bytes;      ///< by rank, as the allocator counts
  size_t buckets = 0;
  int64_t padded = 0;
  int64_t all_reduces = 0, reduce_scatters = 0, all_gathers = 0;  ///< rank 0, dp group
  int64_t gathered_elements = 0;
};
Trained train(const Training& with);

}  // namespace echelon::test
