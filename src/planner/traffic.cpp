#include "echelon/planner/traffic.h"

#include <algorithm>
#include <set>

#include "echelon/base/text.h"
#include "echelon/pipeline/schedule.h"

namespace echelon::planner {

namespace {

/// Adds up the ledger of one rank. Groups of one rank communicate nothing.
class Ledger {
 public:
  Ledger(const Job& job, const parallel::Degrees& degrees, const parallel::Coords& coords)
      : job_(job),
        d_(degrees),
        c_(coords),
        parts_(parts_of(job, degrees, coords)),
        micros_(job.micros(degrees)),
        stage_(job.sharding.stage) {}

  Traffic run() {
    tensor_parallel();
    context_parallel();
    pipeline();
    gradients();
    weights();
    control();
    return std::move(traffic_);
  }

 private:
  void add(const char* op, const char* group, int size, DType dtype, int64_t elements,
           int64_t calls) {
    if (size > 1 && calls > 0 && elements > 0)
      traffic_[{op, group, size, dtype, elements}] += calls;
  }
  void on_tp(const char* op, int64_t elements, int64_t calls) {
    add(op, "tp", d_.tp, DType::f32, elements, calls);
  }
  void on_grad(const char* op, int64_t elements, int64_t calls) {
    add(op, "grad", d_.dp * d_.cp, DType::f32, elements, calls);
  }
  int64_t rows() const { return job_.micro_batch * job_.model.seq_length / d_.cp; }

  /// Per layer and micro-batch: two sums of an activation in forward and two in backward; with rows
  /// split the sums are reduce-scatters and six gathers join them (Korthikanti et al. 2022; inputs
  /// are gathered again for the weight gradients). Recomputed layers repeat forward.
  void tensor_parallel() {
    const int64_t a = rows() * job_.model.hidden_size;
    for (const auto& range : parts_.ranges) {
      const int64_t layers = range.last_layer - range.first_layer;
      const int64_t again =
          job_.recomputed_mlps ? layers : 2 * std::min(layers, job_.recomputed_layers);
      const int64_t first = range.embedding, last = range.head;
      const int64_t sums = micros_ * (4 * layers + again + first + last);
      if (!job_.sequence_parallel) {
        on_tp("all_reduce", a, sums);
      } else {
        on_tp("reduce_scatter", a, sums);
        on_tp("all_gather", a, micros_ * (6 * layers + again + first + 2 * last));
      }
      on_tp("all_reduce", rows(), 3 * micros_ * last);  // cross-entropy: max, sum, target
    }
    if (!job_.sequence_parallel) return;
    int64_t partial = 0;
    for (const Held& h : parts_.held) partial += h.partial_under_sp ? h.elements : 0;
    on_tp("all_reduce", partial, 1);
  }

  /// Keys and values go around the ring in forward; in backward they and their gradients do.
  void context_parallel() {
    const auto& m = job_.model;
    const int64_t block = rows() * 2 * m.kv_heads() * m.head_size() / d_.tp;
    int64_t rounds = 0;
    for (const auto& range : parts_.ranges) {
      const int64_t layers = range.last_layer - range.first_layer;
      const int64_t again =
          job_.recomputed_cores ? layers : std::min(layers, job_.recomputed_layers);
      rounds += micros_ * (3 * layers + again);
    }
    add("send", "cp", d_.cp, DType::f32, block, rounds * (d_.cp - 1));
    add("recv", "cp", d_.cp, DType::f32, block, rounds * (d_.cp - 1));
  }

  /// One activation per boundary, micro-batch and direction.
  void pipeline() {
    const int64_t split = job_.sequence_parallel ? d_.tp : 1;
    const int64_t message = rows() * job_.model.hidden_size / split;
    int64_t calls = 0;
    for (int chunk = 0; chunk < job_.chunks(); ++chunk) {
      const int stage = job_.shape(d_).stage_of(c_.pp, chunk);
      calls += (stage > 0) + (stage + 1 < job_.shape(d_).stages());
    }
    // A stage sends activations on and gradients back, so sends and receives are as many.
    add("send", "pp", d_.pp, DType::f32, message, calls * micros_);
    add("recv", "pp", d_.pp, DType::f32, message, calls * micros_);
  }

