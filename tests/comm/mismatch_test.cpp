// Ranks that make different calls: every rank throws and names both; nothing hangs.
#include <catch2/catch.hpp>

#include "tests/comm/values.h"

using namespace echelon;
using namespace echelon::test;
using comm::Communicator;
using comm::ReduceOp;

namespace {

/// The message every rank of `w` gets for `call`.
std::string message_of(const std::function<void()>& call, const char* id) {
  try {
    call();
  } catch (const Error& e) {
    expect(e.code() == ExitCode::communication, "exit code");
    expect(e.id() == id, "id " + e.id());
    return e.what();
  }
  return "";
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("different collectives on the ranks of a group throw on all of them", "[comm]") {
  for_each_world_kind([](Communicator& w) {
    if (w.size() == 1) return;
    const auto stream = make_inline_stream();
    for (const int64_t count : {4, 9000}) {
      const Tensor data = make<float>(w, count, Memory::ordinary);
      const bool odd = w.rank() == w.size() - 1;
      const std::string text = message_of(
          [&] {
            if (odd)
              w.broadcast(data, 0, *stream).wait();
            else
              w.all_reduce(data, ReduceOp::sum, *stream).wait();
          },
          "N3");
      expect(has(text, fmt::format("all_reduce(sum, f32, {} elements)", count)), text);
      expect(has(text, fmt::format("broadcast(from 0, f32, {} elements)", count)), text);
      expect(has(text, "group world"), text);
    }
    // The group is still usable: nobody is left behind in the failed call.
    expect(comm::all_reduce(w, std::vector<int64_t>{1}, ReduceOp::sum)[0] == w.size(), "after");
  });
}

TEST_CASE("different element counts throw on all ranks and leave the data alone", "[comm]") {
  for_each_world_kind([](Communicator& w) {
    if (w.size() == 1) return;
    const auto stream = make_inline_stream();
    for (const Memory memory : {Memory::ordinary, Memory::symmetric}) {
      const Tensor data = make<float>(w, 20000, memory);
      fill_with<float>(data, [&](int64_t) { return w.rank() + 1; });
      const int64_t count = w.rank() == 0 ? 20000 : 19999;
      const std::string text = message_of(
          [&] { w.all_reduce(data.flat(0, count), ReduceOp::sum, *stream).wait(); }, "N4");
      expect(has(text, "20000 elements") && has(text, "19999 elements"), text);
      expect_values<float>(
          data, [&](int64_t) { return w.rank() + 1; }, "untouched");
    }
  });
}
