#pragma once
// Arithmetic of boxes: rectangular parts of a row-major tensor. It is all that resharding needs:
// what a rank wants is intersected with what was saved, whatever layout saved it.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "echelon/parallel/shard.h"
#include "echelon/tensor/shape.h"

namespace echelon::checkpoint {

using parallel::Box;

/// The box that covers a whole tensor.
Box whole_box(const Shape& shape);
int64_t volume(const Box& box);
/// "(0, 3) + [1, 3]".
std::string to_string(const Box& box);

/// Common part in whole-tensor coordinates, or nothing. Boxes of rank 0 (scalars) always meet.
std::optional<Box> intersect(const Box& a, const Box& b);

/// Elements [begin, end) of the flattened `outer`, as at most 2*rank-1 boxes in whole-tensor
/// coordinates, in order: one ZeRO range of a parameter whose local part is `outer`.
std::vector<Box> flat_to_boxes(const Box& outer, int64_t begin, int64_t end);

/// Part `index` of `count` of a box, cut along its first dimension as evenly as possible (earlier
/// parts get the extra rows); may be empty. Replicas share the writing of a tensor this way.
Box part_of(const Box& box, int index, int count);

/// Contiguous elements of a row-major array.
struct Run {
  int64_t start = 0;
  int64_t count = 0;
  bool operator==(const Run&) const = default;
};
/// Runs of `inner` inside the array that stores `outer` (both in whole-tensor coordinates).
std::vector<Run> runs(const Box& outer, const Box& inner);

/// Copies `common` from the array that stores box `from` to the array that stores box `to`.
void copy_box(const std::byte* src, const Box& from, std::byte* dst, const Box& to,
              const Box& common, size_t element_bytes);

/// Empty when the boxes cover `shape` exactly once; otherwise what is wrong.
std::string tiling_fault(const Shape& shape, std::span<const Box> boxes);

}  // namespace echelon::checkpoint
