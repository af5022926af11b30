#include "src/pipeline/channels.h"

#include <thread>

namespace echelon::pipeline {

namespace {
constexpr size_t kPostedAhead = 2;  // the one needed next and one more
size_t side(bool forward) { return forward ? 0 : 1; }
}  // namespace

Channels::Channels(const PipeShape& shape, comm::Communicator& pp)
    : shape_(shape), rank_(pp.rank()) {
  if (shape.ranks == 1) return;
  for (auto& colours : lines_->edges)
    for (auto& communicator : colours) communicator = pp.split(0, pp.rank(), "pp");
}

Channels::~Channels() {
  bool in_flight = false;
  for (const size_t s : {side(true), side(false)})
    in_flight = in_flight || !lines_->inbox[s].posted.empty() || !lines_->sending[s].empty();
  if (in_flight) std::thread([lines = std::move(lines_)]() mutable { lines.reset(); }).detach();
}

std::unique_ptr<Stream>& Channels::ensure(std::unique_ptr<Stream>& stream, const char* name) {
  if (!stream) stream = make_worker_stream(name);
  return stream;
}

comm::Communicator& Channels::edge(bool forward, int from) const {
  // Gradients run the other way round the ring, so their "last" sender is rank 0.
  const int last = forward ? shape_.ranks - 1 : 0;
  const size_t colour = from == last ? 2 : static_cast<size_t>(from % 2);
  return *lines_->edges[side(forward)][colour];
}

void Channels::expect(const Program& program, const Shape& message, DType dtype,
                      Allocator& memory) {
  message_ = message;
  dtype_ = dtype;
  memory_ = &memory;
  for (const Action& a : program)
    if (a.kind == Kind::RecvAct || a.kind == Kind::RecvGrad) {
      const bool forward = a.kind == Kind::RecvAct;
      lines_->inbox[side(forward)].expected.push_back(
          shape_.rank_of(forward ? a.stage - 1 : a.stage + 1));
    }
  for (const bool forward : {true, false})
    for (size_t k = 0; k < kPostedAhead; ++k) post(forward);
}

void Channels::post(bool forward) {
  Inbox& in = lines_->inbox[side(forward)];
  if (in.expected.empty()) return;
  const int peer = in.expected.front();
  in.expected.pop_front();
  Tensor buffer = Tensor::empty(message_, dtype_, *memory_);
  auto& stream = *ensure(in.stream, forward ? "pp-recv-act" : "pp-recv-grad");
  in.posted.push_back({peer, buffer, edge(forward, peer).recv(buffer, peer, stream)});
}

Tensor Channels::take(Kind kind) {
  const bool forward = kind == Kind::RecvAct;
  Inbox& in = lines_->inbox[side(forward)];
  ECH_CHECK(!in.posted.empty(), "no receive was posted");
  Receive next = std::move(in.posted.front());
  in.posted.pop_front();
  post(forward);
  std::move(next.pending).wait();
  return next.message;
}

void Channels::send(Kind kind, int stage, Tensor message) {
  const bool forward = kind == Kind::SendAct;
  const int peer = shape_.rank_of(forward ? stage + 1 : stage - 1);
  auto& stream = *ensure(lines_->outbox[side(forward)], forward ? "pp-send-act" : "pp-send-grad");
  lines_->sending[side(forward)].push_back(edge(forward, rank_).send(message, peer, stream));
}

void Channels::flush() {
  for (auto& queue : lines_->sending) {
    for (auto& pending : queue) std::move(pending).wait();
    queue.clear();
  }
}

}  // namespace echelon::pipeline
