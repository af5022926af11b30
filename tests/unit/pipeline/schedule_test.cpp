#include <catch2/catch.hpp>

#include <algorithm>

#include "echelon/base/error.h"
#include "echelon/pipeline/schedule.h"
#include "echelon/pipeline/simulate.h"

using namespace echelon;
using namespace echelon::pipeline;

namespace {
std::vector<PipeShape> shapes(const Schedule& schedule) {
  std::vector<PipeShape> found;
  for (int ranks = 2; ranks <= 8; ++ranks)
    for (int chunks = 1; chunks <= 3; ++chunks)
      for (int micros = 1; micros <= 16; ++micros)
        if (const PipeShape s{ranks, chunks, micros}; schedule.refuses(s).empty())
          found.push_back(s);
  return found;
}
}  // namespace

TEST_CASE("every schedule is complete, paired and free of deadlock with rendezvous sends",
          "[pipeline]") {
  for (const auto& name : schedule_names()) {
    const auto schedule = make_schedule(name);
    const auto all = shapes(*schedule);
    CHECK(all.size() >= 20);
    for (const auto& shape : all) {
      INFO(name << " p " << shape.ranks << " v " << shape.chunks << " m " << shape.micros);
      const auto programs = programs_of(*schedule, shape);
      CHECK(fault_in(programs, shape) == "");
      const auto run = simulate(programs, shape, {}, true);
      CHECK(run.stuck == "");
      CHECK_FALSE(run.deadlock);
    }
  }
}

TEST_CASE("1F1B and GPipe bubbles equal (p-1)/(m+p-1)", "[pipeline]") {
  for (const char* name : {"gpipe", "1f1b"})
    for (int p = 2; p <= 8; ++p)
      for (const int m : {p, 2 * p, 16}) {
        if (m < p) continue;
        const PipeShape shape{p, 1, m};
        const auto run = simulate(programs_of(*make_schedule(name), shape), shape, {});
        CHECK(run.makespan == Approx((m + p - 1) * 3.0));
        CHECK(run.bubble == Approx((p - 1.0) / (m + p - 1)));
      }
}

TEST_CASE("interleaving divides the bubble time by the number of chunks", "[pipeline]") {
  for (const int p : {2, 4})
    for (const int v : {2, 3}) {
      const PipeShape shape{p, v, 4 * p};
      const auto run = simulate(programs_of(*make_schedule("interleaved"), shape), shape, {});
      const double ideal = 3.0 * v * shape.micros;
      CHECK(run.makespan - ideal == Approx(3.0 * (p - 1)));
    }
}

TEST_CASE("1F1B keeps at most p - rank stashes, GPipe all of them", "[pipeline]") {
  const PipeShape shape{4, 1, 16};
  CHECK(simulate(programs_of(*make_schedule("1f1b"), shape), shape, {}).peak_stashes ==
        std::vector<int>{4, 3, 2, 1});
  CHECK(simulate(programs_of(*make_schedule("gpipe"), shape), shape, {}).peak_stashes ==
        std::vector<int>{16, 16, 16, 16});
}

TEST_CASE("zero bubble wins over 1F1B with as many stashes as its first rank", "[pipeline]") {
  for (int p = 2; p <= 8; ++p) {
    const PipeShape shape{p, 1, 2 * p};
    const auto zero = simulate(programs_of(*make_schedule("zero_bubble"), shape), shape, {});
    const auto plain = simulate(programs_of(*make_schedule("1f1b"), shape), shape, {});
    CHECK(zero.makespan < plain.makespan);
    CHECK(*std::max_element(zero.peak_stashes.begin(), zero.peak_stashes.end()) <= p);
  }
}

TEST_CASE("programs survive printing and parsing", "[pipeline]") {
  const PipeShape shape{4, 2, 8};
  for (const auto& program : programs_of(*make_schedule("interleaved"), shape))
    CHECK(parse_program(to_string(program)) == program);
  CHECK_THROWS_AS(parse_program("F0.0 X1.1"), Error);
}

TEST_CASE("wrong shapes are refused with the nearest choices", "[pipeline]") {
  CHECK_THROWS_WITH(programs_of(*make_schedule("interleaved"), {4, 2, 6}),
                    Catch::Contains("nearest choices 4 and 8"));
  CHECK_THROWS_WITH(make_schedule("2f2b"),
                    Catch::Contains("gpipe, 1f1b, interleaved, zero_bubble"));
}

TEST_CASE("a missing or misplaced action is found", "[pipeline]") {
  const PipeShape shape{2, 1, 2};
  auto programs = programs_of(*make_schedule("1f1b"), shape);
  auto lost = programs;
  std::erase(lost[0], Action{Kind::B, 0, 1});
  CHECK(fault_in(lost, shape) == "stage 0 never finishes micro-batch 1");
  auto swapped = programs;
  std::erase(swapped[1], Action{Kind::RecvAct, 1, 0});
  CHECK_FALSE(fault_in(swapped, shape).empty());
}

TEST_CASE("crossed transfers are reported as a deadlock", "[pipeline]") {
  const PipeShape shape{2, 1, 1};
  const std::vector<Program> crossed = {parse_program("RG0.0 F0.0 SA0.0 B0.0"),
                                        parse_program("RA1.0 F1.0 B1.0 SG1.0")};
  const auto run = simulate(crossed, shape, {});
  CHECK(run.deadlock);
  CHECK(run.stuck == "rank 0 waits in RG0.0");
}
