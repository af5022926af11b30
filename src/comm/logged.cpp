// Decorator that records every call; counting rules: payload elements (whole input of a
// reduce-scatter, whole output of a gather), sends and receives both, nothing for groups of one.
#include <chrono>
#include <utility>

#include "echelon/comm/world.h"

namespace echelon::comm {

namespace {

using Clock = std::chrono::steady_clock;

class Logged final : public Communicator {
 public:
  Logged(std::unique_ptr<Communicator> inner, CommSink& sink,
         std::shared_ptr<const std::string> phase)
      : inner_(std::move(inner)), sink_(sink), phase_(std::move(phase)) {}

  int rank() const override { return inner_->rank(); }
  int size() const override { return inner_->size(); }
  const std::string& name() const override { return inner_->name(); }

  Pending all_reduce(const Tensor& data, ReduceOp op, Stream& stream) override {
    return timed("all_reduce", data, -1, stream,
                 [&] { return inner_->all_reduce(data, op, stream); });
  }
  Pending reduce_scatter(const Tensor& src, const Tensor& dst, ReduceOp op,
                         Stream& stream) override {
    return timed("reduce_scatter", src, -1, stream,
                 [&] { return inner_->reduce_scatter(src, dst, op, stream); });
  }
  Pending all_gather(const Tensor& src, const Tensor& dst, Stream& stream) override {
    return timed("all_gather", dst, -1, stream,
                 [&] { return inner_->all_gather(src, dst, stream); });
  }
  Pending all_to_all(const Tensor& src, const Tensor& dst, Stream& stream) override {
    return timed("all_to_all", src, -1, stream,
                 [&] { return inner_->all_to_all(src, dst, stream); });
  }
  Pending broadcast(const Tensor& data, int root, Stream& stream) override {
    return timed("broadcast", data, -1, stream,
                 [&] { return inner_->broadcast(data, root, stream); });
  }
  Pending send(const Tensor& data, int peer, Stream& stream) override {
    return message("send", data, peer, stream, [&] { return inner_->send(data, peer, stream); });
  }
  Pending recv(const Tensor& data, int peer, Stream& stream) override {
    return message("recv", data, peer, stream, [&] { return inner_->recv(data, peer, stream); });
  }

  void group_begin() override {
    inner_->group_begin();
    grouping_ = true;
  }
  /// Each message of a group is recorded with an equal share of the group's time.
  void group_end(Stream& stream) override {
    grouping_ = false;
    const auto begin = start(stream);
    inner_->group_end(stream);
    stream.run([&sink = sink_, begin, records = std::exchange(grouped_, {})]() mutable {
      const double share =
          seconds_since(*begin) / static_cast<double>(std::max<size_t>(1, records.size()));
      for (CommRecord& r : records) {
        r.seconds = share;
        sink.record(r);
      }
    });
  }
  void barrier() override { inner_->barrier(); }
  std::unique_ptr<Communicator> split(int color, int key, const std::string& group) override {
    auto part = inner_->split(color, key, group);
    return part ? make_logged(std::move(part), sink_, phase_) : nullptr;
  }
  std::shared_ptr<std::byte> symmetric_memory(size_t bytes) override {
    return inner_->symmetric_memory(bytes);
  }
  void abort(ExitCode code) noexcept override { inner_->abort(code); }

 private:
  static double seconds_since(Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
  }
  /// The time at which the stream gets to the call.
  static std::shared_ptr<Clock::time_point> start(Stream& stream) {
    auto begin = std::make_shared<Clock::time_point>();
    stream.run([begin] { *begin = Clock::now(); });
    return begin;
  }
  CommRecord record_of(const char* op, const Tensor& payload, int peer) const {
    return {op,
            inner_->name(),
            *phase_,
            std::string(echelon::name_of(payload.dtype())),
            payload.elements(),
            static_cast<int64_t>(payload.bytes()),
            inner_->size(),
            peer,
            0};
  }

  template <class Issue>
  Pending timed(const char* op, const Tensor& payload, int peer, Stream& stream, Issue issue) {
    if (inner_->size() == 1) return issue();
    const auto begin = start(stream);
    Pending pending = issue();
    stream.run([&sink = sink_, begin, record = record_of(op, payload, peer)]() mutable {
      record.seconds = seconds_since(*begin);
      sink.record(record);
    });
    return std::move(pending).until(stream.record());
  }
  template <class Issue>
  Pending message(const char* op, const Tensor& data, int peer, Stream& stream, Issue issue) {
    if (!grouping_) return timed(op, data, peer, stream, issue);
    grouped_.push_back(record_of(op, data, peer));
    return issue();
  }

  std::unique_ptr<Communicator> inner_;
  CommSink& sink_;
  std::shared_ptr<const std::string> phase_;
  bool grouping_ = false;
  std::vector<CommRecord> grouped_;
};

}  // namespace

std::unique_ptr<Communicator> make_logged(std::unique_ptr<Communicator> inner, CommSink& sink,
                                          std::shared_ptr<const std::string> phase) {
  ECH_CHECK(inner && phase, "make_logged needs a communicator and a phase");
  return std::make_unique<Logged>(std::move(inner), sink, std::move(phase));
}

}  // namespace echelon::comm