  void gradients() {
    for (const auto& bucket : parts_.buckets)
      on_grad(stage_ == 0 ? "all_reduce" : "reduce_scatter", bucket.elements,
              stage_ < 2 ? 1 : reductions(bucket));
    if (d_.pp == 1) return;
    for (const auto& bucket : parts_.buckets)
      for (const auto& item : bucket.items)
        if (parts_.held[item.parameter].tied)
          add("all_reduce", "embedding", 2, DType::f32,
              stage_ == 0 ? item.elements : bucket.elements / (d_.dp * d_.cp), 1);
  }

  /// From stage 2 on a bucket is reduced whenever every chunk with a part in it has finished a
  /// micro-batch since the last time, and at the end if something is left.
  int64_t reductions(const sharding::Bucket& bucket) const {
    std::set<int> chunks;
    for (const auto& item : bucket.items) chunks.insert(parts_.held[item.parameter].chunk);
    if (chunks.size() == 1) return micros_;
    const auto shape = job_.shape(d_);
    const auto schedule = pipeline::make_schedule(job_.pipeline.pipeline_schedule);
    std::set<int> done;
    int64_t count = 0;
    for (const auto& action : schedule->compute(c_.pp, shape)) {
      if (action.kind != pipeline::Kind::B && action.kind != pipeline::Kind::W) continue;
      if (const int chunk = shape.chunk_of(action.stage); chunks.contains(chunk))
        done.insert(chunk);
      if (done.size() < chunks.size()) continue;
      done.clear();
      ++count;
    }
    return count + !done.empty();
  }

  /// Stages 1 and 2 gather the updated weights once; stage 3 every unit for forward and for
  /// backward of every micro-batch, the matrix that a head shares with its embedding twice as
  /// often.
  void weights() {
    if (stage_ == 0) return;
    const bool shares = job_.model.tie_embeddings && d_.pp == 1;
    for (const auto& bucket : parts_.buckets) {
      const Held& held = parts_.held[bucket.items.front().parameter];
      const bool embedding = held.chunk == 0 && held.unit == 0 && parts_.ranges[0].embedding;
      const int64_t often = shares && embedding ? 4 : 2;
      on_grad("all_gather", bucket.elements, stage_ < 3 ? 1 : often * micros_);
    }
  }

  void control() {
    const int world = d_.world(), model = d_.tp * d_.pp;
    add("all_reduce", "world", world, DType::f64, 4, 1);  // loss, valid targets, stop requests
    if (stage_ == 0)
      add("all_reduce", "model", model, DType::f64, 1, 1);
    else
      add("all_reduce", "world", world, DType::f64, 1, 1);
    if (job_.optimizer.type != "lamb") return;
    const auto norms = 2 * static_cast<int64_t>(parts_.held.size());
    add("all_reduce", "tp", d_.tp, DType::f64, norms, 1);
    if (stage_ > 0) add("all_reduce", "grad", d_.dp * d_.cp, DType::f64, norms, 1);
  }

  const Job& job_;
  parallel::Degrees d_;
  parallel::Coords c_;
  RankParts parts_;
  int64_t micros_, stage_;
  Traffic traffic_;
};

}  // namespace

Traffic step_traffic(const Job& job, const parallel::Degrees& degrees,
                     const parallel::Coords& coords) {
  return Ledger(job, degrees, coords).run();
}

int64_t bytes_of(const Traffic& traffic) {
  int64_t bytes = 0;
  for (const auto& [call, calls] : traffic)
    bytes += calls * call.elements * static_cast<int64_t>(size_of(call.dtype));
  return bytes;
}

std::string to_text(const Traffic& traffic) {
  struct Sum {
    int size;
    int64_t calls, bytes;
  };
  std::map<std::pair<std::string, std::string>, Sum> lines;
  for (const auto& [call, calls] : traffic) {
    Sum& sum = lines[{call.group, call.op}];
    sum.size = call.group_size;
    sum.calls += calls;
    sum.bytes += calls * call.elements * static_cast<int64_t>(size_of(call.dtype));
  }
  std::string out;
  for (const auto& [key, sum] : lines)
    out += fmt::format("  {:<16}{:<12}{:>4} ranks{:>8} calls{:>12}\n", key.second, key.first,
                       sum.size, sum.calls, text::bytes(static_cast<double>(sum.bytes)));
  return out;
}

}  // namespace echelon::planner
