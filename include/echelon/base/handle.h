#pragma once
#include <utility>

namespace echelon {

/// Sole owner of a C handle; `Destroy` is called once and must not throw. Move-only.
template <class T, auto Destroy, T Null = T{}>
class Handle {
 public:
  Handle() = default;
  explicit Handle(T handle) : handle_(handle) {}
  ~Handle() { reset(); }
  Handle(Handle&& other) noexcept : handle_(std::exchange(other.handle_, Null)) {}
  Handle& operator=(Handle&& other) noexcept {
    if (this != &other) reset(std::exchange(other.handle_, Null));
    return *this;
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  T get() const { return handle_; }
  explicit operator bool() const { return handle_ != Null; }
  void reset(T next = Null) {
    if (handle_ != Null) Destroy(handle_);
    handle_ = next;
  }

 private:
  T handle_ = Null;
};

}  // namespace echelon
