#pragma once
// The ParamStore of stages 0 to 2: flat weights in the bucket layout, an Exchange for the
// gradients.
#include <memory>

#include "echelon/sharding/param_store.h"
#include "src/sharding/exchange.h"

namespace echelon::sharding {

class FlatStore : public ParamStore {
 public:
  FlatStore(const StoreOptions& options, const SyncGroups& groups, Allocator& memory);

  void adopt(std::vector<nn::Parameter*> parameters) override;
  std::vector<optim::Slice> slices() override;
  void zero_grads(Stream& stream) override { exchange_->zero(stream); }
  void prepare(nn::Parameter& parameter) override { exchange_->prepare(parameter); }
  void ready(nn::Parameter& parameter) override { exchange_->ready(parameter, *inline_); }
  bool reduces_every_micro_batch() const override { return options_.sharding.stage >= 2; }
  void finish(Stream& stream) override;
  void initialize(const std::function<void(const std::vector<nn::Parameter*>&)>& fill,
                  Stream& stream) override;
  void import_values(Stream& stream) override;
  void publish(Stream& stream) override;
  const std::vector<nn::Parameter*>& parameters() const override { return parameters_; }
  optim::TensorSums tensor_sums() override;
  optim::SumOverRanks norm_sum() override;
  const std::vector<Bucket>& buckets() const override { return buckets_; }
  StoreBytes bytes() const override;

 protected:
  bool mixed() const { return options_.weights != DType::f32; }
  /// Memory for what `owned_values` hands out and what layers read.
  virtual void place_values();
  /// The part of a bucket's weights that this rank updates.
  virtual Tensor owned_values(size_t bucket) const;
  virtual size_t unit_of(const nn::Parameter&) const { return 0; }

  StoreOptions options_;
  SyncGroups groups_;
  Allocator& memory_;
  std::unique_ptr<comm::Communicator> own_;  // of the gradient group; self when that has one rank
  std::vector<nn::Parameter*> parameters_;
  std::vector<Bucket> buckets_;
  std::vector<Tensor> masters_;  // by bucket, what this rank owns; f32: views of the values

 private:
  bool sharded() const { return options_.sharding.stage >= 1; }
  bool tied(const nn::Parameter& p) const;
  void place_masters();
  Tensor gradient_of(const Piece& piece) const;
  void sum_partial(Stream& stream);
  void sum_tied(Stream& stream);

  std::unique_ptr<Stream> inline_ = make_inline_stream();
  std::vector<Piece> pieces_;
  Tensor all_values_;
  std::vector<Tensor> values_;  // by bucket
  std::unique_ptr<Exchange> exchange_;
};

/// Stage 3.
std::unique_ptr<ParamStore> make_unit_store(const StoreOptions& options, const SyncGroups& groups,
                                            Allocator& memory);

}  // namespace echelon::sharding
