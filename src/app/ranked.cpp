#include "src/app/ranked.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <new>
#include <thread>

#include "echelon/base/log.h"
#include "echelon/comm/world.h"

namespace echelon::app {

namespace {

/// Whether the error only says that another rank failed.
bool follows(const Error& error) {
  return error.code() == ExitCode::communication && error.id() == "P0";
}

/// Whether all ranks are likely to have found the same: a bad file, a full disk, a refused resume.
bool shared(ExitCode code) {
  return code == ExitCode::data || code == ExitCode::no_checkpoint ||
         code == ExitCode::resume_mismatch || code == ExitCode::storage ||
         code == ExitCode::numerics || code == ExitCode::run_dir_in_use;
}

/// What all ranks find, rank 0 says at once and ends the job; the others give it a moment, in which
/// the end of the job ends them silently.
void let_others_speak(const Error& error, const comm::Communicator& world) {
  const bool later = follows(error) || (shared(error.code()) && world.rank() > 0);
  if (world.size() == 1 || !later) return;
  sigset_t end;
  sigemptyset(&end);
  sigaddset(&end, SIGTERM);
  ::pthread_sigmask(SIG_UNBLOCK, &end, nullptr);
  const int place = follows(error) ? 50 : std::min(world.rank(), 50);
  std::this_thread::sleep_for(std::chrono::milliseconds(1000 + 20 * place));
}

void report(const Error& error, const comm::Communicator& world) {
  if (world.size() > 1 && follows(error)) return;
  char host[256] = "";
  ::gethostname(host, sizeof host - 1);
  log::error("error{}{}: rank {} ({}, cpu): {}", error.id().empty() ? "" : " ", error.id(),
             world.rank(), host, error.what());
}

int end_job(const Error& error, comm::Communicator& world) {
  let_others_speak(error, world);
  report(error, world);
  if (world.size() > 1) world.abort(error.code());
  return static_cast<int>(error.code());
}

int guarded(comm::Communicator& world, const std::function<int(comm::Communicator&)>& body) {
  try {
    return body(world);
  } catch (const Error& error) {
    if (error.code() != ExitCode::config) return end_job(error, world);
    // Found by every rank alike, before anything is connected or written: no need to end a job.
    if (world.rank() == 0) report(error, world);
    return static_cast<int>(error.code());
  } catch (const std::bad_alloc&) {
    return end_job(Error(ExitCode::out_of_memory, "E9",
                         "host memory: found none left; earlier checkpoints stay"),
                   world);
  } catch (const std::exception& error) {
    return end_job(Error(ExitCode::internal, "", error.what()), world);
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
