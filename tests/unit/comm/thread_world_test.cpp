#include <catch2/catch.hpp>

#include <chrono>
#include <thread>

#include "echelon/comm/world.h"
#include "tests/comm/values.h"

using namespace echelon;
using namespace echelon::comm;
using Catch::Matchers::Contains;

namespace {

double seconds_of(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// The error run_thread_ranks ends with.
Error error_of(int ranks, const std::function<void(Communicator&)>& body, double stuck = 30) {
  try {
    run_thread_ranks(ranks, body, stuck);
  } catch (const Error& e) {
    return e;
  }
  return {ExitCode::ok, "", "no error"};
}

}  // namespace

TEST_CASE("the first exception of a rank is rethrown, blocked ranks are released", "[comm]") {
  std::atomic<int> released = 0;
  const double seconds = seconds_of([&] {
    const Error e = error_of(4, [&](Communicator& w) {
      if (w.rank() == 2) fail(ExitCode::data, "D1", "shard is torn");
      try {
        w.barrier();
      } catch (const Error& error) {
        if (error.code() == ExitCode::communication &&
            std::string(error.what()).find("rank 2 threw: shard is torn") != std::string::npos)
          ++released;
        throw;
      }
    });
    CHECK(e.code() == ExitCode::data);
    CHECK(std::string(e.what()) == "shard is torn");
  });
  CHECK(released == 3);
  CHECK(seconds < 5);
}

TEST_CASE("blocked sends, receives and calls in other groups are released too", "[comm]") {
  const Error e = error_of(4, [](Communicator& w) {
    const auto stream = make_inline_stream();
    const Tensor data = test::make<float>(w, 100, test::Memory::ordinary);
    const auto pair = w.split(w.rank() / 2, w.rank(), "tp");
    if (w.rank() == 0) w.send(data, 3, *stream).wait();
    if (w.rank() == 1) pair->barrier();
    if (w.rank() == 2) pair->recv(data, 1, *stream).wait();
    w.abort(ExitCode::numerics);
  });
  CHECK(e.code() == ExitCode::numerics);
  CHECK_THAT(e.what(), Contains("rank 3 ended the run with code 7"));
}

TEST_CASE("a rank that does not arrive is named with group and call", "[comm]") {
  std::atomic<bool> over = false;
  const Error e = error_of(
      3,
      [&](Communicator& w) {
        const auto group = w.split(w.rank() == 0 ? -1 : 0, w.rank(), "dp");
        if (w.rank() == 0) return;
        if (w.rank() == 1)
          while (!over) std::this_thread::sleep_for(std::chrono::milliseconds(5));
        try {
          all_reduce(*group, std::vector<double>{1}, ReduceOp::sum);
        } catch (...) {
          over = true;
          throw;
        }
      },
      0.3);
  CHECK(e.code() == ExitCode::watchdog);
  CHECK_THAT(e.what(), Contains("rank 2: group dp: all_reduce(sum, f64, 1 elements) #1"));
  CHECK_THAT(e.what(), Contains("for rank 1, which did not arrive"));
}

TEST_CASE("two blocking sends towards each other are found and named", "[comm]") {
  const Error e = error_of(
      2,
      [](Communicator& w) {
        const auto stream = make_inline_stream();
        const Tensor data = test::make<float>(w, 25, test::Memory::ordinary);
        w.send(data, 1 - w.rank(), *stream).wait();
        w.recv(data, 1 - w.rank(), *stream).wait();
      },
      0.3);
  CHECK(e.code() == ExitCode::watchdog);
  CHECK_THAT(e.what(), Contains("group world: waited") && Contains("send to rank") &&
                           Contains("(100 bytes)"));
}

TEST_CASE("messages of different sizes throw on both sides", "[comm]") {
  std::atomic<int> thrown = 0;
  const Error e = error_of(2, [&](Communicator& w) {
    const auto stream = make_inline_stream();
    const Tensor data = test::make<float>(w, 10 + w.rank(), test::Memory::ordinary);
    try {
      if (w.rank() == 0)
        w.send(data, 1, *stream).wait();
      else
        w.recv(data, 0, *stream).wait();
    } catch (const Error& error) {
      if (error.id() == "N4") ++thrown;
      throw;
    }
  });
  CHECK(thrown == 2);
  CHECK_THAT(e.what(), Contains("found a message of 40 bytes, wanted 44"));
}

TEST_CASE("ranks leave a call together: an abort never frees what others read", "[comm]") {
  // Under the address and thread sanitizers this finds buffers freed under a reader.
  for (int round = 0; round < 10; ++round) {
    const Error e = error_of(4, [&](Communicator& w) {
      const auto stream = make_inline_stream();
      const auto group = w.split(w.rank() == 3 ? -1 : 0, w.rank(), "dp");
      if (w.rank() == 3) {
        std::this_thread::sleep_for(std::chrono::microseconds(round * 40));
        w.abort(ExitCode::diverged);
        return;
      }
      for (;;) {
        const Tensor data = test::make<float>(w, 3000, test::Memory::ordinary);
        test::fill_with<float>(data, [&](int64_t i) { return test::held(w.rank(), i); });
        group->all_reduce(data, ReduceOp::sum, *stream).wait();
      }
    });
    CHECK(e.code() == ExitCode::diverged);
  }
}

TEST_CASE("more ranks than cores still make progress", "[comm]") {
  std::atomic<int64_t> sum = 0;
  run_thread_ranks(12, [&](Communicator& w) {
    std::vector<int64_t> value{w.rank()};
    for (int i = 0; i < 50; ++i)
      value = all_reduce(w, std::vector<int64_t>{w.rank()}, ReduceOp::sum);
    if (w.rank() == 11) sum = value[0];
  });
  CHECK(sum == 66);
}
