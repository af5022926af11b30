#include "window_source.h"

#include <bit>

#include "echelon/base/error.h"
#include "echelon/base/philox.h"

namespace echelon::data {

uint64_t feistel(uint64_t k, uint64_t n, uint64_t seed, uint64_t stream) {
  if (n <= 1) return 0;
  const int half = (std::bit_width(n - 1) + 1) / 2;
  const uint64_t mask = (uint64_t{1} << half) - 1;
  const Philox rng{seed, stream};
  do {
    uint64_t left = k >> half, right = k & mask;
    for (uint64_t round = 0; round < 4; ++round) {
      const auto words = rng.block(right << 2 | round);
      const uint64_t f = (uint64_t{words[1]} << 32 | words[0]) & mask;
      const uint64_t next = left ^ f;
      left = right;
      right = next;
    }
    k = left << half | right;
  } while (k >= n);
  return k;
}

namespace {

/// Up to this many samples the epoch is shuffled in memory, above it by the Feistel network.
constexpr int64_t kLargestShuffle = int64_t{1} << 20;

class WindowSource final : public SampleSource {
 public:
  WindowSource(const SourceFile& part, Order order, const SourceOptions& options, uint64_t stream)
      : file_(part.file), tokens_(part.tokens), order_(order), options_(options), stream_(stream) {
    size_ = (tokens_.second - tokens_.first - 1) / options.seq_length;
    if (size_ < 1)
      fail(ExitCode::data, "D10",
           "{}: found {} tokens for {}, wanted at least {} for one sample of model.seq_length {}; "
           "the run ends; use more data, another data.split or shorter samples",
           file_->name(), tokens_.second - tokens_.first, name_of(options.split),
           options.seq_length + 1, options.seq_length);
  }

  int64_t size() const override { return size_; }

  int64_t read(int64_t k, std::span<int32_t> out) const override {
    file_->read(tokens_.first + start(k), out, options_.vocab_size);
    return static_cast<int64_t>(out.size());
  }

 private:
  int64_t start(int64_t k) const {
    const int64_t epoch = k / size_, position = k % size_;
    switch (order_) {
      case Order::random: {
        const auto words = Philox{options_.seed, make_stream(Draw::data, stream_, 1, 0)}.block(
            static_cast<uint64_t>(k));
        const auto room =
            static_cast<unsigned __int128>(tokens_.second - tokens_.first - options_.seq_length);
        const auto draw = static_cast<unsigned __int128>(uint64_t{words[1]} << 32 | words[0]);
        return static_cast<int64_t>(draw * room >> 64);
      }
      case Order::sequential: return position * options_.seq_length;
      default: return shuffled(epoch, position) * options_.seq_length;
    }
  }

  int64_t shuffled(int64_t epoch, int64_t position) const {
    const uint64_t stream = make_stream(Draw::data, stream_, 0, static_cast<uint64_t>(epoch));
    if (size_ > kLargestShuffle)
      return static_cast<int64_t>(feistel(static_cast<uint64_t>(position),
                                          static_cast<uint64_t>(size_), options_.seed, stream));
    const std::scoped_lock lock(mutex_);
    if (epoch != epoch_) {
      order_of_epoch_ = permutation(size_, Philox{options_.seed, stream});
      epoch_ = epoch;
    }
    return order_of_epoch_[static_cast<size_t>(position)];
  }

  std::shared_ptr<const TokenFile> file_;
  Range tokens_;
  Order order_;
  SourceOptions options_;
  uint64_t stream_;
  int64_t size_ = 0;
  mutable std::mutex mutex_;  // guards the permutation of the epoch read last
  mutable int64_t epoch_ = -1;
  mutable std::vector<int64_t> order_of_epoch_;
};

}  // namespace

std::unique_ptr<SampleSource> make_window_source(const SourceFile& part, Order order,
                                                 const SourceOptions& options, uint64_t stream) {
  return std::make_unique<WindowSource>(part, order, options, stream);
}

}  // namespace echelon::data
