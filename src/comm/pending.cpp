#include <exception>

#include "echelon/base/log.h"
#include "echelon/comm/communicator.h"

namespace echelon::comm {

Pending::~Pending() { settle(); }

Pending& Pending::operator=(Pending&& other) noexcept {
  if (this == &other) return *this;
  settle();
  done_ = std::move(other.done_);
  later_ = std::move(other.later_);
  keep_ = std::move(other.keep_);
  return *this;
}

void Pending::settle() noexcept {
  if (later_ && !later_->ready) return;  // unwinding between group_begin and group_end
  try {
    wait_here();
  } catch (const std::exception& e) {  // the stream keeps it and rethrows it
    log::debug("unwaited communication failed: {}", e.what());
  }
}

Pending Pending::until(Event later) && {
  done_ = std::move(later);
  later_.reset();
  return std::move(*this);
}

void Pending::wait() && {
  ECH_CHECK(!later_ || later_->ready, "waited for a message before its group_end");
  wait_here();
  keep_.clear();
  done_ = {};
  later_.reset();
}

void Pending::wait_here() const {
  if (later_)
    later_->event.wait();
  else
    done_.wait();
}

}  // namespace echelon::comm
