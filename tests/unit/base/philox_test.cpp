#include <catch2/catch.hpp>

#include "echelon/base/philox.h"
#include "tests/support/golden.h"

using namespace echelon;

TEST_CASE("philox gives the published known answers", "[base]") {
  for (int k = 0; k < 3; ++k) {
    const auto c = test::golden_case("rng", "philox_kat_" + std::to_string(k));
    const auto counter = c.at("inputs").at("counter").get<std::vector<uint64_t>>();
    const auto key = c.at("inputs").at("key").get<std::vector<uint64_t>>();
    const Philox rng{key[0] | key[1] << 32, counter[2] | counter[3] << 32};
    const auto words = rng.block(counter[0] | counter[1] << 32);
    CHECK(std::vector<uint32_t>(words.begin(), words.end()) ==
          c.at("expected").at("output").get<std::vector<uint32_t>>());
  }
}

TEST_CASE("uniforms, normals, integers and permutations match the reference", "[base]") {
  const auto c = test::golden_case("rng", "stream");
  const Philox rng{1234567890123, 42};
  const auto words = c.at("expected").at("u32").get<std::vector<uint32_t>>();
  const auto uniform = test::golden_tensor(c.at("expected").at("uniform")).data;
  const auto normal = test::golden_tensor(c.at("expected").at("normal")).data;
  const auto below = c.at("expected").at("below_1000").get<std::vector<uint32_t>>();
  for (size_t i = 0; i < 8; ++i) {
    CHECK(rng.u32(i) == words[i]);
    CHECK(static_cast<double>(rng.uniform(i)) == uniform[i]);
    CHECK(rng.normal(i) == Approx(normal[i]).epsilon(1e-14));
    CHECK(rng.below(i, 1000) == below[i]);
  }
  const auto p = test::golden_case("rng", "permutation");
  CHECK(permutation(12, Philox{7, 3}) ==
        p.at("expected").at("permutation").at("data").get<std::vector<int64_t>>());
}
