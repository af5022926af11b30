#include "echelon/nn/attention.h"

namespace echelon::nn {

#define X(kind) std::unique_ptr<AttentionCore> make_##kind(const HeadShape& shape);
#include "src/nn/attention/registry.def"
#undef X

namespace {
constexpr std::string_view kKinds[] = {
#define X(kind) #kind,
#include "src/nn/attention/registry.def"
#undef X
};
}  // namespace

std::span<const std::string_view> attention_kinds() { return kKinds; }

std::unique_ptr<AttentionCore> make_attention_core(std::string_view kind, const HeadShape& shape) {
#define X(name) \
  if (kind == #name) return make_##name(shape);
#include "src/nn/attention/registry.def"
#undef X
  fail(ExitCode::config, "V33",
       "attention.kind: found {}, wanted one of {}; nothing was started; choose a known kind", kind,
       fmt::join(kKinds, ", "));
}

}  // namespace echelon::nn
