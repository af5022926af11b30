#include "src/sharding/flat_store.h"

#include "echelon/comm/world.h"
#include "echelon/ops/elementwise.h"
#include "echelon/optim/config.h"

namespace echelon::sharding {

FlatStore::FlatStore(const StoreOptions& options, const SyncGroups& groups, Allocator& memory)
    : options_(options), groups_(groups), memory_(memory) {
  // Reductions run beside the compute thread, so they get a group of their own.
  own_ = groups_.grad && groups_.grad->size() > 1
             ? groups_.grad->split(0, groups_.grad->rank(), groups_.grad->name())
             : comm::make_self("dp");
}

bool FlatStore::tied(const nn::Parameter& p) const {
  return groups_.embedding && (p.shard.tied_copy || p.name == groups_.tied_parameter);
}

void FlatStore::adopt(std::vector<nn::Parameter*> parameters) {
  ECH_CHECK(!exchange_, "parameters adopted twice");
  parameters_ = std::move(parameters);
  std::vector<Extent> extents;
  for (const nn::Parameter* p : parameters_)
    extents.push_back({p->shape.elements(), tied(*p), unit_of(*p)});
  buckets_ = layout_buckets(extents, bucket_rule(options_.sharding, own_->size()));
  pieces_ = sharded() ? pieces_of(buckets_, own_->rank(), own_->size()) : pieces_of(buckets_, 0, 1);
  place_values();
  place_masters();
  ExchangeSetup setup{parameters_, buckets_, own_.get(), sharded(), options_.sharding.overlap_comm};
  exchange_ = options_.sharding.stage >= 2 ? make_passing_exchange(std::move(setup), memory_)
                                           : make_resident_exchange(std::move(setup), memory_);
}

void FlatStore::place_values() {
  int64_t total = 0;
  for (const Bucket& b : buckets_) total += b.elements;
  all_values_ = sharded() && own_->size() > 1
                    ? shared_buffer(*own_, total, options_.weights, memory_.device())
                    : Tensor::zeros({total}, options_.weights, memory_, MemoryCategory::weights);
  int64_t at = 0;
  for (const Bucket& b : buckets_) {
    const Tensor& values = values_.emplace_back(all_values_.flat(at, at + b.elements));
    for (const Placed& p : b.items) {
      nn::Parameter& parameter = *parameters_[p.parameter];
      parameter.value = values.flat(p.offset, p.offset + p.elements).view(parameter.shape);
    }
    at += b.elements;
  }
}

void FlatStore::place_masters() {
  for (size_t b = 0; b < buckets_.size(); ++b) {
    const Tensor mine = owned_values(b);
    masters_.push_back(
        mixed() ? Tensor::zeros({mine.elements()}, DType::f32, memory_, MemoryCategory::optimizer)
                : mine);
  }
}

Tensor FlatStore::owned_values(size_t bucket) const {
  if (!sharded()) return values_[bucket];
  const int64_t part = buckets_[bucket].elements / own_->size();
  return values_[bucket].flat(part * own_->rank(), part * (own_->rank() + 1));
}

Tensor FlatStore::gradient_of(const Piece& piece) const {
  return exchange_->owned(piece.bucket).flat(piece.offset, piece.offset + piece.to - piece.from);
}

std::vector<optim::Slice> FlatStore::slices() {
  ECH_CHECK(exchange_, "slices before adopt");
  const bool first_of_tp = !groups_.tp || groups_.tp->rank() == 0;
  std::vector<optim::Slice> slices;
  for (const Piece& piece : pieces_) {
    const nn::Parameter& p = *parameters_[piece.parameter];
    const bool own = first_of_tp || p.shard.tp != parallel::TpSplit::replicated;
    slices.push_back(
        {.name = p.name,
         .master = masters_[piece.bucket].flat(piece.offset, piece.offset + piece.to - piece.from),
         .grad = gradient_of(piece),
         .decay = optim::decays(p.role == nn::Role::matrix, p.name, options_.no_weight_decay),
         .tensor = static_cast<int>(piece.parameter),
         .counted = own && !p.shard.tied_copy,
         .counted_in_tensor = own,
         .from = piece.from,
         .to = piece.to});
  }
  return slices;
}

void FlatStore::finish(Stream& stream) {
  exchange_->finish(stream);
  if (groups_.sequence_parallel && groups_.tp && groups_.tp->size() > 1) sum_partial(stream);
  if (groups_.embedding && groups_.embedding->size() > 1) sum_tied(stream);
}

void FlatStore::sum_partial(Stream& stream) {
  // One message of the same size on every rank: what this rank does not own stays zero in it.
  std::vector<int64_t> place(parameters_.size(), -1);
  int64_t total = 0;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    if (!parameters_[i]->shard.partial_under_sp) continue;
    place[i] = total;
    total += parameters_[i]->shape.elements();
  }
  if (total == 0) return;
  const Tensor message = Tensor::zeros({total}, DType::f32, memory_, MemoryCategory::buckets);
  const auto exchange_pieces = [&](bool out) {
    for (const Piece& piece : pieces_) {
      if (place[piece.parameter] < 0) continue;
      const int64_t at = place[piece.parameter];
      Tensor there = message.flat(at + piece.from, at + piece.to);
      Tensor here = gradient_of(piece);
      if (out)
        copy(here, there);
      else
        copy(there, here);
    }
  };
  exchange_pieces(true);
  groups_.tp->all_reduce(message, comm::ReduceOp::sum, stream).wait();
  exchange_pieces(false);
}

