#include "src/nn/token_check.h"

#include <algorithm>

namespace echelon::nn {

void check_ids(const Tensor& ids, int64_t vocab, const char* what, int32_t ignored) {
  if (ids.device().kind != DeviceKind::cpu) return;
  const auto values = ids.span<int32_t>();
  const auto bad = std::find_if(values.begin(), values.end(), [=](int32_t id) {
    return (id < 0 || id >= vocab) && id != ignored;
  });
  if (bad == values.end()) return;
  fail(ExitCode::data, "D3",
       "batch {}, element {}: found id {}, wanted 0 to {}; the step was not made; check that "
       "model.vocab_size is the vocabulary the data was prepared with",
       what, bad - values.begin(), *bad, vocab - 1);
}

}  // namespace echelon::nn
