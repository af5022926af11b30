#include "src/checkpoint/agree.h"

#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>

namespace echelon::checkpoint {

std::optional<Failure> attempt(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& e) {
    return Failure{e.code(), e.id(), e.what()};
  } catch (const std::bad_alloc&) {
    return Failure{ExitCode::out_of_memory, "P21", "out of host memory"};
  } catch (const std::exception& e) {
    return Failure{ExitCode::internal, "", e.what()};
  }
  return std::nullopt;
}

std::optional<Failure> first_failure(comm::Communicator& world,
                                     const std::optional<Failure>& mine) {
  if (world.size() == 1) return mine;
  constexpr int64_t kNone = std::numeric_limits<int32_t>::max();
  const int64_t rank = comm::all_reduce(world, std::vector<int64_t>{mine ? world.rank() : kNone},
                                        comm::ReduceOp::min)[0];
  if (rank == kNone) return std::nullopt;
  std::string text;
  if (world.rank() == rank)
    text = nlohmann::json{static_cast<int>(mine->code), mine->id, mine->message}.dump(
        -1, ' ', false, nlohmann::json::error_handler_t::replace);
  const auto json = nlohmann::json::parse(comm::broadcast(world, text, static_cast<int>(rank)));
  return Failure{static_cast<ExitCode>(json[0].get<int>()), json[1], json[2]};
}

std::vector<std::string> gather_texts(comm::Communicator& world, const std::string& text) {
  if (world.size() == 1) return {text};
  std::vector<int64_t> lengths(static_cast<size_t>(world.size()), 0);
  lengths[static_cast<size_t>(world.rank())] = static_cast<int64_t>(text.size());
  lengths = comm::all_reduce(world, lengths, comm::ReduceOp::sum);
  const auto memory = make_cpu_allocator();
  const auto stream = make_inline_stream();
  if (world.rank() != 0) {
    if (text.empty()) return {};
    const Tensor out = Tensor::empty({static_cast<int64_t>(text.size())}, DType::u8, *memory,
                                     MemoryCategory::workspace);
    std::memcpy(out.raw(), text.data(), text.size());
    world.send(out, 0, *stream).wait();
    return {};
  }
  std::vector<std::string> all{text};
  for (int rank = 1; rank < world.size(); ++rank) {
    const int64_t length = lengths[static_cast<size_t>(rank)];
    std::string received(static_cast<size_t>(length), '\0');
    if (length > 0) {
      const Tensor in = Tensor::empty({length}, DType::u8, *memory, MemoryCategory::workspace);
      world.recv(in, rank, *stream).wait();
      std::memcpy(received.data(), in.raw(), received.size());
    }
    all.push_back(std::move(received));
  }
  return all;
}

}  // namespace echelon::checkpoint
