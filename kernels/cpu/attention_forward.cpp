// Flash attention (Dao et al. 2022) with the queries of a tile side by side in vector lanes: scores
// are [key][query], so the running maximum and sum need no reduction across lanes.
#include <cmath>
#include <limits>

#include "kernels/cpu/attention_tile.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/transpose.h"
#include "kernels/cpu/vector_math.h"

namespace kernels::cpu {
namespace {

constexpr int64_t kQueries = 32, kVectors = kQueries / kLanes, kKeys = 64;
constexpr float kInfinity = std::numeric_limits<float>::infinity();
/// Maximum of no scores: below every score, and finite, so that differences are numbers.
constexpr float kNoScore = -3.0e38f;

/// Keys and values of one head: rows of head_size floats.
struct KeyRows {
  const float *k, *v;
  int64_t k_stride, v_stride;
};

struct Tile {
  float *q, *scores, *out, *mask;
  Lanes most[kVectors], sum[kVectors];
};

int64_t scratch_floats(const AttentionSize& s) {
  return 2 * rounded_up(s.keys * s.head_size, kLanes) + 2 * s.head_size * kQueries +
         2 * kKeys * kQueries;
}

/// Scores of `keys` rows become exp(score - maximum); out is rescaled when a maximum grows.
/// Lane l sees key row j iff l >= first_lane + j.
void softmax_tile(const AttentionSize& s, Tile& t, int64_t vectors, int64_t keys,
                  int64_t first_lane) {
  const bool diagonal = first_lane + keys - 1 > 0;
  for (int64_t v = 0; v < vectors; ++v) {
    float* scores = t.scores + v * kLanes;
    const IntLanes lane = kLaneIndex + static_cast<int32_t>(v * kLanes);
    Lanes most = t.most[v];
    for (int64_t j = 0; j < keys; ++j) {
      Lanes score = load(scores + j * kQueries);
      if (diagonal) {
        score = select(lane >= static_cast<int32_t>(first_lane + j), score, broadcast(-kInfinity));
        store(scores + j * kQueries, score);
      }
      most = maximum(score, most);
    }
    const Lanes shrink = exp_lanes(t.most[v] - most);
    t.most[v] = most;
    Lanes sum{};
    for (int64_t j = 0; j < keys; ++j) {
      const Lanes p = exp_lanes(load(scores + j * kQueries) - most);
      sum += p;
      store(scores + j * kQueries,
            s.dropout > 0.0f ? p * load(t.mask + j * vectors * kLanes + v * kLanes) : p);
    }
    t.sum[v] = t.sum[v] * shrink + sum;
    for (int64_t c = 0; c < s.head_size; ++c) {
      float* out = t.out + c * kQueries + v * kLanes;
      store(out, load(out) * shrink);
    }
  }
}

/// Transposes the tile's output into rows, divided by the sums.
void write_tile(const AttentionSize& s, const Tile& t, int64_t count, float* out, int64_t stride,
                float* lse) {
  for (int64_t first = 0; first < count; first += kLanes) {
    const int64_t v = first / kLanes, rows = count - first < kLanes ? count - first : kLanes;
    const Lanes sum = t.sum[v];
    const Lanes inverse = select(sum == 0.0f, Lanes{}, 1.0f / sum);
    for (int64_t c = 0; c < s.head_size; c += kLanes) {
      const int64_t width = s.head_size - c < kLanes ? s.head_size - c : kLanes;
      Lanes block[kLanes];
      for (int64_t i = 0; i < kLanes; ++i)
        block[i] = i < width ? load(t.out + (c + i) * kQueries + first) * inverse : Lanes{};
      transpose16(block);
      for (int64_t i = 0; i < rows; ++i)
        store_up_to(out + (first + i) * stride + c, block[i], width);
    }
    for (int64_t i = 0; i < rows; ++i)
      lse[first + i] = sum[i] == 0.0f ? -kInfinity : t.most[v][i] + std::log(sum[i]);
  }
}

/// Queries [first, first + count) of one head.
void forward_tile(const AttentionSize& s, int64_t b, int64_t h, const KeyRows& rows, Heads q,
                  Tile& t, int64_t first, int64_t count, float* out, float* lse) {
  const int64_t d = s.head_size, vectors = (count + kLanes - 1) / kLanes;
  const int64_t seen = s.seen(first + count - 1);
  transpose(q.data + (b * s.queries + first) * q.stride + h * d, q.stride, count, d, s.scale, t.q,
            kQueries);
  for (int64_t i = 0; i < d * kQueries; i += kLanes) store(t.out + i, Lanes{});
  for (int64_t v = 0; v < kVectors; ++v) t.most[v] = broadcast(kNoScore), t.sum[v] = Lanes{};
  for (int64_t key = 0; key < seen; key += kKeys) {
    const int64_t keys = seen - key < kKeys ? seen - key : kKeys;
    if (s.dropout > 0.0f) dropout_tile(s, b, h, first, vectors, key, keys, t.mask);
    product<Along::depth>(
        {rows.k + key * rows.k_stride, rows.k_stride, t.q, kQueries, t.scores, kQueries, 0, false},
        keys, vectors, [=](int64_t, int64_t) {
          return DepthRange{0, d};
        });
    softmax_tile(s, t, vectors, keys, s.first_lane(first, key));
    product<Along::rows>(
        {rows.v + key * rows.v_stride, rows.v_stride, t.scores, kQueries, t.out, kQueries, 0, true},
        d, vectors, [=](int64_t, int64_t) {
          return DepthRange{0, keys};
        });
  }
  write_tile(s, t, count, out + ((b * s.queries + first) * s.heads + h) * d, s.heads * d,
             lse + (b * s.heads + h) * s.queries + first);
}

/// Rows side by side, when many tiles read them.
void pack_rows(const float* src, int64_t stride, int64_t rows, int64_t columns, float* dst) {
  for (int64_t r = 0; r < rows; ++r)
    std::memcpy(dst + r * columns, src + r * stride, static_cast<size_t>(columns) * sizeof(float));
}

}  // namespace

void attention_forward(Heads q, Heads k, Heads v, const AttentionSize& size, float* out,
                       float* lse) {
  const AttentionSize s = size;
  const int64_t d = s.head_size, tiles = (s.queries + kQueries - 1) / kQueries;
  // With few heads several threads share the tiles of one; who computes a tile changes nothing.
  const int64_t heads = s.batch * s.heads, wanted = heads == 0 ? 1 : 3 * max_threads() / heads + 1;
  const int64_t parts = wanted < tiles ? wanted : (tiles > 0 ? tiles : 1);
  const int64_t floats = rounded_up(scratch_floats(s), kLanes);
  const int64_t workers = workers_for(heads * parts);
  const Scratch scratch(workers * floats);
  parallel_workers(heads * parts, workers, [&](int64_t worker, int64_t item) {
    const int64_t b = item / parts / s.heads, h = item / parts % s.heads, part = item % parts;
    const int64_t kv = h / (s.heads / s.kv_heads), packed = rounded_up(s.keys * d, kLanes);
    float* at = scratch.data() + worker * floats;
    KeyRows rows{k.data + b * s.keys * k.stride + kv * d, v.data + b * s.keys * v.stride + kv * d,
                 k.stride, v.stride};
    if (tiles > parts) {
      const int64_t seen = s.seen(s.queries - 1);
      pack_rows(rows.k, k.stride, seen, d, at);
      pack_rows(rows.v, v.stride, seen, d, at + packed);
      rows = {at, at + packed, d, d};
    }
    float* tile = at + 2 * packed;
    Tile t{tile,
           tile + 2 * d * kQueries,
           tile + d * kQueries,
           tile + 2 * d * kQueries + kKeys * kQueries,
           {},
           {}};
    for (int64_t i = part; i < tiles; i += parts) {
      const int64_t first = i * kQueries, rest = s.queries - first;
      forward_tile(s, b, h, rows, q, t, first, rest < kQueries ? rest : kQueries, out, lse);
    }
  });
}

}  // namespace kernels::cpu
