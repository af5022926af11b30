#include "sample_source.h"

#include <algorithm>

#include "echelon/base/error.h"
#include "window_source.h"

namespace echelon::data {

std::vector<SourceFile> open_split(const DataConfig& config, Split split) {
  std::vector<SourceFile> files;
  const auto [paths, cut] = paths_of(config, split);
  for (const auto& [weight, path] : paths) {
    auto file = open_token_file(path, config.format, config.io);
    const bool by_sequence = file->format() == FileFormat::megatron;
    const int64_t items = by_sequence ? file->sequences() : file->tokens();
    Range range{0, items};
    if (cut) {
      const auto share = split_ranges(config.split, items)[static_cast<size_t>(split)];
      if (!share || share->first == share->second) continue;
      range = *share;
    }
    if (by_sequence)
      files.push_back({file,
                       range,
                       {file->sequence_begin(range.first), file->sequence_begin(range.second)},
                       weight});
    else
      files.push_back({file, {0, 1}, range, weight});
  }
  return files;
}

namespace {

class MegatronSource final : public SampleSource {
 public:
  MegatronSource(const SourceFile& part, const SourceOptions& options,
                 std::optional<int64_t> samples)
      : file_(part.file), vocab_size_(options.vocab_size) {
    if (file_->format() != FileFormat::megatron)
      fail(ExitCode::config, "D11",
           "data.order: megatron with {}, a {} file, wanted Megatron data sets; the run does not "
           "start; use data.order: counter",
           file_->name(), name_of(file_->format()));
    index_ =
        build_gpt_index(*file_, {part.sequences, options.seq_length, samples, options.seed, true});
  }
  int64_t size() const override { return static_cast<int64_t>(index_.shuffle.size()); }
  int64_t read(int64_t k, std::span<int32_t> out) const override {
    return read_gpt_sample(*file_, index_, k % size(), out, vocab_size_);
  }

 private:
  std::shared_ptr<const TokenFile> file_;
  int64_t vocab_size_;
  GptIndex index_;
};

/// A blend listed sample by sample. `endless`: past its end the pattern repeats and the sets go on;
/// otherwise it starts again.
class BlendSource final : public SampleSource {
 public:
  BlendSource(std::vector<std::unique_ptr<SampleSource>> sets, Blend order, bool endless)
      : sets_(std::move(sets)), order_(std::move(order)), endless_(endless), share_(sets_.size()) {
    for (const int16_t d : order_.dataset) ++share_[static_cast<size_t>(d)];
  }
  int64_t size() const override {
    if (!endless_) return static_cast<int64_t>(order_.dataset.size());
    int64_t sum = 0;
    for (const auto& set : sets_) sum += set->size();
    return sum;
  }
  int64_t read(int64_t k, std::span<int32_t> out) const override {
    const auto n = static_cast<int64_t>(order_.dataset.size());
    const auto i = static_cast<size_t>(k % n);
    const auto d = static_cast<size_t>(order_.dataset[i]);
    return sets_[d]->read(order_.sample[i] + (endless_ ? k / n * share_[d] : 0), out);
  }

 private:
  std::vector<std::unique_ptr<SampleSource>> sets_;
  Blend order_;
  bool endless_;
  std::vector<int64_t> share_;
};

std::vector<double> weights_of(const std::vector<SourceFile>& files) {
  std::vector<double> weights;
  for (const auto& f : files) weights.push_back(f.weight);
  return weights;
}

std::unique_ptr<SampleSource> megatron_blend(const std::vector<SourceFile>& files,
                                             const SourceOptions& options) {
  const bool weighted = files.front().weight >= 0;
  std::vector<std::unique_ptr<SampleSource>> sets;
  if (!weighted) {
    std::vector<int64_t> sizes;
    for (const auto& f : files) {
      sets.push_back(std::make_unique<MegatronSource>(f, options, std::nullopt));
      sizes.push_back(sets.back()->size());
    }
    if (options.samples == 0)
      return std::make_unique<BlendSource>(std::move(sets), blend_exhaustive(sizes), false);
    const std::vector<double> weights(sizes.begin(), sizes.end());
    int64_t sum = 0;
    for (const int64_t n : sizes) sum += n;
    return std::make_unique<BlendSource>(std::move(sets),
                                         blend(weights, std::min(options.samples, sum)), false);
  }
  if (options.samples == 0)
    fail(ExitCode::config, "D11",
         "data.order: megatron with weights needs the number of samples; give the length of the "
         "run; the run does not start");
  const auto weights = normalized_weights(weights_of(files));
  int64_t size = 0;
  for (size_t d = 0; d < files.size(); ++d) {
    const auto [share, build] = blend_share(weights[d], options.samples);
    sets.push_back(std::make_unique<MegatronSource>(files[d], options, build));
    size += share;
  }
  return std::make_unique<BlendSource>(std::move(sets), blend(weights, size), false);
}

/// Any sample of an endless blend in O(1): a pattern of 65,536 picks that repeats.
std::unique_ptr<SampleSource> counter_blend(Order order, const std::vector<SourceFile>& files,
                                            const SourceOptions& options) {
  constexpr int64_t kPattern = 65536;
  std::vector<std::unique_ptr<SampleSource>> sets;
  std::vector<double> weights = weights_of(files);
  for (size_t d = 0; d < files.size(); ++d) {
    sets.push_back(make_window_source(files[d], order, options, d));
    if (weights[d] < 0) weights[d] = static_cast<double>(sets[d]->size());
  }
  Blend pattern = blend(weights, kPattern);
  for (size_t d = 0; d < files.size(); ++d)
    if (weights[d] > 0 && std::find(pattern.dataset.begin(), pattern.dataset.end(),
                                    static_cast<int16_t>(d)) == pattern.dataset.end())
      fail(ExitCode::config, "D11",
           "data.data_path: found weight {} for {}, less than 1/{} of the sum; the run does not "
           "start; leave it out or raise it",
           weights[d], files[d].file->name(), kPattern);
  return std::make_unique<BlendSource>(std::move(sets), std::move(pattern), true);
}

}  // namespace

std::unique_ptr<SampleSource> make_source(const DataConfig& config,
                                          const std::vector<SourceFile>& files,
                                          const SourceOptions& options) {
  ECH_CHECK(!files.empty(), "no data for {}", name_of(options.split));
  ECH_CHECK(options.seq_length > 0, "seq_length {}", options.seq_length);
  const bool single = files.size() == 1;
  if (config.order != Order::megatron)
    return single ? make_window_source(files[0], config.order, options, 0)
                  : counter_blend(config.order, files, options);
  if (!single || files[0].weight >= 0) return megatron_blend(files, options);
  return std::make_unique<MegatronSource>(
      files[0], options, options.samples > 0 ? std::optional(options.samples) : std::nullopt);
}

}  // namespace echelon::data
