#include "echelon/nn/init.h"

#include "echelon/base/philox.h"
#include "echelon/ops/elementwise.h"

namespace echelon::nn {

#define X(kind) InitRule kind##_rule(Use use, const ModelConfig& model);
#include "src/nn/init/registry.def"
#undef X

namespace {
constexpr std::string_view kKinds[] = {
#define X(kind) #kind,
#include "src/nn/init/registry.def"
#undef X
};

void fill_part(Tensor rows, const InitRule& rule, Philox rng, const ops::Placement& where,
               Stream& stream) {
  const auto value = static_cast<float>(rule.value);
  switch (rule.kind) {
    case InitRule::Kind::normal: return ops::fill_normal(rows, 0, value, rng, where, stream);
    case InitRule::Kind::uniform: return ops::fill_uniform(rows, value, rng, where, stream);
    case InitRule::Kind::constant: return ops::fill_constant(rows, value, stream);
  }
}
}  // namespace

std::span<const std::string_view> init_kinds() { return kKinds; }

InitRule init_rule(Use use, const ModelConfig& model) {
#define X(name) \
  if (model.init == #name) return name##_rule(use, model);
#include "src/nn/init/registry.def"
#undef X
  fail(ExitCode::config, "V33",
       "model.init: found {}, wanted one of {}; nothing was started; choose a known scheme",
       model.init, fmt::join(kKinds, ", "));
}

void initialize(std::span<Parameter* const> parameters, const ModelConfig& model, uint64_t seed,
                Stream& stream) {
  for (Parameter* p : parameters) {
    const InitRule rule = init_rule(p->use, model);
    ops::zero(p->value, stream);
    const Philox rng{seed, make_stream(Draw::init, 0, 0, static_cast<uint64_t>(p->shard.number))};
    const Tensor matrix = p->shape.rank() >= 2 ? p->value : p->value.view({p->value.elements(), 1});
    for (const parallel::LogicalPart& part : p->shard.parts) {
      if (part.box.size[0] == 0) continue;
      const ops::Placement where{
          .whole_columns = p->shard.fused_columns,
          .first_row = part.fused_row + part.box.offset[0],
          .first_column = part.box.offset.size() > 1 ? part.box.offset[1] : 0};
      fill_part(matrix.slice(part.local_row, part.local_row + part.box.size[0]), rule, rng, where,
                stream);
    }
  }
}

void allocate_parameters(std::span<Parameter* const> parameters, DType dtype, bool gradients,
                         Allocator& memory) {
  for (Parameter* p : parameters) {
    p->value = Tensor::empty(p->shape, dtype, memory, MemoryCategory::weights);
    if (gradients) p->grad = Tensor::zeros(p->shape, DType::f32, memory, MemoryCategory::gradients);
  }
}

}  // namespace echelon::nn
