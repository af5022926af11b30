#include "src/app/ranked.h"

#include <unistd.h>

#include <new>

#include "echelon/base/log.h"
#include "echelon/comm/world.h"

namespace echelon::app {

namespace {

/// All ranks often stop for the same reason (a bad file): the lowest one says it, the others only
/// when it is news.
void report(const Error& error, const comm::Communicator& world) {
  const bool follows = error.code() == ExitCode::communication && error.id() == "P0";
  if (world.size() > 1 && follows) return;
  char host[256] = "";
  ::gethostname(host, sizeof host - 1);
  log::error("error{}{}: rank {} ({}, cpu): {}", error.id().empty() ? "" : " ", error.id(),
             world.rank(), host, error.what());
}

int guarded(comm::Communicator& world, const std::function<int(comm::Communicator&)>& body) {
  try {
    return body(world);
  } catch (const Error& error) {
    // Configuration errors are found by every rank alike, before anything is connected or written.
    const bool everywhere = error.code() == ExitCode::config;
    if (!everywhere || world.rank() == 0) report(error, world);
    if (!everywhere && world.size() > 1) world.abort(error.code());
    return static_cast<int>(error.code());
  } catch (const std::bad_alloc&) {
    report(Error(ExitCode::out_of_memory, "E9",
                 "host memory: found none left; earlier checkpoints stay"),
           world);
    if (world.size() > 1) world.abort(ExitCode::out_of_memory);
    return static_cast<int>(ExitCode::out_of_memory);
  } catch (const std::exception& error) {
    report(Error(ExitCode::internal, "", error.what()), world);
    if (world.size() > 1) world.abort(ExitCode::internal);
    return static_cast<int>(ExitCode::internal);
  }
}

}  // namespace

int run_ranked(const std::function<int(comm::Communicator& world)>& body) {
  if (!comm::started_by_launcher()) {
    const auto world = comm::make_self();
    return guarded(*world, body);
  }
  comm::MpiSession session(nullptr, nullptr);
  const auto world = session.world();
  return guarded(*world, body);
}

}  // namespace echelon::app
