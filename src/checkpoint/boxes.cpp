#include "echelon/checkpoint/boxes.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <numeric>

#include "echelon/base/error.h"

namespace echelon::checkpoint {

namespace {

int64_t product(std::span<const int64_t> extents) {
  return std::accumulate(extents.begin(), extents.end(), int64_t{1}, std::multiplies<>());
}

/// flat_to_boxes relative to an array of the given extents.
void split(std::span<const int64_t> shape, int64_t begin, int64_t end, Box prefix,
           std::vector<Box>& out) {
  if (begin >= end) return;
  if (shape.empty()) return out.push_back(std::move(prefix));
  const auto with = [&](int64_t offset, int64_t size) {
    Box box = prefix;
    box.offset.push_back(offset);
    box.size.push_back(size);
    return box;
  };
  const int64_t inner = product(shape.subspan(1));
  int64_t row = begin / inner;
  if (begin % inner != 0) {
    const int64_t stop = std::min(end, (row + 1) * inner);
    split(shape.subspan(1), begin - row * inner, stop - row * inner, with(row, 1), out);
    begin = stop;
    ++row;
  }
  if (const int64_t last = end / inner; last > row) {
    Box box = with(row, last - row);
    for (const int64_t extent : shape.subspan(1)) {
      box.offset.push_back(0);
      box.size.push_back(extent);
    }
    out.push_back(std::move(box));
    begin = last * inner;
    row = last;
  }
  split(shape.subspan(1), begin - row * inner, end - row * inner, with(row, 1), out);
}

}  // namespace

Box whole_box(const Shape& shape) {
  return {std::vector<int64_t>(shape.rank(), 0), std::vector<int64_t>(shape.begin(), shape.end())};
}

int64_t volume(const Box& box) { return product(box.size); }

std::string to_string(const Box& box) {
  return fmt::format("({}) + [{}]", fmt::join(box.offset, ", "), fmt::join(box.size, ", "));
}

std::optional<Box> intersect(const Box& a, const Box& b) {
  ECH_CHECK(a.offset.size() == b.offset.size(), "{} and {}", to_string(a), to_string(b));
  Box common = a;
  for (size_t d = 0; d < a.offset.size(); ++d) {
    const int64_t from = std::max(a.offset[d], b.offset[d]);
    const int64_t to = std::min(a.offset[d] + a.size[d], b.offset[d] + b.size[d]);
    if (from >= to) return std::nullopt;
    common.offset[d] = from;
    common.size[d] = to - from;
  }
  return common;
}

std::vector<Box> flat_to_boxes(const Box& outer, int64_t begin, int64_t end) {
  ECH_CHECK(begin >= 0 && end <= volume(outer), "[{}, {}) of {}", begin, end, to_string(outer));
  std::vector<Box> out;
  split(outer.size, begin, end, {}, out);
  for (Box& box : out)
    for (size_t d = 0; d < box.offset.size(); ++d) box.offset[d] += outer.offset[d];
  return out;
}

Box part_of(const Box& box, int index, int count) {
  ECH_CHECK(0 <= index && index < count, "part {} of {}", index, count);
  Box part = box;
  if (box.size.empty()) {
    // A scalar cannot be divided: the first part has it, the others are an empty 1-D box.
    if (index > 0) part = {{0}, {0}};
    return part;
  }
  const int64_t each = box.size[0] / count, more = box.size[0] % count;
  part.offset[0] += index * each + std::min<int64_t>(index, more);
  part.size[0] = each + (index < more ? 1 : 0);
  return part;
}

std::vector<Run> runs(const Box& outer, const Box& inner) {
  const size_t rank = outer.size.size();
  ECH_CHECK(inner.size.size() == rank, "{} in {}", to_string(inner), to_string(outer));
  if (volume(inner) == 0) return {};
  // Trailing dimensions taken whole join the run of the last one that is not.
  size_t cut = rank;
  while (cut > 0 && inner.size[cut - 1] == outer.size[cut - 1]) --cut;
  cut = cut > 0 ? cut - 1 : 0;
  const int64_t count = product(std::span(inner.size).subspan(cut));
  std::vector<int64_t> index(cut, 0);
  std::vector<Run> out;
  for (;;) {
    int64_t start = 0;
    for (size_t d = 0; d < rank; ++d)
      start = start * outer.size[d] + inner.offset[d] - outer.offset[d] + (d < cut ? index[d] : 0);
    out.push_back({start, count});
    size_t d = cut;
    while (d > 0 && ++index[d - 1] == inner.size[d - 1]) index[--d] = 0;
    if (d == 0) return out;
  }
}

void copy_box(const std::byte* src, const Box& from, std::byte* dst, const Box& to,
              const Box& common, size_t element_bytes) {
  const auto sources = runs(from, common);
  const auto targets = runs(to, common);
  int64_t at = 0, done_in_source = 0, done_in_target = 0;
  for (size_t s = 0, t = 0; s < sources.size();) {
    const int64_t n =
        std::min(sources[s].count - done_in_source, targets[t].count - done_in_target);
    std::memcpy(dst + static_cast<size_t>(targets[t].start + done_in_target) * element_bytes,
                src + static_cast<size_t>(sources[s].start + done_in_source) * element_bytes,
                static_cast<size_t>(n) * element_bytes);
    at += n;
    if ((done_in_source += n) == sources[s].count) ++s, done_in_source = 0;
    if ((done_in_target += n) == targets[t].count) ++t, done_in_target = 0;
  }
  ECH_CHECK(at == volume(common), "{} of {} elements copied", at, volume(common));
}

std::string tiling_fault(const Shape& shape, std::span<const Box> boxes) {
  const Box whole = whole_box(shape);
  uint64_t covered = 0;
  const auto wanted = static_cast<uint64_t>(volume(whole));
  for (const Box& box : boxes) {
    if (box.offset.size() != shape.rank() || box.size.size() != shape.rank())
      return fmt::format("a chunk has {} dimensions", box.offset.size());
    for (size_t d = 0; d < shape.rank(); ++d)
      if (box.offset[d] < 0 || box.size[d] <= 0 || box.size[d] > whole.size[d] ||
          box.offset[d] > whole.size[d] - box.size[d])
        return fmt::format("chunk {} lies outside", to_string(box));
    covered += static_cast<uint64_t>(volume(box));
    if (covered > wanted) return "chunks hold more elements than the tensor";
  }
  if (covered != wanted) return fmt::format("chunks hold {} of {} elements", covered, wanted);
  // Sorted by first row, only chunks whose rows meet need comparing.
  std::vector<const Box*> sorted;
  for (const Box& box : boxes) sorted.push_back(&box);
  const auto first = [](const Box* b) { return b->offset.empty() ? 0 : b->offset[0]; };
  std::sort(sorted.begin(), sorted.end(),
            [&](const Box* a, const Box* b) { return first(a) < first(b); });
  for (size_t i = 0; i < sorted.size(); ++i) {
    const int64_t end = first(sorted[i]) + (shape.rank() ? sorted[i]->size[0] : 1);
    for (size_t j = i + 1; j < sorted.size() && first(sorted[j]) < end; ++j)
      if (intersect(*sorted[i], *sorted[j]))
        return fmt::format("chunks {} and {} overlap", to_string(*sorted[i]),
                           to_string(*sorted[j]));
  }
  return {};
}

}  // namespace echelon::checkpoint
