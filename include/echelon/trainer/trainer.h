#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "echelon/checkpoint/checkpoint.h"
#include "echelon/data/loader.h"
#include "echelon/trainer/assemble.h"
#include "echelon/trainer/signals.h"

namespace echelon::trainer {

/// What one update did. The same on every rank, but for the times.
struct StepReport {
  int64_t step = 0;      ///< updates applied so far
  double loss = 0;       ///< mean nats per valid token of the global batch
  double grad_norm = 0;  ///< before clipping
  double lr = 0;
  int64_t sequences = 0;                              ///< of the global batch
  int64_t tokens = 0;                                 ///< valid targets of the global batch
  double seconds = 0;                                 ///< of this rank
  double data_seconds = 0;                            ///< waiting for data, within `seconds`
  bool skipped = false;                               ///< non-finite gradients: nothing was updated
  StopRequest stop = StopRequest::none;               ///< agreed by all ranks
  std::vector<std::pair<std::string, double>> extra;  ///< optimizer's own values
};

struct Validation {
  double loss = 0;
  double perplexity = 0;
  std::optional<double> bits_per_byte;  ///< when the text size of the data is known
  int64_t tokens = 0;
};

/// What a checkpoint says about its run besides tensors and counters.
struct SavedFacts {
  std::string run;           ///< name
  std::string config;        ///< resolved YAML
  std::string resume_lines;  ///< config::canonical of the keys that must match on resume
  std::string tokenizer;     ///< tokenizer.json text; empty: unknown
};

/// Rows [first, first+count) of the training order; a Loader's, or synthetic ones of the benchmark.
using RowSource = std::function<data::Batch(int64_t first, int64_t count)>;

/// Trains one model on the ranks of `world`. One step reads top to bottom in step(); which
/// techniques take part was decided in assemble().
class Trainer {
 public:
  /// Collective. The configuration was checked. `rows` replaces the configured data when given;
  /// `stop` may be null.
  Trainer(RunConfig config, comm::Communicator& world, RowSource rows = {},
          const StopSignals* stop = nullptr, TraceSink* trace = nullptr);

  /// One update: see docs/step.md.
  StepReport step();
  Validation validate(int64_t batches, data::Split split = data::Split::valid);

  /// Writes <folder>/step-N. Collective; every rank returns the report or throws.
  checkpoint::SaveReport save(const std::filesystem::path& folder, const SavedFacts& facts);
  /// Continues from a checkpoint of `folder` as checkpoint.resume says; false: there was none.
  /// Refuses (exit 5) one whose configuration differs in a key that must match. Collective.
  bool resume(const std::filesystem::path& folder, const SavedFacts& facts);
  /// Weights alone, from one checkpoint or the newest of a folder (generate, eval). Collective.
  void load_weights(const std::filesystem::path& checkpoint);

  int64_t step_number() const { return step_; }
  int64_t consumed_samples() const { return consumed_; }
  const RunConfig& config() const { return config_; }
  Assembly& parts() { return parts_; }
  const data::Loader* loader() const { return loader_.get(); }

 private:
  std::vector<nn::MicroBatch> next_micro_batches(int64_t sequences);
  std::vector<nn::MicroBatch> cut(const data::Batch& rows, int64_t first_sample) const;
  struct Totals {
    double loss = 0;
    int64_t tokens = 0;
    StopRequest stop = StopRequest::none;
  };
  Totals total(double loss, const std::vector<nn::MicroBatch>& micros, StopRequest stop);
  void update(StepReport& report, double grad_scale);

  RunConfig config_;
  comm::Communicator& world_;
  const StopSignals* stop_;
  Assembly parts_;
  std::unique_ptr<data::Loader> loader_;
  RowSource rows_;
  optim::Schedule schedule_;
  int64_t step_ = 0;      // updates applied
  int64_t attempts_ = 0;  // with skipped ones: part of the dropout streams
  int64_t consumed_ = 0;  // samples
  int64_t skips_in_a_row_ = 0;
};

/// model.vocab_size 0 becomes the vocabulary stored beside the data. Collective.
void settle_vocabulary(RunConfig& config, comm::Communicator& world);

}  // namespace echelon::trainer
