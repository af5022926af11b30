#include "tests/numerics/runs.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>

#include "echelon/base/file.h"
#include "echelon/base/philox.h"
#include "echelon/comm/world.h"
#include "echelon/ops/threads.h"

namespace echelon::test {

trainer::RunConfig tiny_gpt2() {
  trainer::RunConfig c;
  c.model.num_layers = 2;
  c.model.hidden_size = 16;
  c.model.num_attention_heads = 4;
  c.model.seq_length = 16;
  c.model.vocab_size = 128;
  c.model.make_vocab_size_divisible_by = 4;
  c.model.init_method_std = 0.1;
  c.train.micro_batch_size = 2;
  c.train.global_batch_size = 8;
  c.train.train_iters = 100;
  c.optimizer.lr = 3e-3;
  c.scheduler.lr_decay_style = "constant";
  return c;
}

trainer::RunConfig tiny_llama() {
  trainer::RunConfig c = tiny_gpt2();
  c.model.num_query_groups = 2;
  c.model.ffn_hidden_size = 24;
  c.model.activation = ops::Activation::swiglu;
  c.model.normalization = nn::Normalization::rmsnorm;
  c.model.position_embedding_type = nn::Positions::rope;
  c.model.add_bias_linear = false;
  c.model.tie_embeddings = false;
  return c;
}

trainer::RowSource text_rows(const trainer::RunConfig& config,
                             const std::function<bool(int64_t, int64_t)>& ignored) {
  const std::string text = read_file(ECHELON_SOURCE "/tests/data/genesis.txt", size_t{1} << 20);
  const std::shared_ptr<Allocator> memory = make_cpu_allocator();
  const int64_t length = config.model.seq_length;
  return [text, memory, length, ignored](int64_t first, int64_t count) {
    data::Batch batch{first, Tensor::empty({count, length}, DType::i32, *memory),
                      Tensor::empty({count, length}, DType::i32, *memory)};
    for (int64_t row = 0; row < count; ++row) {
      const auto limit = static_cast<uint32_t>(static_cast<int64_t>(text.size()) - length - 1);
      const size_t start = Philox{5, 0}.below(static_cast<uint64_t>(first + row), limit);
      for (int64_t t = 0; t < length; ++t) {
        const auto at = start + static_cast<size_t>(t);
        batch.tokens.data<int32_t>()[row * length + t] = text[at] & 127;
        batch.targets.data<int32_t>()[row * length + t] =
            ignored && ignored(first + row, t) ? data::kIgnoreTarget : text[at + 1] & 127;
      }
    }
    return batch;
  };
}

namespace {

/// Calls visit(element of the stored tensor, element of the whole) for a part's box.
template <class Visit>
void for_box(const nn::Parameter& p, const parallel::LogicalPart& part, Visit visit) {
  const bool matrix = p.shape.rank() >= 2;
  const int64_t columns = matrix ? part.box.size[1] : 1;
  const int64_t whole_columns = matrix ? part.whole[1] : 1;
  const int64_t first_column = matrix ? part.box.offset[1] : 0;
  for (int64_t r = 0; r < part.box.size[0]; ++r)
    for (int64_t c = 0; c < columns; ++c)
      visit((part.local_row + r) * columns + c,
            (part.box.offset[0] + r) * whole_columns + first_column + c);
}

std::mutex& lock() {
  static std::mutex mutex;
  return mutex;
}

/// Elements [from, to) of a parameter's storage, given in `data`.
void add(Whole& whole, const std::string& prefix, const nn::Parameter& p, int64_t from, int64_t to,
         const float* data) {
  for (const auto& part : p.shard.parts) {
    auto& all = whole[prefix + part.name];
    all.resize(static_cast<size_t>(part.whole.elements()), std::numeric_limits<float>::quiet_NaN());
    for_box(p, part, [&](int64_t stored, int64_t element) {
      if (stored >= from && stored < to) all[static_cast<size_t>(element)] = data[stored - from];
    });
  }
}

}  // namespace

void collect(trainer::Trainer& trainer, Whole& whole) {
  const std::lock_guard guard(lock());
  auto& parts = trainer.parts();
  std::map<std::string, const nn::Parameter*> by_name;
  for (const nn::Parameter* p : parts.parameters()) {
    by_name[p->name] = p;
    add(whole, "", *p, 0, p->value.elements(), p->value.data<float>());
  }
  const auto& slices = parts.optimizer->slices();
  parts.optimizer->state([&](const std::string& name, size_t i, Tensor& tensor) {
    add(whole, name + "/", *by_name.at(slices[i].name), slices[i].from, slices[i].to,
        tensor.flat().data<float>());
  });
}

void load(trainer::Trainer& trainer, const Whole& whole) {
  for (nn::Parameter* p : trainer.parts().parameters())
    for (const auto& part : p->shard.parts) {
      const auto& from = whole.at(part.name);
      float* to = p->value.data<float>();
      for_box(*p, part, [&](int64_t stored, int64_t element) {
        to[stored] = from[static_cast<size_t>(element)];
      });
    }
  trainer.parts().store->import_values(*trainer.parts().stream);
}

namespace {

void run_session(comm::Communicator& world, const trainer::RunConfig& config, int64_t steps,
                 const trainer::RowSource& rows, Curve& curve, bool records, const Session& before,
                 const Session& after) {
  ops::use_threads(1);
  trainer::Trainer trainer(config, world, rows);
  if (before) before(trainer, world);
  for (int64_t k = 0; k < steps; ++k) {
    const auto report = trainer.step();
    if (!records) continue;
    curve.losses.push_back(report.loss);
    curve.norms.push_back(report.grad_norm);
  }
  if (after) after(trainer, world);
  collect(trainer, curve.weights);
}

}  // namespace

Curve trained(const trainer::RunConfig& config, int ranks, int64_t steps,
              const trainer::RowSource& rows, const Session& before, const Session& after) {
  Curve curve;
  comm::run_thread_ranks(ranks, [&](comm::Communicator& world) {
    run_session(world, config, steps, rows, curve, world.rank() == 0, before, after);
  });
  return curve;
}

Curve trained_on(comm::Communicator& world, const trainer::RunConfig& config, int64_t steps,
                 const trainer::RowSource& rows) {
  Curve curve;
  run_session(world, config, steps, rows, curve, true, {}, {});
  return curve;
}

double worst_relative(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size() || a.empty()) return std::numeric_limits<double>::infinity();
  double worst = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double difference = std::abs(a[i] - b[i]) / std::abs(b[i]);
    if (!(difference <= worst)) worst = difference;
  }
  return worst;
}

double worst_difference(const Whole& a, const Whole& b) {
  double worst = a.size() == b.size() && !a.empty() ? 0 : std::numeric_limits<double>::infinity();
  for (const auto& [name, values] : a) {
    const auto found = b.find(name);
    if (found == b.end() || found->second.size() != values.size())
      return std::numeric_limits<double>::infinity();
    double largest = 1e-30, difference = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      largest = std::max(largest, std::abs(static_cast<double>(found->second[i])));
      const double d = std::abs(static_cast<double>(values[i]) - found->second[i]);
      if (!(d <= difference)) difference = d;
    }
    if (!(difference / largest <= worst)) worst = difference / largest;
  }
  return worst;
}

}  // namespace echelon::test
