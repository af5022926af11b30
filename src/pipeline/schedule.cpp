#include "echelon/pipeline/schedule.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "echelon/base/error.h"
#include "echelon/base/text.h"
#include "src/pipeline/schedules/schedules.h"

namespace echelon::pipeline {

std::string Schedule::refuses(const PipeShape&) const { return ""; }

std::vector<std::string> schedule_names() {
  return {
#define X(name, Class) #name,
#include "src/pipeline/registry.def"
#undef X
  };
}

std::unique_ptr<Schedule> make_schedule(const std::string& name) {
#define X(known, Class) \
  if (name == #known) return std::make_unique<Class>();
#include "src/pipeline/registry.def"
#undef X
  fail(ExitCode::config, "C2", "parallel.pipeline_schedule: found '{}', wanted one of {}",
       text::escaped(name), text::join(schedule_names(), ", "));
}

Program with_transfers(const Program& compute, const PipeShape& shape) {
  const auto crosses = [&](int from, int to) {
    return from >= 0 && to < shape.stages() && shape.rank_of(from) != shape.rank_of(to);
  };
  Program program;
  for (const Action& a : compute) {
    const bool backward = a.kind == Kind::B || a.kind == Kind::I;
    if (a.kind == Kind::F && crosses(a.stage - 1, a.stage))
      program.push_back({Kind::RecvAct, a.stage, a.micro});
    if (backward && crosses(a.stage, a.stage + 1))
      program.push_back({Kind::RecvGrad, a.stage, a.micro});
    program.push_back(a);
    if (a.kind == Kind::F && crosses(a.stage, a.stage + 1))
      program.push_back({Kind::SendAct, a.stage, a.micro});
    if (backward && crosses(a.stage - 1, a.stage))
      program.push_back({Kind::SendGrad, a.stage, a.micro});
  }
  return program;
}

std::vector<Program> programs_of(const Schedule& schedule, const PipeShape& shape) {
  if (const auto reason = schedule.refuses(shape); !reason.empty())
    fail(ExitCode::config, "V03", "parallel.pipeline_schedule: {}; nothing was started", reason);
  std::vector<Program> programs;
  for (int rank = 0; rank < shape.ranks; ++rank)
    programs.push_back(with_transfers(schedule.compute(rank, shape), shape));
  return programs;
}

namespace {

/// How far each (stage, micro-batch) has come: 0 nothing, 1 F, 2 I, 3 B or W.
std::string fault_in_order(const Program& program, int rank, const PipeShape& shape) {
  std::map<std::pair<int, int>, int> progress;
  for (const Action& a : program) {
    if (!is_compute(a.kind)) continue;
    if (a.stage < 0 || a.stage >= shape.stages() || a.micro < 0 || a.micro >= shape.micros)
      return to_string(a) + " is outside the pipeline";
    if (shape.rank_of(a.stage) != rank)
      return fmt::format("{} stands on rank {}", to_string(a), rank);
    int& state = progress[{a.stage, a.micro}];
    const int needed = a.kind == Kind::F ? 0 : a.kind == Kind::W ? 2 : 1;
    if (state != needed)
      return fmt::format("{} on rank {} comes twice or too early", to_string(a), rank);
    state = a.kind == Kind::F ? 1 : a.kind == Kind::I ? 2 : 3;
  }
  for (int chunk = 0; chunk < shape.chunks; ++chunk)
    for (int micro = 0; micro < shape.micros; ++micro)
      if (progress[{shape.stage_of(rank, chunk), micro}] != 3)
        return fmt::format("stage {} never finishes micro-batch {}", shape.stage_of(rank, chunk),
                           micro);
  return "";
}

}  // namespace

std::string fault_in(const std::vector<Program>& programs, const PipeShape& shape) {
  for (int rank = 0; rank < shape.ranks; ++rank)
    if (auto fault = fault_in_order(programs[static_cast<size_t>(rank)], rank, shape);
        !fault.empty())
      return fault;
  // Queue = (direction, sending rank, receiving rank): both sides must name the same order.
  using Queue = std::tuple<bool, int, int>;
  std::map<Queue, std::vector<std::pair<int, int>>> sent, received;  // (sending stage, micro-batch)
  for (const auto& program : programs)
    for (const Action& a : program) {
      const int forward = a.kind == Kind::SendAct ? a.stage + 1 : a.stage - 1;
      if (a.kind == Kind::SendAct || a.kind == Kind::SendGrad)
        sent[{a.kind == Kind::SendAct, shape.rank_of(a.stage), shape.rank_of(forward)}].push_back(
            {a.stage, a.micro});
      const int source = a.kind == Kind::RecvAct ? a.stage - 1 : a.stage + 1;
      if (a.kind == Kind::RecvAct || a.kind == Kind::RecvGrad)
        received[{a.kind == Kind::RecvAct, shape.rank_of(source), shape.rank_of(a.stage)}]
            .push_back({source, a.micro});
    }
  if (sent == received) return "";
  for (const auto& [queue, list] : sent)
    if (received[queue] != list)
      return fmt::format("rank {} sends to rank {} in another order than it receives",
                         std::get<1>(queue), std::get<2>(queue));
  return "a receive without its send";
}

}  // namespace echelon::pipeline
