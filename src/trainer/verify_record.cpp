// Runs a layout on thread ranks and puts gradients and updates together from their parts.
#include <algorithm>
#include <cstring>

#include "echelon/base/philox.h"
#include "echelon/checkpoint/boxes.h"
#include "echelon/comm/world.h"
#include "echelon/ops/threads.h"
#include "src/trainer/saved_state.h"
#include "src/trainer/verify.h"

namespace echelon::trainer {

namespace {

using parallel::Box;

/// One rank's part of a logical tensor.
struct Part {
  std::string name;
  Shape whole;
  Box box;
  bool owned = false;
  int64_t number = 0;
  std::vector<std::vector<float>> gradients;
  std::vector<float> update;
};
struct RankRecord {
  std::vector<Part> parts;
  std::vector<double> losses, grad_norms;
};

std::vector<float> values_of(const Tensor& tensor) {
  const auto span = tensor.span<float>();
  return {span.begin(), span.end()};
}

/// Stands before the optimizer: what arrives here are reduced gradients that nothing has clipped.
class Recorder final : public optim::Optimizer {
 public:
  Recorder(Assembly& parts, RankRecord& record)
      : parts_(parts), record_(record), inner_(std::move(parts.optimizer)) {}

  void attach(std::vector<optim::Slice> slices, Allocator& memory,
              optim::TensorSums sums) override {
    inner_->attach(std::move(slices), memory, std::move(sums));
  }
  void step(double lr, double grad_scale, int64_t update, Stream& stream) override {
    stream.synchronize();
    if (record_.parts.empty()) begin();
    const auto pieces = pieces_of(parts_, "", [&](size_t i) { return slices()[i].grad; });
    for (size_t i = 0; i < pieces.size(); ++i)
      record_.parts[i].gradients.push_back(values_of(pieces[i].data));
    inner_->step(lr, grad_scale, update, stream);
  }
  void state(const std::function<void(const std::string&, size_t, Tensor&)>& visit) override {
    inner_->state(visit);
  }
  int64_t state_bytes_per_param() const override { return inner_->state_bytes_per_param(); }
  const std::vector<optim::Slice>& slices() const override { return inner_->slices(); }
  double clip_factor(double norm) const override { return inner_->clip_factor(norm); }
  void report(const std::function<void(const std::string&, double)>& value) const override {
    inner_->report(value);
  }

  void end() {
    const auto pieces = weights();
    for (size_t i = 0; i < record_.parts.size(); ++i) {
      std::vector<float>& update = record_.parts[i].update;
      const auto now = pieces[i].data.span<float>();
      for (size_t e = 0; e < update.size(); ++e) update[e] = now[e] - update[e];
    }
  }

 private:
  std::vector<checkpoint::Piece> weights() {
    return pieces_of(parts_, "", [&](size_t i) { return slices()[i].master; });
  }
  void begin() {
    std::map<std::string, int64_t> numbers;
    for (const nn::Parameter* parameter : parts_.parameters())
      for (size_t k = 0; k < parameter->shard.parts.size(); ++k)
        numbers[parameter->shard.parts[k].name] =
            8 * parameter->shard.number + static_cast<int64_t>(k);
    for (const auto& piece : weights())
      record_.parts.push_back({piece.name,
                               piece.whole,
                               piece.box,
                               piece.owned,
                               numbers.at(piece.name),
                               {},
                               values_of(piece.data)});
  }

