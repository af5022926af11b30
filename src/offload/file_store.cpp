// Activations on a disk: one nameless file a rank, so that nothing is left behind by any end.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <map>
#include <utility>

#include "echelon/offload/tensor_store.h"

namespace echelon::offload {
namespace {

constexpr size_t kWritesUnderWay = 2;  // each keeps its tensor alive
constexpr int64_t kBlock = 4096;

class File {
 public:
  explicit File(const std::string& folder) : path_(folder) {
    std::string name = folder + "/echelon-offload-XXXXXX";
    fd_ = ::mkostemp(name.data(), O_CLOEXEC);
    if (fd_ < 0)
      fail(ExitCode::config, "V29",
           "offload.path: {}: found no way to make a file ({}), wanted a writable folder; nothing "
           "was trained; choose another folder or offload.activations: memory",
           folder, std::strerror(errno));
    ::unlink(name.c_str());
  }
  ~File() { ::close(fd_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  void write(const std::byte* data, size_t bytes, int64_t at) const {
    while (bytes > 0) {
      const ssize_t n = ::pwrite(fd_, data, bytes, at);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) failed("writing", bytes);
      advance(data, bytes, at, n);
    }
  }
  void read(std::byte* data, size_t bytes, int64_t at) const {
    while (bytes > 0) {
      const ssize_t n = ::pread(fd_, data, bytes, at);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) failed("reading", bytes);
      advance(data, bytes, at, n);
    }
  }

 private:
  template <class Byte>
  static void advance(Byte*& data, size_t& bytes, int64_t& at, ssize_t n) {
    data += n;
    bytes -= static_cast<size_t>(n);
    at += n;
  }
  [[noreturn]] void failed(const char* doing, size_t bytes) const {
    fail(ExitCode::storage, "S1",
         "offload.path: {}: found {} while {} {} bytes of activations, wanted room for the stash "
         "of every micro-batch in flight; the run stops, checkpoints stay; free space, choose "
         "another folder or use recompute.granularity: full",
         path_, std::strerror(errno), doing, bytes);
  }

  std::string path_;
  int fd_ = -1;
};

/// Reads and writes happen in the order they were asked for, so a place may be given to the next
/// tensor as soon as its last read is under way.
class FileStore final : public TensorStore {
 public:
  explicit FileStore(const std::string& folder) : file_(folder) {}

  Ticket put(const Tensor& tensor) override {
    while (writes_.size() >= kWritesUnderWay) {
      const Event oldest = std::move(writes_.front());
      writes_.pop_front();
      oldest.wait();
    }
    const auto bytes = static_cast<int64_t>(tensor.bytes());
    const int64_t at = take_place(bytes);
    worker_->run([this, tensor, at] { file_.write(tensor.raw(), tensor.bytes(), at); });
    writes_.push_back(worker_->record());
    held_.emplace(next_, Held{at, bytes, tensor.dtype()});
    bytes_ += tensor.bytes();
    peak_ = std::max(peak_, bytes_);
    return next_++;
  }

  Fetched fetch(Ticket ticket, Allocator& memory) override {
    const Held held = held_.at(ticket);
    const auto count = held.bytes / static_cast<int64_t>(size_of(held.dtype));
    const Tensor back = Tensor::empty({count}, held.dtype, memory);
    worker_->run([this, back, at = held.at] { file_.read(back.raw(), back.bytes(), at); });
    drop(ticket);
    return {back, worker_->record()};
  }

  void drop(Ticket ticket) override {
    const auto found = held_.find(ticket);
    bytes_ -= static_cast<size_t>(found->second.bytes);
    free_.emplace(rounded(found->second.bytes), found->second.at);
    held_.erase(found);
  }

  bool reads_ahead() const override { return true; }
  size_t bytes() const override { return bytes_; }
  size_t peak_bytes() const override { return peak_; }

 private:
  struct Held {
    int64_t at = 0, bytes = 0;
    DType dtype = DType::f32;
  };
  static int64_t rounded(int64_t bytes) { return (bytes + kBlock - 1) / kBlock * kBlock; }

  int64_t take_place(int64_t bytes) {
    const int64_t wanted = rounded(bytes);
    if (const auto found = free_.find(wanted); found != free_.end()) {
      const int64_t at = found->second;
      free_.erase(found);
      return at;
    }
    return std::exchange(end_, end_ + wanted);
  }

  File file_;
  std::map<Ticket, Held> held_;
  std::multimap<int64_t, int64_t> free_;  // bytes, place: a step asks for the same few sizes again
  std::deque<Event> writes_;
  Ticket next_ = 0;
  int64_t end_ = 0;
  size_t bytes_ = 0, peak_ = 0;
  std::unique_ptr<Stream> worker_ = make_worker_stream("offload-io");  // ends before the file
};

}  // namespace

std::unique_ptr<TensorStore> make_file_store(const std::string& folder) {
  return std::make_unique<FileStore>(folder);
}

}  // namespace echelon::offload
