#include <catch2/catch.hpp>

#include <mutex>

#include "echelon/comm/world.h"
#include "tests/comm/values.h"

using namespace echelon;
using namespace echelon::comm;

namespace {

struct Recorder : CommSink {
  void record(const CommRecord& r) override {
    const std::lock_guard lock(mutex);
    records.push_back(r);
  }
  std::mutex mutex;
  std::vector<CommRecord> records;
};

std::string line(const CommRecord& r) {
  return fmt::format("{} {} {} {} x{} {}B n{} p{}", r.phase, r.op, r.group, r.dtype, r.elements,
                     r.bytes, r.group_size, r.peer);
}

/// One call of each kind on a group of two.
void one_of_each(Communicator& dp, Stream& stream) {
  const Tensor whole = test::make<bf16>(dp, 8, test::Memory::ordinary);
  const Tensor part = test::make<bf16>(dp, 4, test::Memory::ordinary);
  const Tensor other = test::make<float>(dp, 3, test::Memory::ordinary);
  fill_zero(const_cast<Tensor&>(whole));
  dp.all_reduce(whole, ReduceOp::sum, stream).wait();
  dp.reduce_scatter(whole, part, ReduceOp::sum, stream).wait();
  dp.all_gather(part, whole, stream).wait();
  dp.broadcast(whole, 1, stream).wait();
  dp.barrier();
  dp.group_begin();
  Pending sent = dp.send(part, 1 - dp.rank(), stream);
  Pending got = dp.recv(other.flat(0, 2), 1 - dp.rank(), stream);
  dp.group_end(stream);
  std::move(got).wait();
  std::move(sent).wait();
}

}  // namespace

TEST_CASE("the log counts payloads, both sides of messages, and no groups of one", "[comm]") {
  for (const bool worker : {false, true}) {
    Recorder sinks[2];
    auto phase = std::make_shared<std::string>("train");
    run_thread_ranks(2, [&](Communicator& w) {
      const auto stream = worker ? make_worker_stream("test-comm") : make_inline_stream();
      const auto log = make_logged(w.split(0, w.rank(), "world"), sinks[w.rank()], phase);
      one_of_each(*log->split(0, w.rank(), "dp"), *stream);
      const auto alone = log->split(w.rank(), 0, "tp");
      const Tensor data = test::make<float>(w, 5, test::Memory::ordinary);
      alone->all_reduce(data, ReduceOp::sum, *stream).wait();
      stream->synchronize();
    });
    for (const int rank : {0, 1}) {
      const std::string peer = std::to_string(1 - rank);
      const std::vector<std::string> wanted = {
          "train all_reduce dp bf16 x8 16B n2 p-1", "train reduce_scatter dp bf16 x8 16B n2 p-1",
          "train all_gather dp bf16 x8 16B n2 p-1", "train broadcast dp bf16 x8 16B n2 p-1",
          "train send dp bf16 x4 8B n2 p" + peer,   "train recv dp f32 x2 8B n2 p" + peer};
      std::vector<std::string> found;
      for (const auto& r : sinks[rank].records) {
        found.push_back(line(r));
        CHECK(r.seconds >= 0);
        CHECK(r.seconds < 30);
      }
      CHECK(found == wanted);
    }
  }
}

TEST_CASE("a record carries the phase at the time of its call", "[comm]") {
  Recorder sink;
  auto phase = std::make_shared<std::string>("init");
  const auto log = make_logged(make_fake(0, 4, "dp"), sink, phase);
  const auto stream = make_inline_stream();
  const Tensor data = test::make<float>(*log, 5, test::Memory::ordinary);
  log->all_reduce(data, ReduceOp::sum, *stream).wait();
  *phase = "eval";
  log->broadcast(data, 0, *stream).wait();
  REQUIRE(sink.records.size() == 2);
  CHECK(sink.records[0].phase == "init");
  CHECK(sink.records[1].phase == "eval");
}
