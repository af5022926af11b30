#include <cstring>

#include "echelon/comm/communicator.h"

namespace echelon::comm {

namespace {

/// View of memory that outlives the (blocking) call.
template <class T>
Tensor view_of(T* data, size_t count) {
  std::shared_ptr<std::byte> unowned(std::shared_ptr<void>(), reinterpret_cast<std::byte*>(data));
  return Tensor::wrap(std::move(unowned), {static_cast<int64_t>(count)}, DTypeOf<T>::value, {});
}

template <class T>
std::vector<T> reduce_values(Communicator& comm, std::vector<T> values, ReduceOp op) {
  if (values.empty()) return values;
  const auto stream = make_inline_stream();
  comm.all_reduce(view_of(values.data(), values.size()), op, *stream).wait();
  return values;
}

}  // namespace

std::vector<double> all_reduce(Communicator& comm, std::vector<double> values, ReduceOp op) {
  return reduce_values(comm, std::move(values), op);
}
std::vector<int64_t> all_reduce(Communicator& comm, std::vector<int64_t> values, ReduceOp op) {
  return reduce_values(comm, std::move(values), op);
}

std::string broadcast(Communicator& comm, std::string text, int root) {
  const auto stream = make_inline_stream();
  auto length = static_cast<int64_t>(text.size());
  comm.broadcast(view_of(&length, 1), root, *stream).wait();
  if (length == 0) return {};
  text.resize(static_cast<size_t>(length));
  auto* bytes = reinterpret_cast<uint8_t*>(text.data());
  comm.broadcast(view_of(bytes, text.size()), root, *stream).wait();
  return text;
}

}  // namespace echelon::comm
