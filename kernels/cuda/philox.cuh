#pragma once
// Philox4x32-10 (Salmon et al. 2011); the same numbers as echelon/base/philox.h.
#include "kernels/cpu/philox.h"
#include "kernels/cuda/launch.cuh"

namespace kernels::cuda {

using cpu::PhiloxKey;

struct Words {
  uint32_t at[4];
};

__device__ inline Words philox_words(PhiloxKey key, uint64_t index) {
  auto c0 = static_cast<uint32_t>(index), c1 = static_cast<uint32_t>(index >> 32);
  auto c2 = static_cast<uint32_t>(key.stream), c3 = static_cast<uint32_t>(key.stream >> 32);
  auto k0 = static_cast<uint32_t>(key.seed), k1 = static_cast<uint32_t>(key.seed >> 32);
#pragma unroll
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53} * c0, p1 = uint64_t{0xCD9E8D57} * c2;
    const uint32_t n0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0;
    const uint32_t n2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c0 = n0, c1 = static_cast<uint32_t>(p1), c2 = n2, c3 = static_cast<uint32_t>(p0);
    k0 += 0x9E3779B9, k1 += 0xBB67AE85;
  }
  return {{c0, c1, c2, c3}};
}

/// 24-bit uniform in [0, 1).
__device__ inline float uniform_of(uint32_t word) {
  return static_cast<float>(word >> 8) * (1.0f / 16777216.0f);
}

/// The word of one element. Neighbours share a block: keep it between calls.
class WordReader {
 public:
  __device__ explicit WordReader(PhiloxKey key) : key_(key) {}
  __device__ const Words& block(uint64_t index) {
    if (index != index_) words_ = philox_words(key_, index);
    index_ = index;
    return words_;
  }
  __device__ uint32_t word(uint64_t element) { return block(element / 4).at[element % 4]; }

 private:
  PhiloxKey key_;
  uint64_t index_ = ~uint64_t{0};
  Words words_{};
};

}  // namespace kernels::cuda
