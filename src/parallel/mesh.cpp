#include "echelon/parallel/mesh.h"

namespace echelon::parallel {

Coords coords_of(int rank, const Degrees& d) {
  return {rank % d.tp, rank / d.tp % d.cp, rank / (d.tp * d.cp) % d.dp,
          rank / (d.tp * d.cp * d.dp)};
}

int rank_of(const Coords& c, const Degrees& d) {
  return c.tp + d.tp * (c.cp + d.cp * (c.dp + d.dp * c.pp));
}

std::string to_string(const Coords& c) {
  return fmt::format("tp{} cp{} dp{} pp{}", c.tp, c.cp, c.dp, c.pp);
}

Mesh::Mesh(const Degrees& degrees, comm::Communicator& world)
    : degrees_(degrees), world_(world), here_(coords_of(world.rank(), degrees)) {
  ECH_CHECK(degrees.world() == world.size(), "mesh of {} for {} ranks", degrees.world(),
            world.size());
  // Ranks of a group differ in its axes alone: the colour is the rank with those axes set to 0.
  const auto group = [&](bool tp, bool cp, bool dp, bool pp, const char* name) {
    Coords c = here_;
    if (tp) c.tp = 0;
    if (cp) c.cp = 0;
    if (dp) c.dp = 0;
    if (pp) c.pp = 0;
    return world.split(rank_of(c, degrees_), world.rank(), name);
  };
  axes_[static_cast<size_t>(Axis::tp)] = group(true, false, false, false, "tp");
  axes_[static_cast<size_t>(Axis::cp)] = group(false, true, false, false, "cp");
  axes_[static_cast<size_t>(Axis::dp)] = group(false, false, true, false, "dp");
  axes_[static_cast<size_t>(Axis::pp)] = group(false, false, false, true, "pp");
  grad_ = group(false, true, true, false, "grad");
  model_ = group(true, false, false, true, "model");
  if (degrees.pp == 1) return;
  const bool end = here_.pp == 0 || here_.pp + 1 == degrees.pp;
  Coords c = here_;
  c.pp = 0;
  embedding_ = world.split(end ? rank_of(c, degrees_) : -1, world.rank(), "embedding");
}

}  // namespace echelon::parallel
