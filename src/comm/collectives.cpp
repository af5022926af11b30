#include "src/comm/collectives.h"

#include <emmintrin.h>
#include <unistd.h>

#include <cstring>

#include "src/comm/reduce.h"

namespace echelon::comm {

namespace {

struct Range {
  int64_t from = 0, count = 0;
};

/// Slice r of n of `count` elements, on cache-line boundaries.
Range slice_of(int64_t count, int n, int r, DType dtype) {
  const auto line = static_cast<int64_t>(64 / size_of(dtype));
  const int64_t lines = (count + line - 1) / line;
  const int64_t from = std::min(count, lines * r / n * line);
  return {from, std::min(count, lines * (r + 1) / n * line) - from};
}

std::span<std::byte> bytes_of(std::byte* base, Range range, size_t element) {
  return {base + static_cast<size_t>(range.from) * element,
          static_cast<size_t>(range.count) * element};
}

void copy_bytes(std::byte* dst, const std::byte* src, size_t bytes, bool streaming = false) {
  if (dst == src || bytes == 0) return;
  if (streaming) {
    copy_streaming(dst, src, bytes);
    _mm_sfence();
  } else {
    std::memcpy(dst, src, bytes);
  }
}

}  // namespace

Collectives::Collectives(Fabric& fabric) : fabric_(fabric) {
  const long cache = ::sysconf(_SC_LEVEL3_CACHE_SIZE);
  cache_bytes_ = cache > 0 ? static_cast<size_t>(cache) : size_t{32} << 20;
}

// Stores past the caches pay only when the data of all ranks would not stay there (measured:
// bench_comm; 64 MB on 4 ranks with 260 MB of cache takes 10 ms with plain stores, 17 ms without).
bool Collectives::beyond_caches(size_t bytes) const {
  return bytes * static_cast<size_t>(ranks()) > cache_bytes_;
}

bool Collectives::small(size_t bytes) { return bytes <= fabric_.small_slots().bytes; }

// The caller has put its part into its small slot before open(): one meeting is enough.
void Collectives::pass_small(std::span<std::byte> mine, const Slots& slots) {
  if (!fabric_.spans_hosts()) return;
  const int parity = turn_;
  fabric_.spread(mine, [&](int r) { return std::span(slots.in(parity, r), mine.size()); });
  fabric_.phase();
}

void Collectives::all_reduce(std::byte* data, int64_t count, DType dtype, ReduceOp op) {
  const Call call{Op::all_reduce, dtype, op, -1, count};
  const size_t bytes = static_cast<size_t>(count) * size_of(dtype);
  if (small(bytes)) {
    const Slots slots = fabric_.small_slots();
    copy_bytes(slots.in(turn_, me()), data, bytes);
    fabric_.open(call, nullptr, 0);
    all_reduce_small(data, count, dtype, op);
    return;
  }
  fabric_.open(call, data, bytes);
  if (fabric_.direct())
    all_reduce_direct(count, dtype, op);
  else
    all_reduce_staged(data, count, dtype, op);
}

void Collectives::all_reduce_small(std::byte* data, int64_t count, DType dtype, ReduceOp op) {
  const Slots slots = fabric_.small_slots();
  pass_small({slots.in(turn_, me()), static_cast<size_t>(count) * size_of(dtype)}, slots);
  std::vector<const std::byte*> src;
  for (int r = 0; r < ranks(); ++r) src.push_back(slots.in(turn_, r));
  reduce(src, std::span(&data, 1), count, dtype, op, false);
  turn_ ^= 1;
}

void Collectives::all_reduce_direct(int64_t count, DType dtype, ReduceOp op) {
  const Range mine = slice_of(count, ranks(), me(), dtype);
  const size_t element = size_of(dtype);
  std::vector<std::byte*> copies;
  for (int r = 0; r < ranks(); ++r)
    copies.push_back(bytes_of(fabric_.peer(r), mine, element).data());
  const std::vector<const std::byte*> src(copies.begin(), copies.end());
  const bool streaming = beyond_caches(static_cast<size_t>(count) * element);
  reduce(src, copies, mine.count, dtype, op, streaming);
  fabric_.close();
}

// One phase per chunk: while results of chunk c are still unread, everybody already copies in c+1.
// A rank's own slice goes straight from and to its data.
void Collectives::all_reduce_staged(std::byte* data, int64_t count, DType dtype, ReduceOp op) {
  const Slots slots = fabric_.large_slots();
  const size_t element = size_of(dtype);
  const auto step = static_cast<int64_t>(slots.bytes / element);
  const auto chunk = [&](int64_t from) { return Range{from, std::min(step, count - from)}; };
  const auto slice = [&](std::byte* base, Range c, int r) {
    return bytes_of(base, slice_of(c.count, ranks(), r, dtype), element);
  };
  const auto copy_others = [&](std::byte* dst, const std::byte* src, Range c) {
    const Range mine = slice_of(c.count, ranks(), me(), dtype);
    const size_t begin = static_cast<size_t>(mine.from) * element;
    const size_t end = begin + static_cast<size_t>(mine.count) * element;
    copy_bytes(dst, src, begin);
    copy_bytes(dst + end, src + end, static_cast<size_t>(c.count) * element - end);
  };
  const auto bring_in = [&](Range c, int parity) {
    copy_others(slots.in(parity, me()), bytes_of(data, c, element).data(), c);
    fabric_.trade([&](int r) { return slice(slots.in(parity, me()), c, r); },
                  [&](int r) { return slice(slots.in(parity, r), c, me()); });
  };

  bring_in(chunk(0), turn_);
  fabric_.phase();
  for (int64_t from = 0; from < count; from += step) {
    const Range c = chunk(from);
    std::byte* here = bytes_of(data, c, element).data();
    const auto result = slice(slots.out(turn_), c, me()), own = slice(here, c, me());
    std::vector<const std::byte*> src;
    for (int r = 0; r < ranks(); ++r)
      src.push_back(r == me() ? own.data() : slice(slots.in(turn_, r), c, me()).data());
    std::byte* dst[] = {result.data(), own.data()};
    reduce(src, dst, static_cast<int64_t>(own.size() / element), dtype, op, false);
    fabric_.spread(result, [&](int r) { return slice(slots.out(turn_), c, r); });
    if (from + step < count) bring_in(chunk(from + step), turn_ ^ 1);
    fabric_.phase();
    copy_others(here, slots.out(turn_), c);
    turn_ ^= 1;
  }
}

void Collectives::exchange_parts(std::byte* src, size_t part, const Consume& consume) {
  const auto n = static_cast<size_t>(ranks());
  std::vector<const std::byte*> parts(n);
  if (fabric_.direct()) {
    for (int r = 0; r < ranks(); ++r)
      parts[static_cast<size_t>(r)] = fabric_.peer(r) + static_cast<size_t>(me()) * part;
    consume(parts, 0, part);
    fabric_.close();
    return;
  }
  const Slots slots = fabric_.large_slots();
  const size_t step = slots.bytes / n / 64 * 64;
  const auto piece = [&](int parity, int owner, int part_of, size_t length) {
    return std::span(slots.in(parity, owner) + static_cast<size_t>(part_of) * step, length);
  };
  const auto bring_in = [&](size_t from, int parity) {
    const size_t length = std::min(step, part - from);
    for (int p = 0; p < ranks(); ++p)
      copy_bytes(piece(parity, me(), p, length).data(), src + static_cast<size_t>(p) * part + from,
                 length);
    fabric_.trade([&](int r) { return piece(parity, me(), r, length); },
                  [&](int r) { return piece(parity, r, me(), length); });
  };
  if (part > 0) bring_in(0, turn_);
  for (size_t from = 0; from < part; from += step) {
    fabric_.phase();
    const size_t length = std::min(step, part - from);
    for (int r = 0; r < ranks(); ++r)
      parts[static_cast<size_t>(r)] = piece(turn_, r, me(), length).data();
    consume(parts, from, length);
    if (from + step < part) bring_in(from + step, turn_ ^ 1);
    turn_ ^= 1;
  }
}

void Collectives::reduce_scatter(std::byte* src, std::byte* dst, int64_t count, DType dtype,
                                 ReduceOp op) {
  const size_t element = size_of(dtype), part = static_cast<size_t>(count) * element;
  fabric_.open({Op::reduce_scatter, dtype, op, -1, count * ranks()}, src,
               part * static_cast<size_t>(ranks()));
  const bool streaming = beyond_caches(part);
  exchange_parts(src, part,
                 [&](std::span<const std::byte* const> parts, size_t offset, size_t bytes) {
                   std::byte* to = dst + offset;
                   reduce(parts, std::span(&to, 1), static_cast<int64_t>(bytes / element), dtype,
                          op, streaming);
                 });
}

void Collectives::all_to_all(std::byte* src, std::byte* dst, int64_t count, DType dtype) {
  const size_t part = static_cast<size_t>(count) * size_of(dtype);
  fabric_.open({Op::all_to_all, dtype, ReduceOp::sum, -1, count * ranks()}, src,
               part * static_cast<size_t>(ranks()));
  exchange_parts(src, part,
                 [&](std::span<const std::byte* const> parts, size_t offset, size_t bytes) {
                   for (size_t r = 0; r < parts.size(); ++r)
                     copy_bytes(dst + r * part + offset, parts[r], bytes);
                 });
}

void Collectives::all_gather(std::byte* src, std::byte* dst, int64_t count, DType dtype) {
  const Call call{Op::all_gather, dtype, ReduceOp::sum, -1, count * ranks()};
  const size_t part = static_cast<size_t>(count) * size_of(dtype);
  const auto place = [&](int r) { return dst + static_cast<size_t>(r) * part; };
  if (small(part)) {
    const Slots slots = fabric_.small_slots();
    copy_bytes(slots.in(turn_, me()), src, part);
    fabric_.open(call, nullptr, 0);
    pass_small({slots.in(turn_, me()), part}, slots);
    for (int r = 0; r < ranks(); ++r) copy_bytes(place(r), slots.in(turn_, r), part);
    turn_ ^= 1;
    return;
  }
  fabric_.open(call, src, part);
  if (fabric_.direct()) {
    const bool streaming = beyond_caches(part);
    for (int r = 0; r < ranks(); ++r) copy_bytes(place(r), fabric_.peer(r), part, streaming);
    fabric_.close();
    return;
  }
  const Slots slots = fabric_.large_slots();
  const auto bring_in = [&](size_t from, int parity) {
    const size_t length = std::min(slots.bytes, part - from);
    copy_bytes(slots.in(parity, me()), src + from, length);
    fabric_.spread({slots.in(parity, me()), length},
                   [&](int r) { return std::span(slots.in(parity, r), length); });
  };
  bring_in(0, turn_);
  for (size_t from = 0; from < part; from += slots.bytes) {
    fabric_.phase();
    const size_t length = std::min(slots.bytes, part - from);
    if (place(me()) != src) copy_bytes(place(me()) + from, src + from, length);
    for (int r = 0; r < ranks(); ++r)
      if (r != me()) copy_bytes(place(r) + from, slots.in(turn_, r), length);
    if (from + length < part) bring_in(from + length, turn_ ^ 1);
    turn_ ^= 1;
  }
}

void Collectives::broadcast(std::byte* data, int64_t count, DType dtype, int root) {
  const Call call{Op::broadcast, dtype, ReduceOp::sum, root, count};
  const size_t bytes = static_cast<size_t>(count) * size_of(dtype);
  // Only the root has something to pass on; the others fill no slot of their own.
  const auto pass = [&](const Slots& slots, int parity, size_t length) {
    fabric_.spread(
        me() == root ? std::span(slots.in(parity, root), length) : std::span<std::byte>(),
        [&](int r) {
          return r == root ? std::span(slots.in(parity, root), length) : std::span<std::byte>();
        });
  };
  if (small(bytes)) {
    const Slots slots = fabric_.small_slots();
    if (me() == root) copy_bytes(slots.in(turn_, root), data, bytes);
    fabric_.open(call, nullptr, 0);
    if (fabric_.spans_hosts()) {
      pass(slots, turn_, bytes);
      fabric_.phase();
    }
    if (me() != root) copy_bytes(data, slots.in(turn_, root), bytes);
    turn_ ^= 1;
    return;
  }
  fabric_.open(call, data, bytes);
  if (fabric_.direct()) {
    if (me() != root) copy_bytes(data, fabric_.peer(root), bytes, beyond_caches(bytes));
    fabric_.close();
    return;
  }
  const Slots slots = fabric_.large_slots();
  const auto bring_in = [&](size_t from, int parity) {
    const size_t length = std::min(slots.bytes, bytes - from);
    if (me() == root) copy_bytes(slots.in(parity, root), data + from, length);
    pass(slots, parity, length);
  };
  bring_in(0, turn_);
  for (size_t from = 0; from < bytes; from += slots.bytes) {
    fabric_.phase();
    const size_t length = std::min(slots.bytes, bytes - from);
    if (me() != root) copy_bytes(data + from, slots.in(turn_, root), length);
    if (from + length < bytes) bring_in(from + length, turn_ ^ 1);
    turn_ ^= 1;
  }
}

void Collectives::barrier() {
  fabric_.open({}, nullptr, 0);
  if (fabric_.spans_hosts()) fabric_.phase();
}

}  // namespace echelon::comm
