#include "echelon/ops/elementwise.h"
#include "src/sharding/exchange.h"

namespace echelon::sharding {
namespace {

class ResidentExchange final : public Exchange {
 public:
  ResidentExchange(ExchangeSetup setup, Allocator& memory) : Exchange(std::move(setup)) {
    int64_t total = 0;
    for (const Bucket& b : setup_.buckets) total += b.elements;
    all_ = comm().size() > 1
               ? shared_buffer(comm(), total, DType::f32, memory.device())
               : Tensor::zeros({total}, DType::f32, memory, MemoryCategory::gradients);
    int64_t at = 0;
    for (const Bucket& b : setup_.buckets) {
      const Tensor& bucket = buckets_.emplace_back(all_.flat(at, at + b.elements));
      for (const Placed& p : b.items) {
        nn::Parameter& parameter = *setup_.parameters[p.parameter];
        parameter.grad = bucket.flat(p.offset, p.offset + p.elements).view(parameter.shape);
      }
      at += b.elements;
    }
  }

  void zero(Stream& stream) override { ops::zero(all_, stream); }

  Tensor owned(size_t bucket) const override {
    if (!setup_.sharded) return buckets_[bucket];
    const int64_t first = part(bucket) * comm().rank();
    return buckets_[bucket].flat(first, first + part(bucket));
  }

  void count(StoreBytes& bytes) const override {
    bytes.gradients = static_cast<int64_t>(all_.bytes());
  }

 private:
  bool eager() const override { return worker_ != nullptr; }
  bool repeats() const override { return false; }
  bool missing(size_t) const override { return true; }

  void start(size_t bucket, Stream& stream) override {
    if (comm().size() == 1) return;
    const Tensor& whole = buckets_[bucket];
    pending_.push_back(
        setup_.sharded ? comm().reduce_scatter(whole, owned(bucket), comm::ReduceOp::sum, stream)
                       : comm().all_reduce(whole, comm::ReduceOp::sum, stream));
  }

  Tensor all_;
  std::vector<Tensor> buckets_;
};

}  // namespace

std::unique_ptr<Exchange> make_resident_exchange(ExchangeSetup setup, Allocator& memory) {
  return std::make_unique<ResidentExchange>(std::move(setup), memory);
}

}  // namespace echelon::sharding
