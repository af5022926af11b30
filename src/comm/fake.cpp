#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "echelon/comm/world.h"
#include "src/comm/fabric.h"

namespace echelon::comm {

namespace {

/// A rank whose peers do not exist. Its own part is put where it belongs; parts of absent ranks
/// stay as they are (gathers) or are zero (all_to_all, recv).
class Fake final : public Communicator {
 public:
  Fake(int rank, int size, std::string name) : rank_(rank), size_(size), name_(std::move(name)) {}
  int rank() const override { return rank_; }
  int size() const override { return size_; }
  const std::string& name() const override { return name_; }

  Pending all_reduce(const Tensor&, ReduceOp, Stream&) override { return {}; }
  Pending reduce_scatter(const Tensor& src, const Tensor& dst, ReduceOp, Stream& stream) override {
    return move_bytes(src, my_part(dst), dst, 0, dst.bytes(), stream);
  }
  Pending all_gather(const Tensor& src, const Tensor& dst, Stream& stream) override {
    return move_bytes(src, 0, dst, my_part(src), src.bytes(), stream);
  }
  Pending all_to_all(const Tensor& src, const Tensor& dst, Stream& stream) override {
    const size_t part = src.bytes() / static_cast<size_t>(size_);
    const size_t at = static_cast<size_t>(rank_) * part;
    stream.run([dst] { std::memset(dst.raw(), 0, dst.bytes()); });
    return move_bytes(src, at, dst, at, part, stream);
  }
  Pending broadcast(const Tensor&, int, Stream&) override { return {}; }
  Pending send(const Tensor&, int, Stream&) override { return {}; }
  Pending recv(const Tensor& data, int, Stream& stream) override {
    stream.run([data] { std::memset(data.raw(), 0, data.bytes()); });
    return {stream.record(), {data}};
  }
  void group_begin() override {}
  void group_end(Stream&) override {}
  void barrier() override {}

  /// Only this rank's color is known: it finds itself alone. Use make_fake for a larger axis.
  std::unique_ptr<Communicator> split(int color, int, const std::string& name) override {
    return color < 0 ? nullptr : make_fake(0, 1, name);
  }
  std::shared_ptr<std::byte> symmetric_memory(size_t bytes) override {
    return zeroed_memory(bytes);
  }
  void abort(ExitCode code) noexcept override {
    std::fflush(nullptr);
    std::_Exit(static_cast<int>(code));
  }

 private:
  size_t my_part(const Tensor& part) const { return static_cast<size_t>(rank_) * part.bytes(); }
  static Pending move_bytes(const Tensor& src, size_t from, const Tensor& dst, size_t to,
                            size_t bytes, Stream& stream) {
    stream.run([=] { std::memmove(dst.raw() + to, src.raw() + from, bytes); });
    return {stream.record(), {src, dst}};
  }

  int rank_, size_;
  std::string name_;
};

}  // namespace

std::unique_ptr<Communicator> make_fake(int rank, int size, const std::string& name) {
  ECH_CHECK(0 <= rank && rank < size, "fake rank {} of {}", rank, size);
  return std::make_unique<Fake>(rank, size, name);
}

}  // namespace echelon::comm
