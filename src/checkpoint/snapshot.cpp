#include "echelon/base/file.h"
#include "echelon/checkpoint/checkpoint.h"

namespace echelon::checkpoint {

Snapshot take_snapshot(std::span<const Piece> pieces, Allocator* copy_into) {
  Snapshot snapshot;
  for (const Piece& piece : pieces) {
    if (!piece.owned || volume(piece.box) == 0) continue;
    ECH_CHECK(piece.data.defined() && piece.data.elements() == volume(piece.box),
              "'{}': data of {} for box {}", piece.name, echelon::to_string(piece.data.shape()),
              to_string(piece.box));
    ECH_CHECK(piece.box.size.size() == piece.whole.rank(), "'{}': box {} of shape {}", piece.name,
              to_string(piece.box), echelon::to_string(piece.whole));
    snapshot.pieces.push_back(piece);
    snapshot.crc32c.push_back(crc32c({piece.data.raw(), piece.data.bytes()}));
    if (copy_into)
      snapshot.pieces.back().data = clone(piece.data, *copy_into, MemoryCategory::workspace);
  }
  return snapshot;
}

}  // namespace echelon::checkpoint
