#include <sys/mman.h>

#include <cstdlib>
#include <cstring>

#include "echelon/base/text.h"
#include "src/comm/fabric.h"

namespace echelon::comm {

std::shared_ptr<std::byte> zeroed_memory(size_t bytes) {
  constexpr size_t huge = size_t{2} << 20;
  const size_t unit = bytes >= huge ? huge : 64;
  const size_t size = std::max<size_t>(unit, (bytes + unit - 1) / unit * unit);
  void* memory = std::aligned_alloc(unit, size);
  if (!memory)
    fail(ExitCode::out_of_memory, "P21", "host memory: found none, wanted {} for communication",
         text::bytes(static_cast<double>(size)));
  if (unit == huge) ::madvise(memory, size, MADV_HUGEPAGE);
  std::memset(memory, 0, size);
  return {static_cast<std::byte*>(memory), [](std::byte* p) { std::free(p); }};
}

}  // namespace echelon::comm