void FlatStore::sum_tied(Stream& stream) {
  for (size_t b = 0; b < buckets_.size(); ++b) {
    for (const Placed& p : buckets_[b].items) {
      if (!tied(*parameters_[p.parameter])) continue;
      const Tensor gradient = sharded() ? exchange_->owned(b)
                                        : exchange_->owned(b).flat(p.offset, p.offset + p.elements);
      groups_.embedding->all_reduce(gradient, comm::ReduceOp::sum, stream).wait();
    }
  }
}

void FlatStore::initialize(const std::function<void(const std::vector<nn::Parameter*>&)>& fill,
                           Stream& stream) {
  fill(parameters_);
  import_values(stream);
}

void FlatStore::import_values(Stream& stream) {
  if (!mixed()) return;
  for (size_t b = 0; b < buckets_.size(); ++b) ops::cast(owned_values(b), masters_[b], stream);
}

void FlatStore::publish(Stream& stream) {
  std::vector<comm::Pending> pending;
  for (size_t b = 0; b < buckets_.size(); ++b) {
    Tensor mine = owned_values(b);
    if (mixed()) ops::cast(masters_[b], mine, stream);
    if (sharded() && own_->size() > 1)
      pending.push_back(own_->all_gather(mine, values_[b], stream));
  }
  for (comm::Pending& p : pending) std::move(p).wait();
}

optim::TensorSums FlatStore::tensor_sums() {
  std::vector<comm::Communicator*> over{groups_.tp};
  if (sharded()) over.push_back(own_.get());
  return {static_cast<int>(parameters_.size()), optim::sum_over(std::move(over))};
}

optim::SumOverRanks FlatStore::norm_sum() {
  return optim::sum_over({sharded() ? groups_.world : groups_.model});
}

StoreBytes FlatStore::bytes() const {
  StoreBytes bytes;
  if (all_values_.defined()) bytes.weights = static_cast<int64_t>(all_values_.bytes());
  if (mixed())
    for (const Tensor& m : masters_) bytes.master += static_cast<int64_t>(m.bytes());
  exchange_->count(bytes);
  return bytes;
}

SyncGroups groups_of(const parallel::Mesh& mesh, bool sequence_parallel,
                     std::string tied_parameter) {
  return {.grad = &mesh.grad(),
          .tp = &mesh.on(parallel::Axis::tp),
          .model = &mesh.model(),
          .world = &mesh.world(),
          .embedding = tied_parameter.empty() ? nullptr : mesh.embedding(),
          .sequence_parallel = sequence_parallel,
          .tied_parameter = std::move(tied_parameter)};
}

std::unique_ptr<ParamStore> make_param_store(const StoreOptions& options, const SyncGroups& groups,
                                             Allocator& memory) {
  check(options.sharding);
  if (options.sharding.stage == 3) return make_unit_store(options, groups, memory);
  return std::make_unique<FlatStore>(options, groups, memory);
}

}  // namespace echelon::sharding
