#pragma once
// How far f32 ops may be from their float64 references: |a - b| <= absolute + relative*|b|. One
// table for all op tests; a test may tighten an entry, never loosen it.

namespace echelon::test {

struct Tolerance {
  double relative;
  double absolute;
};

namespace tolerance {
inline constexpr Tolerance kExact{0.0, 0.0};
/// One rounding per element.
inline constexpr Tolerance kElementwise{1.2e-7, 1e-37};
/// Elementary functions: exp, tanh, the normal distribution.
inline constexpr Tolerance kElementary{2.5e-7, 1e-37};
/// gelu and its slope: products of such functions that may cancel.
inline constexpr Tolerance kActivation{6e-7, 4e-7};
/// Row statistics and what is made of them, inputs of order 1.
inline constexpr Tolerance kNorm{2e-6, 2e-6};
inline constexpr Tolerance kNormGradient{1e-5, 1e-5};
/// A probability has the absolute error of its score as its relative error: a score near 10, summed
/// in order over up to 128 products, is off by about 6e-8 * sqrt(128) * 10 = 7e-6 at the worst.
inline constexpr Tolerance kAttention{4e-6, 2e-6};
inline constexpr Tolerance kAttentionGradient{1e-5, 5e-6};
inline constexpr Tolerance kCrossEntropy{2e-6, 1e-7};
inline constexpr Tolerance kRope{4e-7, 3e-7};
/// One optimizer update.
inline constexpr Tolerance kOptimizer{4e-7, 2e-7};
/// Central differences of the float64 reference against its analytic gradient.
inline constexpr Tolerance kFiniteDifference{1e-6, 1e-7};
}  // namespace tolerance

}  // namespace echelon::test
