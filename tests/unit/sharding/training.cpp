#include "tests/unit/sharding/training.h"

#include <algorithm>
#include <numeric>

#include "echelon/base/philox.h"
#include "echelon/ops/elementwise.h"
#include "echelon/ops/threads.h"
#include "echelon/optim/norm.h"
#include "tests/support/golden.h"

namespace echelon::test {

std::vector<nn::Parameter*> ToyModel::list() {
  std::vector<nn::Parameter*> out;
  for (nn::Parameter& p : parameters) out.push_back(&p);
  return out;
}

ToyModel toy_model() {
  ToyModel model;
  const auto add = [&](const std::string& name, const Shape& shape) {
    nn::Parameter p;
    p.name = name;
    p.role = shape.rank() >= 2 ? nn::Role::matrix : nn::Role::vector;
    p.shape = shape;
    p.shard.partial_under_sp = name.find("norm") != std::string::npos;
    p.shard.tp =
        p.role == nn::Role::matrix ? parallel::TpSplit::rows : parallel::TpSplit::replicated;
    p.shard.number = static_cast<int64_t>(model.parameters.size());
    model.parameters.push_back(p);
  };
  add("tok.weight", {37, 7});
  for (const char* block : {"h.0.", "h.1."}) {
    add(std::string(block) + "norm.weight", {7});
    add(std::string(block) + "fc.weight", {29, 7});
    add(std::string(block) + "fc.bias", {29});
    add(std::string(block) + "out.weight", {7, 29});
    add(std::string(block) + "out.bias", {7});
  }
  add("norm.weight", {7});
  return model;
}

std::vector<float> toy_gradient(size_t index, int64_t elements, int step, int unit) {
  return fill(elements, 1000 * step + 100 * unit + static_cast<int>(index), 0.1);
}
std::vector<float> toy_weights(size_t index, int64_t elements) {
  return fill(elements, 7000 + static_cast<int>(index), 0.5);
}

void CallCounter::record(const CommRecord& r) {
  const std::lock_guard lock(mutex_);
  auto& [calls, elements] = seen_[r.op + " " + r.group];
  ++calls;
  elements += r.elements;
}
int64_t CallCounter::calls(const std::string& op) const {
  const auto found = seen_.find(op);
  return found == seen_.end() ? 0 : found->second.first;
}
int64_t CallCounter::elements(const std::string& op) const {
  const auto found = seen_.find(op);
  return found == seen_.end() ? 0 : found->second.second;
}

namespace {

/// The order in which a rank's gradients become ready: backward, or shuffled.
std::vector<size_t> ready_order(size_t count, uint64_t shuffle, int rank, int round) {
  std::vector<size_t> order(count);
  std::iota(order.rbegin(), order.rend(), size_t{0});
  if (shuffle == 0) return order;
  const auto drawn = permutation(static_cast<int64_t>(count),
                                 {shuffle + static_cast<uint64_t>(rank),
                                  make_stream(Draw::test, 0, 0, static_cast<uint64_t>(round))});
  for (size_t i = 0; i < count; ++i) order[i] = static_cast<size_t>(drawn[i]);
  return order;
}

class Rank {
 public:
  Rank(const Training& with, comm::Communicator& world)
      : with_(with),
        rank_(world.rank()),
        grad_(comm::make_logged(world.split(0, rank_, "dp"), calls_,
                                std::make_shared<const std::string>("train"))),
        world_(world.split(0, rank_, "world")) {
    sharding::StoreOptions options;
    options.sharding = {with.stage, with.overlap, with.cap};
    options.weights = with.weights;
    sharding::SyncGroups groups;
    groups.grad = grad_.get();
    groups.world = world_.get();
    store_ = sharding::make_param_store(options, groups, *memory_);
    declare_units();
    store_->adopt(model_.list());
    store_->initialize(
        [&](const std::vector<nn::Parameter*>& some) {
          for (nn::Parameter* p : some) {
            const auto number = static_cast<size_t>(p->shard.number);
            ops::cast(to_tensor(toy_weights(number, p->shape.elements()), p->shape, *memory_),
                      p->value, *stream_);
          }
        },
        *stream_);
    optim::OptimizerConfig rule;
    rule.type = with.optimizer;
    rule.weight_decay = 0.1;
    optimizer_ = optim::make_optimizer(rule);
    optimizer_->attach(store_->slices(), *memory_, store_->tensor_sums());
  }

