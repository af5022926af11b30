// Communicator on a fabric: argument checks, streams, groups of messages.
#include <cstring>
#include <utility>

#include "src/comm/collectives.h"

namespace echelon::comm {

namespace {

class Group final : public Communicator {
 public:
  explicit Group(std::unique_ptr<Fabric> fabric)
      : fabric_(std::move(fabric)), collectives_(*fabric_) {}

  int rank() const override { return fabric_->rank(); }
  int size() const override { return fabric_->size(); }
  const std::string& name() const override { return fabric_->name(); }

  Pending all_reduce(const Tensor& data, ReduceOp op, Stream& stream) override {
    check_host(data, "all_reduce");
    if (size() == 1) return {};
    return run(stream, {data}, [this, data, op] {
      collectives_.all_reduce(data.raw(), data.elements(), data.dtype(), op);
    });
  }

  Pending reduce_scatter(const Tensor& src, const Tensor& dst, ReduceOp op,
                         Stream& stream) override {
    check_parts("reduce_scatter", src, dst);
    if (size() == 1) return copy_alone(src, dst, stream);
    return run(stream, {src, dst}, [this, src, dst, op] {
      collectives_.reduce_scatter(src.raw(), dst.raw(), dst.elements(), dst.dtype(), op);
    });
  }

  Pending all_gather(const Tensor& src, const Tensor& dst, Stream& stream) override {
    check_parts("all_gather", dst, src);
    if (size() == 1) return copy_alone(src, dst, stream);
    return run(stream, {src, dst}, [this, src, dst] {
      collectives_.all_gather(src.raw(), dst.raw(), src.elements(), src.dtype());
    });
  }

  Pending all_to_all(const Tensor& src, const Tensor& dst, Stream& stream) override {
    check_host(src, "all_to_all");
    check_host(dst, "all_to_all");
    ECH_CHECK(src.elements() == dst.elements() && src.dtype() == dst.dtype(),
              "group {}: all_to_all from {} elements to {}", name(), src.elements(),
              dst.elements());
    ECH_CHECK(src.elements() % size() == 0, "group {}: all_to_all of {} elements on {} ranks",
              name(), src.elements(), size());
    if (size() == 1) return copy_alone(src, dst, stream);
    return run(stream, {src, dst}, [this, src, dst] {
      collectives_.all_to_all(src.raw(), dst.raw(), src.elements() / size(), src.dtype());
    });
  }

  Pending broadcast(const Tensor& data, int root, Stream& stream) override {
    check_host(data, "broadcast");
    ECH_CHECK(0 <= root && root < size(), "group {}: broadcast from rank {} of {}", name(), root,
              size());
    if (size() == 1) return {};
    return run(stream, {data}, [this, data, root] {
      collectives_.broadcast(data.raw(), data.elements(), data.dtype(), root);
    });
  }

  Pending send(const Tensor& data, int peer, Stream& stream) override {
    return message(true, data, peer, stream);
  }
  Pending recv(const Tensor& data, int peer, Stream& stream) override {
    return message(false, data, peer, stream);
  }

  void group_begin() override {
    ECH_CHECK(!grouping_, "group {}: group_begin inside a group", name());
    grouping_ = true;
    group_done_ = std::make_shared<Pending::Later>();
  }
  void group_end(Stream& stream) override {
    ECH_CHECK(grouping_, "group {}: group_end without group_begin", name());
    grouping_ = false;
    auto transfers = std::exchange(grouped_, {});
    if (!transfers.empty())
      stream.run([this, transfers = std::move(transfers), keep = std::exchange(grouped_data_, {})] {
        fabric_->transfer(transfers);
      });
    group_done_->event = stream.record();
    group_done_->ready = true;
    group_done_.reset();
  }

  void barrier() override {
    if (size() > 1) collectives_.barrier();
  }
  std::unique_ptr<Communicator> split(int color, int key, const std::string& group) override {
    auto part = fabric_->split(color, key, group);
    return part ? make_group(std::move(part)) : nullptr;
  }
  std::shared_ptr<std::byte> symmetric_memory(size_t bytes) override {
    return fabric_->symmetric_memory(bytes);
  }
  void abort(ExitCode code) noexcept override { fabric_->abort(code); }

 private:
  template <class Work>
  Pending run(Stream& stream, std::vector<Tensor> keep, Work work) {
    stream.run(std::move(work));
    return {stream.record(), std::move(keep)};
  }

  Pending copy_alone(const Tensor& src, const Tensor& dst, Stream& stream) {
    if (src.raw() == dst.raw()) return {};
    return run(stream, {src, dst}, [src, dst] { std::memcpy(dst.raw(), src.raw(), src.bytes()); });
  }

  Pending message(bool sending, const Tensor& data, int peer, Stream& stream) {
    check_host(data, sending ? "send" : "recv");
    ECH_CHECK(0 <= peer && peer < size() && peer != rank(),
              "group {}: message between rank {} and {} of {}", name(), rank(), peer, size());
    const Transfer transfer{sending, data.raw(), data.bytes(), peer};
    if (grouping_) {
      grouped_.push_back(transfer);
      grouped_data_.push_back(data);
      return {group_done_, {data}};
    }
    return run(stream, {data},
               [this, transfer, data] { fabric_->transfer(std::span(&transfer, 1)); });
  }

  void check_host(const Tensor& t, const char* op) const {
    ECH_CHECK(t.defined() || t.elements() == 0, "group {}: {} of an undefined tensor", name(), op);
    ECH_CHECK(t.device().kind == DeviceKind::cpu, "group {}: {} of a tensor on {}", name(), op,
              to_string(t.device()));
  }
  void check_parts(const char* op, const Tensor& whole, const Tensor& part) const {
    check_host(whole, op);
    check_host(part, op);
    ECH_CHECK(whole.elements() == part.elements() * size() && whole.dtype() == part.dtype(),
              "group {}: {} of {} and {} elements on {} ranks", name(), op, whole.elements(),
              part.elements(), size());
  }

  std::unique_ptr<Fabric> fabric_;
  Collectives collectives_;
  bool grouping_ = false;
  std::vector<Transfer> grouped_;
  std::vector<Tensor> grouped_data_;
  std::shared_ptr<Pending::Later> group_done_;
};

}  // namespace

std::unique_ptr<Communicator> make_group(std::unique_ptr<Fabric> fabric) {
  return std::make_unique<Group>(std::move(fabric));
}

}  // namespace echelon::comm
