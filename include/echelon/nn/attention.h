#pragma once
#include <memory>
#include <span>
#include <string_view>

#include "echelon/nn/linear.h"

namespace echelon::nn {

/// Heads of this rank. Kinds index per-head settings by the global head, first_head + h.
struct HeadShape {
  int64_t heads = 1, kv_heads = 1, head_size = 1;
  int64_t first_head = 0, all_heads = 1;
  int64_t layer = 0;
  double dropout = 0;
  int64_t query_columns() const { return heads * head_size; }
  int64_t columns() const { return (heads + 2 * kv_heads) * head_size; }
};

/// What happens between the projections. `qkv` is [rows, columns()]: q heads | k heads | v heads,
/// positions already rotated; out is [rows, query_columns()]. Rows are whole sequences of all of
/// the micro-batch.
class AttentionCore {
 public:
  virtual ~AttentionCore() = default;
  virtual Tensor forward(const Tensor& qkv, Context& ctx) = 0;
  /// Gradient of qkv.
  virtual Tensor backward(const Tensor& dout, Context& ctx) = 0;
  /// ctx.decoding is set: rows continue the sequences in its cache.
  virtual Tensor decode(const Tensor& qkv, Context& ctx) = 0;
  virtual void parameters(std::vector<Parameter*>&) {}
  /// `saved_bytes` leaves out the output: the projection after it stashes the same tensor.
  virtual Cost cost(int64_t rows, int64_t tokens, DType dtype) const = 0;
};

/// Names in src/nn/attention/registry.def.
std::span<const std::string_view> attention_kinds();
/// Throws Error(config, "V33") for an unknown name.
std::unique_ptr<AttentionCore> make_attention_core(std::string_view kind, const HeadShape& shape);

/// Fused q,k,v projection, rotary positions, core, output projection: "<site>qkv", "<site>proj".
/// A rank owns the same query heads and key/value heads of all three.
class Attention : public Layer {
 public:
  explicit Attention(const Site& site);
  Tensor forward(const Tensor& x, Context& ctx) override;
  Tensor backward(const Tensor& dy, Context& ctx) override;
  void parameters(std::vector<Parameter*>& out) override;
  Cost cost(int64_t rows, int64_t tokens, DType dtype) const override;
  /// May be wrapped (selective rematerialization).
  std::unique_ptr<AttentionCore>& core() { return core_; }
  const HeadShape& heads() const { return shape_; }

 private:
  void rotate(const Tensor& qkv, bool inverse, Context& ctx) const;

  HeadShape shape_;
  bool rope_;
  float base_;
  std::unique_ptr<Layer> qkv_, proj_;
  std::unique_ptr<AttentionCore> core_;
};

}  // namespace echelon::nn