  double step(int number) {
    store_->zero_grads(*stream_);
    const int mine = with_.units / world_->size();
    for (int micro = 0; micro < mine; ++micro)
      micro_batch(number, rank_ * mine + micro, micro, micro + 1 == mine);
    store_->finish(*stream_);
    const double norm = optim::gradient_norm(optimizer_->slices(), store_->norm_sum(), *stream_);
    optimizer_->step(1e-2, optim::clip_coefficient(norm, with_.clip), number, *stream_);
    store_->publish(*stream_);
    return norm;
  }

  void report(Trained& out) {
    std::vector<float>& weights = out.weights[static_cast<size_t>(rank_)];
    for (size_t unit = 0; unit < units_; ++unit) store_->units()->acquire(unit);
    for (const nn::Parameter& p : model_.parameters) {
      Tensor wide = Tensor::empty(p.shape, DType::f32, *memory_);
      ops::cast(p.value, wide, *stream_);
      const auto values = values_of(wide);
      weights.insert(weights.end(), values.begin(), values.end());
    }
    out.bytes[static_cast<size_t>(rank_)] = store_->bytes();
    out.optimizer_bytes[static_cast<size_t>(rank_)] =
        memory_->use().now[static_cast<size_t>(MemoryCategory::optimizer)];
    if (rank_ != 0) return;
    out.buckets = store_->buckets().size();
    for (const auto& b : store_->buckets()) out.padded += b.elements;
    out.all_reduces = calls_.calls("all_reduce dp");
    out.reduce_scatters = calls_.calls("reduce_scatter dp");
    out.all_gathers = calls_.calls("all_gather dp");
    out.gathered_elements = calls_.elements("all_gather dp");
  }

 private:
  /// Stage 3: the table, the blocks, the final gain.
  void declare_units() {
    if (!store_->units()) return;
    const auto all = model_.list();
    for (const auto& [from, to] : {std::pair{0, 1}, {1, 6}, {6, 11}, {11, 12}}) {
      store_->units()->add_unit({all.begin() + from, all.begin() + to});
      ++units_;
    }
  }

  void micro_batch(int number, int unit, int micro, bool last) {
    const auto order =
        ready_order(model_.parameters.size(), with_.shuffle, rank_, 10 * number + micro);
    for (const size_t i : order) {
      if (i == with_.never_ready) continue;
      nn::Parameter& p = model_.parameters[i];
      store_->prepare(p);
      const auto gradient = toy_gradient(i, p.shape.elements(), number, unit);
      ops::axpy(1.0f, to_tensor(gradient, p.shape, *memory_), p.grad, *stream_);
      if (last || store_->reduces_every_micro_batch()) store_->ready(p);
    }
  }

  Training with_;
  int rank_;
  CallCounter calls_;
  std::unique_ptr<comm::Communicator> grad_, world_;
  std::shared_ptr<Allocator> memory_ = make_cpu_allocator();
  std::unique_ptr<Stream> stream_ = make_inline_stream();
  ToyModel model_ = toy_model();
  size_t units_ = 0;
  std::unique_ptr<sharding::ParamStore> store_;
  std::unique_ptr<optim::Optimizer> optimizer_;
};

}  // namespace

Trained train(const Training& with) {
  Trained out;
  const auto ranks = static_cast<size_t>(with.ranks);
  out.weights.resize(ranks);
  out.bytes.resize(ranks);
  out.optimizer_bytes.resize(ranks);
  comm::run_thread_ranks(
      with.ranks,
      [&](comm::Communicator& world) {
        ops::use_threads(1);
        Rank rank(with, world);
        for (int step = 1; step <= with.steps; ++step) {
          const double norm = rank.step(step);
          if (world.rank() == 0) out.norms.push_back(static_cast<float>(norm));
        }
        rank.report(out);
      },
      20);
  return out;
}

}  // namespace echelon::test
