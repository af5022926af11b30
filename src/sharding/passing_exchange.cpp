#include <algorithm>
#include <deque>
#include <optional>
#include <utility>

#include "echelon/ops/elementwise.h"
#include "src/sharding/exchange.h"

namespace echelon::sharding {
namespace {

class PassingExchange final : public Exchange {
 public:
  PassingExchange(ExchangeSetup setup, Allocator& memory)
      : Exchange(std::move(setup)), memory_(memory), active_(setup_.buckets.size()) {
    int64_t mine = 0;
    for (size_t b = 0; b < setup_.buckets.size(); ++b) {
      mine += part(b);
      largest_ = std::max(largest_, setup_.buckets[b].elements);
    }
    all_ = Tensor::zeros({mine}, DType::f32, memory, MemoryCategory::gradients);
    int64_t at = 0;
    for (size_t b = 0; b < setup_.buckets.size(); at += part(b++))
      owned_.push_back(all_.flat(at, at + part(b)));
    for (size_t i = 0; i < std::min<size_t>(2, setup_.buckets.size()); ++i)
      add_staging(shared_buffer(comm(), largest_, DType::f32, memory.device()));
  }

  void zero(Stream& stream) override { ops::zero(all_, stream); }

  void prepare(nn::Parameter& parameter) override { activate(bucket_of(parameter)); }

  Tensor owned(size_t bucket) const override { return owned_[bucket]; }

  void count(StoreBytes& bytes) const override {
    bytes.gradients = static_cast<int64_t>(all_.bytes());
    bytes.staging = static_cast<int64_t>(staging_.size()) * largest_ * 4;
  }

 private:
  struct Returned {
    size_t slot;
    Event done;
  };

  bool eager() const override { return true; }
  bool repeats() const override { return true; }
  bool missing(size_t bucket) const override { return active_[bucket].has_value(); }

  void start(size_t bucket, Stream& stream) override {
    activate(bucket);
    const size_t slot = *std::exchange(active_[bucket], std::nullopt);
    for (const Placed& p : setup_.buckets[bucket].items) setup_.parameters[p.parameter]->grad = {};
    const Tensor whole = staging_[slot].flat(0, setup_.buckets[bucket].elements);
    const int64_t first = part(bucket) * comm().rank();
    const Tensor mine = whole.flat(first, first + part(bucket));
    if (comm().size() > 1)
      pending_.push_back(comm().reduce_scatter(whole, mine, comm::ReduceOp::sum, stream));
    ops::axpy(1.0f, mine, owned_[bucket], stream);
    returned_.push_back({slot, stream.record()});
  }

  void activate(size_t bucket) {
    if (active_[bucket]) return;
    const size_t slot = take_staging();
    active_[bucket] = slot;
    Tensor whole = staging_[slot].flat(0, setup_.buckets[bucket].elements);
    ops::zero(whole, *inline_);
    for (const Placed& p : setup_.buckets[bucket].items) {
      nn::Parameter& parameter = *setup_.parameters[p.parameter];
      parameter.grad = whole.flat(p.offset, p.offset + p.elements).view(parameter.shape);
    }
  }

  /// The choice depends on the order of calls alone, never on timing: ranks with the same order use
  /// the same slots.
  size_t take_staging() {
    if (free_.empty() && returned_.empty())  // own memory: peers need not grow at the same time
      add_staging(Tensor::empty({largest_}, DType::f32, memory_, MemoryCategory::buckets));
    if (!free_.empty()) {
      const size_t slot = free_.front();
      free_.pop_front();
      return slot;
    }
    const Returned oldest = std::move(returned_.front());
    returned_.pop_front();
    oldest.done.wait();
    return oldest.slot;
  }

  void add_staging(Tensor buffer) {
    free_.push_back(staging_.size());
    staging_.push_back(std::move(buffer));
  }

  Allocator& memory_;
  int64_t largest_ = 0;
  Tensor all_;                 // this rank's parts, summed over micro-batches
  std::vector<Tensor> owned_;  // views of it by bucket
  std::vector<Tensor> staging_;
  std::vector<std::optional<size_t>> active_;  // slot of a bucket that is being written
  std::deque<size_t> free_;
  std::deque<Returned> returned_;  // in the order of their reductions
  std::unique_ptr<Stream> inline_ = make_inline_stream();
};

}  // namespace

std::unique_ptr<Exchange> make_passing_exchange(ExchangeSetup setup, Allocator& memory) {
  return std::make_unique<PassingExchange>(std::move(setup), memory);
}

}  // namespace echelon::sharding
