// Stage 3: this rank keeps its part of every bucket; whole buckets come and go unit by unit.
#include <algorithm>
#include <unordered_map>
#include <utility>

#include "echelon/ops/elementwise.h"
#include "src/sharding/flat_store.h"

namespace echelon::sharding {
namespace {

class UnitStore final : public FlatStore, public UnitWeights {
 public:
  UnitStore(const StoreOptions& options, const SyncGroups& groups, Allocator& memory)
      : FlatStore(options, groups, memory) {
    if (own_->size() == 1) return;
    // Weights travel while gradients do.
    gathering_ = groups.grad->split(0, groups.grad->rank(), groups.grad->name());
    if (options.sharding.overlap_comm) worker_ = make_worker_stream("weight-gather");
  }

  UnitWeights* units() override { return this; }

  size_t add_unit(const std::vector<nn::Parameter*>& parameters) override {
    ECH_CHECK(buckets_.empty(), "a unit declared after adopt");
    for (const nn::Parameter* p : parameters)
      ECH_CHECK(unit_of_.emplace(p, units_.size()).second, "{}: in two units", p->name);
    units_.push_back({.parameters = parameters});
    return units_.size() - 1;
  }

  void prefetch(size_t unit) override {
    Unit& u = units_[unit];
    if (u.expected) return;
    u.expected = true;
    if (u.users == 0) start(u);
  }

  void acquire(size_t unit) override {
    Unit& u = units_[unit];
    const bool whole = u.users++ > 0;
    const bool under_way = std::exchange(u.expected, false);
    if (whole) return;
    if (!under_way) start(u);
    for (comm::Pending& p : u.pending) std::move(p).wait();
    u.pending.clear();
    show(u);
  }

  void release(size_t unit) override {
    Unit& u = units_[unit];
    ECH_CHECK(u.users > 0, "unit {} released more often than acquired", unit);
    if (--u.users > 0) return;
    for (nn::Parameter* p : u.parameters) p->value = {};
    if (!u.expected) drop(u);
  }

  void initialize(const std::function<void(const std::vector<nn::Parameter*>&)>& fill,
                  Stream& stream) override {
    for (Unit& u : units_) {
      make_room(u, true);
      show(u);
      fill(u.parameters);
      for (size_t i = 0; i < u.buckets.size(); ++i) {
        const int64_t part = parts_[u.buckets[i]].elements();
        copy(u.whole[i].flat(part * own_->rank(), part * (own_->rank() + 1)), parts_[u.buckets[i]]);
      }
      for (nn::Parameter* p : u.parameters) p->value = {};
      drop(u);
    }
    import_values(stream);
  }

  void publish(Stream& stream) override {
    if (!mixed()) return;
    for (size_t b = 0; b < buckets_.size(); ++b) ops::cast(masters_[b], parts_[b], stream);
  }

  StoreBytes bytes() const override {
    StoreBytes bytes = FlatStore::bytes();
    bytes.weights = static_cast<int64_t>(all_parts_.bytes());
    bytes.gathered = static_cast<int64_t>(most_gathered_);
    return bytes;
  }

 private:
  struct Unit {
    std::vector<nn::Parameter*> parameters;
    std::vector<size_t> buckets = {};
    int users = 0;
    bool expected = false;  // prefetched for the next acquire
    std::vector<Tensor> whole = {};
    std::vector<comm::Pending> pending = {};
  };
  struct Where {
    size_t bucket;
    int64_t offset;
  };

  size_t unit_of(const nn::Parameter& p) const override {
    const auto found = unit_of_.find(&p);
    ECH_CHECK(found != unit_of_.end(), "{}: in no unit", p.name);
    return found->second;
  }

  void place_values() override {
    int64_t total = 0;
    const int ranks = own_->size();
    for (const Bucket& b : buckets_) total += b.elements / ranks;
    all_parts_ = Tensor::zeros({total}, options_.weights, memory_, MemoryCategory::weights);
    int64_t at = 0;
    for (size_t b = 0; b < buckets_.size(); ++b) {
      const int64_t part = buckets_[b].elements / ranks;
      parts_.push_back(all_parts_.flat(at, at + part));
      at += part;
      units_[unit_of(*parameters_[buckets_[b].items[0].parameter])].buckets.push_back(b);
      for (const Placed& p : buckets_[b].items) where_[parameters_[p.parameter]] = {b, p.offset};
    }
  }

  Tensor owned_values(size_t bucket) const override { return parts_[bucket]; }

  /// Whole buckets; with one rank its part is the whole.
  void make_room(Unit& u, bool zeroed) {
    for (const size_t b : u.buckets) {
      if (own_->size() == 1) {
        u.whole.push_back(parts_[b]);
        continue;
      }
      u.whole.push_back(Tensor::empty({buckets_[b].elements}, options_.weights, memory_,
                                      MemoryCategory::weights));
      if (zeroed) fill_zero(u.whole.back());
      gathered_ += u.whole.back().bytes();
    }
    most_gathered_ = std::max(most_gathered_, gathered_);
  }

  void start(Unit& u) {
    make_room(u, false);
    if (own_->size() == 1) return;
    for (size_t i = 0; i < u.buckets.size(); ++i)
      u.pending.push_back(
          gathering_->all_gather(parts_[u.buckets[i]], u.whole[i], worker_ ? *worker_ : *here_));
  }

  void show(const Unit& u) {
    for (nn::Parameter* p : u.parameters) {
      const Where& w = where_.at(p);
      const auto i = static_cast<size_t>(std::find(u.buckets.begin(), u.buckets.end(), w.bucket) -
                                         u.buckets.begin());
      p->value = u.whole[i].flat(w.offset, w.offset + p->shape.elements()).view(p->shape);
    }
  }

  void drop(Unit& u) {
    if (own_->size() > 1)
      for (const Tensor& whole : u.whole) gathered_ -= whole.bytes();
    u.whole.clear();
  }

  std::vector<Unit> units_;
  std::unordered_map<const nn::Parameter*, size_t> unit_of_;
  std::unordered_map<const nn::Parameter*, Where> where_;
  Tensor all_parts_;
  std::vector<Tensor> parts_;  // by bucket: what this rank owns
  size_t gathered_ = 0, most_gathered_ = 0;
  std::unique_ptr<comm::Communicator> gathering_;
  std::unique_ptr<Stream> here_ = make_inline_stream();
  std::unique_ptr<Stream> worker_;  // null: gathers block; last: ends before what it fills
};

}  // namespace

std::unique_ptr<ParamStore> make_unit_store(const StoreOptions& options, const SyncGroups& groups,
                                            Allocator& memory) {
  return std::make_unique<UnitStore>(options, groups, memory);
}

}  // namespace echelon::sharding
