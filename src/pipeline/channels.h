#pragma once
// Messages between neighbouring pipeline ranks: a queue per direction and role.
#include <array>
#include <deque>
#include <memory>

#include "echelon/comm/communicator.h"
#include "echelon/pipeline/action.h"

namespace echelon::pipeline {

/// Four queues (activations and gradients, sent and received), each a worker thread. A message from
/// rank a to rank b uses the communicator of the edge's colour, so that no communicator is used by
/// a sending and a receiving thread of one rank at a time.
class Channels {
 public:
  Channels(const PipeShape& shape, comm::Communicator& pp);
  /// Messages in flight (a pass ended in an exception) are waited for on a thread of their own:
  /// peers may never answer, and waiting here would hide the error.
  ~Channels();

  /// Lists the receives to come, in order; the first ones are posted at once.
  void expect(const Program& program, const Shape& message, DType dtype, Allocator& memory);
  /// The next message of that kind of receive (RecvAct or RecvGrad); blocks until it is here.
  Tensor take(Kind kind);
  /// Hands a message over and returns; the tensor is kept until it is sent.
  void send(Kind kind, int stage, Tensor message);
  /// Waits until everything handed over is sent.
  void flush();

 private:
  struct Receive {
    int peer;
    Tensor message;
    comm::Pending pending;
  };
  struct Inbox {
    std::unique_ptr<Stream> stream;
    std::deque<int> expected;  // peers of the receives not posted yet
    std::deque<Receive> posted;
  };
  comm::Communicator& edge(bool forward, int from) const;
  void post(bool forward);
  static std::unique_ptr<Stream>& ensure(std::unique_ptr<Stream>& stream, const char* name);

  /// Whatever a message in flight needs.
  struct Lines {
    // [activation or gradient][colour of the sending rank: even, odd, last]
    std::array<std::array<std::unique_ptr<comm::Communicator>, 3>, 2> edges;
    std::array<Inbox, 2> inbox;
    std::array<std::unique_ptr<Stream>, 2> outbox;
    std::array<std::deque<comm::Pending>, 2> sending;
  };

  PipeShape shape_;
  int rank_;
  std::unique_ptr<Lines> lines_ = std::make_unique<Lines>();
  Shape message_;
  DType dtype_ = DType::f32;
  Allocator* memory_ = nullptr;
};

}  // namespace echelon::pipeline
