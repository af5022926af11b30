#pragma once
// Up-calls from the floors below to whoever records: scopes and collectives. Interfaces only, so
// that ops, comm and nn can report without seeing telemetry.
#include <cstdint>
#include <string>
#include <string_view>

namespace echelon {

/// One communication call, as counted by docs/howto/communication-log.md.
struct CommRecord {
  std::string op;     ///< all_reduce, reduce_scatter, all_gather, all_to_all, broadcast, send, recv
  std::string group;  ///< axis name of the communicator: world, dp, tp, pp, cp, embedding
  std::string phase;  ///< init, train, eval, checkpoint
  std::string dtype;
  int64_t elements =
      0;  ///< payload: whole input of a reduce-scatter, whole output of an all-gather
  int64_t bytes = 0;
  int group_size = 1;
  int peer = -1;  ///< send and recv only
  double seconds = 0;
};

/// Receives one record per call; called from the thread that performs the call. Must be
/// thread-safe.
class CommSink {
 public:
  virtual ~CommSink() = default;
  virtual void record(const CommRecord& record) = 0;
};

/// Receives named, nested scopes ("forward", "F mb3", "reduce bucket 2"). Must be thread-safe.
class TraceSink {
 public:
  virtual ~TraceSink() = default;
  virtual void begin(std::string_view name, std::string_view category, int64_t payload) = 0;
  virtual void end() = 0;
};

/// Scope for its lifetime; a null sink costs one branch.
class TraceScope {
 public:
  TraceScope(TraceSink* sink, std::string_view name, std::string_view category, int64_t payload = 0)
      : sink_(sink) {
    if (sink_) sink_->begin(name, category, payload);
  }
  ~TraceScope() {
    if (sink_) sink_->end();
  }
  TraceScope(const TraceScope&) = delete;
  TraceScope& operator=(const TraceScope&) = delete;

 private:
  TraceSink* sink_;
};

}  // namespace echelon