  Assembly& parts_;
  RankRecord& record_;
  std::unique_ptr<optim::Optimizer> inner_;
};

/// Tokens from (row, position) alone; rows end in runs of ignored targets of different lengths, so
/// that ranks see different numbers of valid ones.
RowSource synthetic_rows(const RunConfig& config, Allocator& memory) {
  const int64_t length = config.model.seq_length, vocabulary = config.model.vocab_size;
  return [length, vocabulary, &memory](int64_t first, int64_t count) {
    data::Batch batch{first, Tensor::empty({count, length}, DType::i32, memory),
                      Tensor::empty({count, length}, DType::i32, memory)};
    for (int64_t row = 0; row < count; ++row) {
      const Philox rng{11, static_cast<uint64_t>(first + row)};
      const int64_t valid = length - (first + row) % 5 * length / 6;
      for (int64_t t = 0; t <= length; ++t) {
        const auto token = static_cast<int32_t>(
            rng.below(static_cast<uint64_t>(t), static_cast<uint32_t>(vocabulary)));
        if (t < length) batch.tokens.data<int32_t>()[row * length + t] = token;
        if (t > 0)
          batch.targets.data<int32_t>()[row * length + t - 1] =
              t <= valid ? token : data::kIgnoreTarget;
      }
    }
    return batch;
  };
}

void train(const RunConfig& config, comm::Communicator& world, int64_t updates,
           const Tamper& tamper, RankRecord& record) {
  ops::use_threads(1);
  const auto memory = make_cpu_allocator();
  Trainer trainer(config, world, synthetic_rows(config, *memory));
  auto recorder = std::make_unique<Recorder>(trainer.parts(), record);
  Recorder& recording = *recorder;
  trainer.parts().optimizer = std::move(recorder);
  if (tamper) tamper(trainer);
  for (int64_t k = 0; k < updates; ++k) {
    const StepReport report = trainer.step();
    record.losses.push_back(report.loss);
    record.grad_norms.push_back(report.grad_norm);
  }
  recording.end();
}

/// Copies a part into the whole, or compares it with what is there.
class Assembler {
 public:
  explicit Assembler(Recording& result) : result_(result) {}

  void own(const Part& part) {
    RecordedTensor& whole = result_.tensors[part.name];
    if (whole.gradients.empty()) {
      whole.shape = part.whole;
      whole.number = part.number;
      whole.gradients.assign(part.gradients.size(), empty_like(part.whole));
      whole.update = empty_like(part.whole);
    }
    owned_[part.name] += checkpoint::volume(part.box);
    for_runs(part,
             [&](std::vector<float>& to, const std::vector<float>& from, int64_t at, int64_t start,
                 int64_t count) { std::copy_n(from.begin() + start, count, to.begin() + at); });
  }

  void check(int rank, const Part& part) {
    if (!result_.tensors.contains(part.name)) return;  // reported as not owned
    bool same = true;
    for_runs(part, [&](std::vector<float>& whole, const std::vector<float>& from, int64_t at,
                       int64_t start, int64_t count) {
      same = same && std::memcmp(&whole[static_cast<size_t>(at)], &from[static_cast<size_t>(start)],
                                 static_cast<size_t>(count) * sizeof(float)) == 0;
    });
    if (!same)
      result_.faults.push_back(
          fmt::format("{}: the replica of rank {} differs from its owner's", part.name, rank));
  }

  void require_whole(const std::string& name, const Shape& shape) {
    if (owned_[name] != shape.elements())
      result_.faults.push_back(
          fmt::format("{}: ranks own {} elements of {}", name, owned_[name], shape.elements()));
  }

 private:
  static std::vector<float> empty_like(const Shape& shape) {
    return std::vector<float>(static_cast<size_t>(shape.elements()), 0.0f);
  }
  template <class Act>
  void for_runs(const Part& part, Act act) {
    RecordedTensor& whole = result_.tensors.at(part.name);
    int64_t start = 0;
    for (const auto& run : checkpoint::runs(checkpoint::whole_box(part.whole), part.box)) {
      for (size_t k = 0; k < whole.gradients.size(); ++k)
        act(whole.gradients[k], part.gradients[k], run.start, start, run.count);
      act(whole.update, part.update, run.start, start, run.count);
      start += run.count;
    }
  }

  Recording& result_;
  std::map<std::string, int64_t> owned_;
};

}  // namespace

Recording record(const RunConfig& config, int ranks, int64_t updates, const Tamper& tamper) {
  std::vector<RankRecord> records(static_cast<size_t>(ranks));
  if (ranks == 1) {
    const auto world = comm::make_self();
    train(config, *world, updates, tamper, records[0]);
  } else {
    comm::run_thread_ranks(ranks, [&](comm::Communicator& world) {
      train(config, world, updates, tamper, records[static_cast<size_t>(world.rank())]);
    });
  }
  Recording result;
  result.losses = records[0].losses;
  result.grad_norms = records[0].grad_norms;
  Assembler assembler(result);
  std::map<std::string, Shape> shapes;
  for (int rank = 0; rank < ranks; ++rank)
    for (const Part& part : records[static_cast<size_t>(rank)].parts) {
      shapes[part.name] = part.whole;
      if (part.owned) assembler.own(part);
    }
  for (int rank = 0; rank < ranks; ++rank)
    for (const Part& part : records[static_cast<size_t>(rank)].parts) assembler.check(rank, part);
  for (const auto& [name, shape] : shapes) assembler.require_whole(name, shape);
  return result;
}

}  // namespace echelon::trainer
