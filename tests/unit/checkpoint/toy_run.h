#pragma once
// Saving and loading the toy model on thread ranks.
#include <atomic>
#include <filesystem>
#include <string>

#include "echelon/checkpoint/folder.h"
#include "echelon/comm/world.h"
#include "layouts.h"

namespace echelon::test {

inline void save_toy(const std::filesystem::path& folder, int ranks, int64_t step,
                     DType dtype = DType::f32, float shift = 0,
                     const checkpoint::Retention& retention = {}, const std::string& run = "toy") {
  comm::run_thread_ranks(ranks, [&](comm::Communicator& world) {
    const auto memory = make_cpu_allocator();
    auto pieces = toy_pieces(world.rank(), ranks, *memory, dtype);
    toy_walk(pieces, true, shift);
    checkpoint::SaveOptions options;
    options.run = run;
    options.step = step;
    options.retention = retention;
    checkpoint::save(folder, pieces, {{"consumed_samples", 8 * step}}, options, world);
  });
}

struct LoadedToy {
  int64_t step = -1;  ///< -1: there is none
  int64_t wrong = 0;  ///< elements with another value than expected
};

/// Loads the newest usable checkpoint on `ranks` ranks.
inline LoadedToy load_toy(const std::filesystem::path& folder, int ranks,
                          const checkpoint::LoadOptions& options = {}, DType dtype = DType::f32,
                          float shift = 0) {
  std::atomic<int64_t> step = -1, wrong = 0;
  comm::run_thread_ranks(ranks, [&](comm::Communicator& world) {
    const auto memory = make_cpu_allocator();
    auto pieces = toy_pieces(world.rank(), ranks, *memory, dtype);
    const auto resumed = checkpoint::load_newest(
        folder, [&](const checkpoint::Manifest&) { return pieces; }, options, world);
    if (!resumed) return;
    step = resumed->manifest.step;
    wrong += toy_walk(pieces, false, shift);
  });
  return {step, wrong};
}

}  // namespace echelon::test
