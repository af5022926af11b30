#include "echelon/trainer/signals.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>

namespace echelon::trainer {

namespace {
sigset_t watched() {
  sigset_t set;
  sigemptyset(&set);
  for (const int s : {SIGINT, SIGTERM, SIGUSR1, SIGUSR2}) sigaddset(&set, s);
  return set;
}
}  // namespace

StopSignals::StopSignals() {
  const sigset_t set = watched();
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);  // inherited by every thread made from here on
  watcher_ = std::thread([this] { watch(); });
}

StopSignals::~StopSignals() {
  closing_ = true;
  watcher_.join();
  const sigset_t set = watched();
  ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

void StopSignals::watch() {
  const sigset_t set = watched();
  const timespec pause{0, 50'000'000};
  int interrupts = 0;
  while (!closing_) {
    const int signal = ::sigtimedwait(&set, nullptr, &pause);
    if (signal < 0) continue;
    if (signal == SIGINT && ++interrupts > 1) ::_exit(130);
    const auto wanted = signal == SIGTERM ? StopRequest::stop : StopRequest::save_and_stop;
    request_ = std::max(request_.load(), static_cast<int>(wanted));
  }
}

}  // namespace echelon::trainer
