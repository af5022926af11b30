#pragma once
// What the kinds of communicator differ in: how ranks meet, how one rank's bytes reach another.
// Everything else (algorithms, order of sums, checks, streams) is written once on top of it.
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "src/comm/call.h"

namespace echelon::comm {

struct Transfer {
  bool sending = false;
  std::byte* data = nullptr;
  size_t bytes = 0;
  int peer = 0;
};

/// Staging memory of a group: one input slot per rank and one result slot, twice each. Ranks of one
/// host see the same slots.
struct Slots {
  std::byte* base = nullptr;
  size_t bytes = 0;  ///< of one slot; multiple of 64
  int ranks = 0;
  std::byte* in(int parity, int rank) const {
    return base + static_cast<size_t>(parity * ranks + rank) * bytes;
  }
  std::byte* out(int parity) const {
    return base + static_cast<size_t>(2 * ranks + parity) * bytes;
  }
  static size_t total(size_t bytes, int ranks) {
    return bytes * static_cast<size_t>(2 * ranks + 2);
  }
};

class Fabric {
 public:
  using BytesOf = std::function<std::span<std::byte>(int rank)>;
  virtual ~Fabric() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  virtual const std::string& name() const = 0;

  /// Waits for all ranks of the group and compares their calls; `data` is what this rank lays open.
  virtual void open(Call call, const std::byte* data, size_t bytes) = 0;
  /// After open(): whether every rank can address the data all others laid open.
  virtual bool direct() const = 0;
  /// After open() when direct(): the data of `rank`.
  virtual std::byte* peer(int rank) const = 0;
  /// Barrier of the ranks that share memory.
  virtual void phase() = 0;
  /// The last phase of a direct call: not interrupted by an abort, others may be reading our data.
  virtual void close() = 0;

  /// Slots that are always there, for short data; bytes 0 where calls are always direct.
  virtual Slots small_slots() { return {}; }
  /// Slots for long data. Collective at its first use.
  virtual Slots large_slots() { return {}; }
  /// Ranks on other hosts; nothing to do on one host. trade: outgoing(r) goes to every remote rank
  /// r, incoming(r) is filled from it. spread: `mine` goes once to every other host; incoming(r) is
  /// filled for the remote ranks r this rank receives for. Empty spans are not sent; both sides
  /// agree on what is empty.
  virtual bool spans_hosts() const { return false; }
  virtual void trade(const BytesOf& /*outgoing*/, const BytesOf& /*incoming*/) {}
  virtual void spread(std::span<std::byte> /*mine*/, const BytesOf& /*incoming*/) {}

  /// Performs the transfers together; they may be paired in any order.
  virtual void transfer(std::span<const Transfer> transfers) = 0;
  /// Null for a negative color.
  virtual std::unique_ptr<Fabric> split(int color, int key, const std::string& name) = 0;
  virtual std::shared_ptr<std::byte> symmetric_memory(size_t bytes) = 0;
  virtual void abort(ExitCode code) noexcept = 0;
};

/// Zeroed host memory aligned to 64, in huge pages where it is large. Throws Error(out_of_memory).
std::shared_ptr<std::byte> zeroed_memory(size_t bytes);

/// Communicator on a fabric.
std::unique_ptr<Communicator> make_group(std::unique_ptr<Fabric> fabric);

}  // namespace echelon::comm
