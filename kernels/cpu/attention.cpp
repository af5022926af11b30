#include "kernels/cpu/attention.h"

#include <cmath>
#include <limits>
#include <vector>

#include "kernels/cpu/parallel.h"
#include "kernels/cpu/vector_math.h"

namespace kernels::cpu {
namespace {

float dot(const float* a, const float* b, int64_t n) {
  float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

void add_scaled(float factor, const float* src, float* dst, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) dst[i] += factor * src[i];
}

/// Dropout factors of one row: 0 or 1/(1-p).
void mask_row(const AttentionSize& s, int64_t b, int64_t h, int64_t i, int64_t keys, float* mask) {
  const uint64_t element = s.dropout_row(b, h, i);
  std::vector<uint32_t> words(static_cast<size_t>(keys));
  philox_words(s.key, element, keys, words.data());
  for (int64_t j = 0; j < keys; ++j)
    mask[j] =
        uniform_of(words[static_cast<size_t>(j)]) >= s.dropout ? 1.0f / (1.0f - s.dropout) : 0.0f;
}

}  // namespace

void attention_forward(Heads q, Heads k, Heads v, const AttentionSize& s, float* out, float* lse) {
  const int64_t d = s.head_size, group = s.heads / s.kv_heads;
  parallel_items(s.batch * s.heads, [&](int64_t item) {
    const int64_t b = item / s.heads, h = item % s.heads, kv = h / group;
    std::vector<float> score(static_cast<size_t>(s.keys)), mask(static_cast<size_t>(s.keys), 1.0f);
    for (int64_t i = 0; i < s.queries; ++i) {
      const int64_t seen = s.seen(i), row = b * s.queries + i;
      const float* qi = q.data + row * q.stride + h * d;
      float* oi = out + (row * s.heads + h) * d;
      for (int64_t c = 0; c < d; ++c) oi[c] = 0.0f;
      float most = -std::numeric_limits<float>::infinity(), sum = 0.0f;
      for (int64_t j = 0; j < seen; ++j) {
        const float* kj = k.data + (b * s.keys + j) * k.stride + kv * d;
        score[static_cast<size_t>(j)] = s.scale * dot(qi, kj, d);
        most = std::fmax(most, score[static_cast<size_t>(j)]);
      }
      if (s.dropout > 0.0f) mask_row(s, b, h, i, seen, mask.data());
      for (int64_t j = 0; j < seen; ++j) {
        const float p = std::exp(score[static_cast<size_t>(j)] - most);
        sum += p;
        add_scaled(p * mask[static_cast<size_t>(j)], v.data + (b * s.keys + j) * v.stride + kv * d,
                   oi, d);
      }
      lse[item * s.queries + i] = seen == 0 ? most : most + std::log(sum);
      for (int64_t c = 0; c < d && seen > 0; ++c) oi[c] /= sum;
    }
  });
}

void attention_backward(Heads q, Heads k, Heads v, const float* out, const float* lse,
                        const float* dout, const AttentionSize& s, bool accumulate, Heads dq,
                        Heads dk, Heads dv) {
  const int64_t d = s.head_size, group = s.heads / s.kv_heads;
  parallel_items(s.batch * s.kv_heads, [&](int64_t item) {
    const int64_t b = item / s.kv_heads, kv = item % s.kv_heads;
    std::vector<float> mask(static_cast<size_t>(s.keys), 1.0f);
    if (!accumulate)
      for (int64_t j = 0; j < s.keys; ++j)
        for (int64_t c = 0; c < d; ++c) {
          dk.data[(b * s.keys + j) * dk.stride + kv * d + c] = 0.0f;
          dv.data[(b * s.keys + j) * dv.stride + kv * d + c] = 0.0f;
        }
    for (int64_t h = kv * group; h < (kv + 1) * group; ++h)
      for (int64_t i = 0; i < s.queries; ++i) {
        const int64_t row = b * s.queries + i, seen = s.seen(i);
        const float* qi = q.data + row * q.stride + h * d;
        const float* doi = dout + (row * s.heads + h) * d;
        float* dqi = dq.data + row * dq.stride + h * d;
        if (!accumulate)
          for (int64_t c = 0; c < d; ++c) dqi[c] = 0.0f;
        const float delta = dot(out + (row * s.heads + h) * d, doi, d);
        const float l = lse[(b * s.heads + h) * s.queries + i];
        if (s.dropout > 0.0f) mask_row(s, b, h, i, seen, mask.data());
        for (int64_t j = 0; j < seen; ++j) {
          const int64_t key_row = b * s.keys + j;
          const float* kj = k.data + key_row * k.stride + kv * d;
          const float p = std::exp(s.scale * dot(qi, kj, d) - l);
          const float keep = mask[static_cast<size_t>(j)];
          const float dp = keep * dot(doi, v.data + key_row * v.stride + kv * d, d);
          const float ds = p * (dp - delta) * s.scale;
          add_scaled(p * keep, doi, dv.data + key_row * dv.stride + kv * d, d);
          add_scaled(ds, qi, dk.data + key_row * dk.stride + kv * d, d);
          add_scaled(ds, kj, dqi, d);
        }
      }
  });
}

}  // namespace kernels::cpu
