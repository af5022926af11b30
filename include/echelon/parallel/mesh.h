#pragma once
// Ranks arranged along four axes; rank = tp + T*(cp + C*(dp + D*pp)), tensor fastest.
#include <array>
#include <memory>

#include "echelon/comm/communicator.h"
#include "echelon/config/fields.h"

namespace echelon::parallel {

enum class Axis { tp, cp, dp, pp };

/// Sizes along the axes.
struct Degrees {
  int tp = 1, cp = 1, dp = 1, pp = 1;
  int world() const { return tp * cp * dp * pp; }
};
struct Coords {
  int tp = 0, cp = 0, dp = 0, pp = 0;
};
Coords coords_of(int rank, const Degrees& degrees);
int rank_of(const Coords& coords, const Degrees& degrees);
std::string to_string(const Coords& coords);  ///< "tp0 cp0 dp1 pp0"

/// `parallel:` of the configuration.
struct ParallelConfig {
  int64_t tensor_model_parallel_size = 1;
  int64_t context_parallel_size = 1;
  int64_t pipeline_model_parallel_size = 1;
  bool sequence_parallel = false;
  void fields(config::Fields& f);
};

/// Degrees for `world` ranks; throws Error(config, "V01") with the equation and nearest choices.
Degrees degrees_of(const ParallelConfig& config, int world);

/// One communicator per axis, plus `grad` (cp and dp together: who sums gradients), `model`
/// (tp and pp together) and `embedding` (first and last stage; null elsewhere or when pp is 1).
class Mesh {
 public:
  Mesh(const Degrees& degrees, comm::Communicator& world);
  comm::Communicator& on(Axis axis) const { return *axes_[static_cast<size_t>(axis)]; }
  comm::Communicator& grad() const { return *grad_; }
  comm::Communicator& model() const { return *model_; }
  comm::Communicator* embedding() const { return embedding_.get(); }
  comm::Communicator& world() const { return world_; }
  const Degrees& degrees() const { return degrees_; }
  const Coords& here() const { return here_; }

 private:
  Degrees degrees_;
  comm::Communicator& world_;
  Coords here_;
  std::array<std::unique_ptr<comm::Communicator>, 4> axes_;
  std::unique_ptr<comm::Communicator> grad_, model_, embedding_;
};

}  // namespace echelon::parallel
