// Splitting, messages, streams, control values.
#include <catch2/catch.hpp>

#include "tests/comm/values.h"

using namespace echelon;
using namespace echelon::test;
using comm::Communicator;
using comm::Pending;
using comm::ReduceOp;

TEST_CASE("split orders by key then rank and leaves out negative colors", "[comm]") {
  for_each_world_kind([](Communicator& w) {
    const int color = w.rank() % 2;
    const auto half = w.split(color, -w.rank(), "tp");
    expect(half != nullptr && half->name() == "tp", "name");
    expect(half->size() == (w.size() + 1 - color) / 2, "size");
    expect(half->rank() == half->size() - 1 - w.rank() / 2, "reversed by key");
    const auto sum = comm::all_reduce(*half, std::vector<int64_t>{w.rank()}, ReduceOp::sum);
    int64_t wanted = 0;
    for (int r = color; r < w.size(); r += 2) wanted += r;
    expect(sum[0] == wanted, "sum over the half");
    const auto first = w.split(w.rank() == 0 ? 0 : -1, 0, "embedding");
    expect((first != nullptr) == (w.rank() == 0), "only rank 0 is in");
    const auto nested = half->split(0, half->rank(), "dp");
    expect(nested->size() == half->size() && nested->rank() == half->rank(), "split of a split");
    nested->barrier();
    w.barrier();
  });
}

TEST_CASE("neighbours exchange opposite messages inside a group", "[comm]") {
  for_each_world_kind([](Communicator& w) {
    if (w.size() == 1) return;
    const auto stream = make_inline_stream();
    const int next = (w.rank() + 1) % w.size(), before = (w.rank() + w.size() - 1) % w.size();
    for (const int64_t count : {1, 100003}) {
      const Tensor out = make<float>(w, count, Memory::ordinary);
      const Tensor in = make<float>(w, count, Memory::ordinary);
      const Tensor back = make<float>(w, count, Memory::ordinary);
      fill_with<float>(out, [&](int64_t i) { return held(w.rank(), i); });
      w.group_begin();
      Pending a = w.send(out, next, *stream);
      Pending b = w.send(out, before, *stream);
      Pending c = w.recv(in, before, *stream);
      Pending d = w.recv(back, next, *stream);
      w.group_end(*stream);
      std::move(a).wait();
      std::move(b).wait();
      std::move(c).wait();
      std::move(d).wait();
      // With two ranks both messages come from the same peer, in the order sent.
      expect_values<float>(
          in, [&](int64_t i) { return held(before, i); }, "from before");
      expect_values<float>(
          back, [&](int64_t i) { return held(next, i); }, "from next");
    }
  });
}

TEST_CASE("messages between two ranks arrive in the order sent", "[comm]") {
  for_each_world_kind([](Communicator& w) {
    const auto stream = make_inline_stream();
    const Tensor data = make<int32_t>(w, 17, Memory::ordinary);
    for (int round = 0; round < 20; ++round) {
      for (int r = 1; r < w.size(); ++r) {
        if (w.rank() == r) {
          fill_with<int32_t>(data, [&](int64_t i) { return i + 100 * round + r; });
          w.send(data, 0, *stream).wait();
        } else if (w.rank() == 0) {
          w.recv(data, r, *stream).wait();
          expect_values<int32_t>(
              data, [&](int64_t i) { return i + 100 * round + r; }, "message");
        }
      }
    }
  });
}

TEST_CASE("collectives on a worker stream overlap with the caller and keep their order", "[comm]") {
  for_each_world_kind([](Communicator& w) {
    const auto other = w.split(0, w.rank(), "dp");
    const auto worker = make_worker_stream("test-comm");
    const auto inline_stream = make_inline_stream();
    std::vector<Tensor> data;
    std::vector<Pending> pending;
    for (int i = 0; i < 8; ++i) {
      data.push_back(make<float>(w, 5000 + i, Memory::ordinary));
      fill_with<float>(data.back(), [&](int64_t k) { return held(w.rank(), k + i); });
      pending.push_back(other->all_reduce(data.back(), ReduceOp::sum, *worker));
    }
    const auto sum = comm::all_reduce(w, std::vector<int64_t>{1}, ReduceOp::sum);
    expect(sum[0] == w.size(), "main thread's own group goes on");
    for (int i = 0; i < 8; ++i) {
      std::move(pending[static_cast<size_t>(i)]).wait();
      expect_values<float>(
          data[static_cast<size_t>(i)],
          [&](int64_t k) { return reduced(w.size(), k + i, ReduceOp::sum); }, "bucket");
    }
  });
}

TEST_CASE("messages grouped on a worker stream are ready after group_end", "[comm]") {
  for_each_world_kind([](Communicator& w) {
    if (w.size() != 2) return;
    const auto worker = make_worker_stream("test-comm");
    const Tensor out = make<float>(w, 70001, Memory::ordinary);
    const Tensor in = make<float>(w, 70001, Memory::ordinary);
    fill_with<float>(out, [&](int64_t i) { return held(w.rank(), i); });
    w.group_begin();
    Pending sent = w.send(out, 1 - w.rank(), *worker);
    Pending got = w.recv(in, 1 - w.rank(), *worker);
    w.group_end(*worker);
    std::move(got).wait();
    std::move(sent).wait();
    expect_values<float>(
        in, [&](int64_t i) { return held(1 - w.rank(), i); }, "message");
  });
}

TEST_CASE("control values: numbers are reduced, text of any length is broadcast", "[comm]") {
  for_each_world_kind([](Communicator& w) {
    const auto sums = comm::all_reduce(w, std::vector<double>{0.5, 1.0 * w.rank()}, ReduceOp::sum);
    expect(sums[0] == 0.5 * w.size() && sums[1] == w.size() * (w.size() - 1) / 2.0, "sums");
    const auto least = comm::all_reduce(w, std::vector<int64_t>{100 - w.rank()}, ReduceOp::min);
    expect(least[0] == 101 - w.size(), "min");
    const int root = w.size() - 1;
    for (const size_t length : {0, 1, 5000, 1000003}) {
      const std::string text(length, 'x');
      expect(comm::broadcast(w, w.rank() == root ? text : "other", root) == text, "text");
    }
  });
}

TEST_CASE("symmetric memory is zeroed, aligned, and outlives its group's other buffers", "[comm]") {
  for_each_world_kind([](Communicator& w) {
    const auto stream = make_inline_stream();
    auto first = w.symmetric_memory(12345);
    expect(reinterpret_cast<uintptr_t>(first.get()) % 64 == 0, "aligned");
    for (size_t i = 0; i < 12345; ++i) expect(first.get()[i] == std::byte{0}, "zeroed");
    const Tensor kept = Tensor::wrap(w.symmetric_memory(40000), {10000}, DType::f32, {});
    first.reset();
    // Different offsets within the region on each rank are fine.
    const Tensor part = kept.flat(w.rank() * 8, w.rank() * 8 + 9000);
    fill_with<float>(part, [&](int64_t i) { return held(w.rank(), i); });
    w.all_reduce(part, ReduceOp::sum, *stream).wait();
    expect_values<float>(
        part, [&](int64_t i) { return reduced(w.size(), i, ReduceOp::sum); }, "sum");
    w.barrier();
  });
}
