#include "src/sharding/exchange.h"

#include "echelon/ops/threads.h"

namespace echelon::sharding {

Exchange::Exchange(ExchangeSetup setup) : setup_(std::move(setup)) {
  ready_.resize(setup_.parameters.size());
  waiting_.resize(setup_.buckets.size());
  for (size_t b = 0; b < setup_.buckets.size(); ++b) {
    for (const Placed& p : setup_.buckets[b].items)
      places_[setup_.parameters[p.parameter]] = {p.parameter, b};
    begin_round(b);
  }
  if (!setup_.overlap || setup_.comm->size() == 1) return;
  worker_ = make_worker_stream("grad-reduce");
  worker_->run([] { ops::use_threads(1); });  // the cores belong to backward
}

void Exchange::begin_round(size_t bucket) {
  const auto& items = setup_.buckets[bucket].items;
  waiting_[bucket] = items.size();
  for (const Placed& p : items) ready_[p.parameter] = false;
}

size_t Exchange::bucket_of(nn::Parameter& parameter) const {
  const auto found = places_.find(&parameter);
  ECH_CHECK(found != places_.end(), "{}: not adopted", parameter.name);
  return found->second.bucket;
}

void Exchange::ready(nn::Parameter& parameter, Stream& inline_stream) {
  const size_t bucket = bucket_of(parameter);
  const size_t index = places_.at(&parameter).index;
  // One model chunk of the rank may be micro-batches ahead of another: its gradients add up.
  if (ready_[index] && repeats()) return;
  ECH_CHECK(!ready_[index], "{}: gradient ready twice before its bucket was reduced",
            parameter.name);
  ready_[index] = true;
  --waiting_[bucket];
  if (!eager()) return;
  if (repeats()) {
    if (waiting_[bucket] > 0) return;
    start(bucket, lane(inline_stream));
    begin_round(bucket);
    return;
  }
  for (; next_ < setup_.buckets.size() && waiting_[next_] == 0; ++next_)
    start(next_, lane(inline_stream));
}

void Exchange::finish(Stream& stream) {
  for (; next_ < setup_.buckets.size(); ++next_)
    if (missing(next_)) start(next_, lane(stream));
  next_ = 0;
  for (size_t b = 0; b < setup_.buckets.size(); ++b) begin_round(b);
  std::vector<comm::Pending> pending = std::move(pending_);
  pending_.clear();
  for (comm::Pending& p : pending) std::move(p).wait();
  if (worker_) worker_->synchronize();
}

Tensor shared_buffer(comm::Communicator& comm, int64_t elements, DType dtype, Device device) {
  const size_t bytes = static_cast<size_t>(elements) * size_of(dtype);
  return Tensor::wrap(comm.symmetric_memory(bytes), {elements}, dtype, device);
}

}  // namespace echelon::sharding
