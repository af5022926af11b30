// Gradients of flash attention (Dao et al. 2022): probabilities are computed again from the saved
// lse, tile by tile; scores are [key][query] as in the forward pass.
#include <limits>

#include "kernels/cpu/attention_tile.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/transpose.h"
#include "kernels/cpu/vector_math.h"

namespace kernels::cpu {
namespace {

constexpr int64_t kQueries = 64, kKeys = 64;
/// exp(score - kNever) is 0 for every score: lanes without a query, rows that see no key.
constexpr float kNever = 3.0e38f;

/// One worker's memory: keys, values and their gradients of one kv head; queries and output
/// gradients of one head, both as rows and with the queries in lanes; one tile of scores.
struct Work {
  int64_t wide;  ///< head_size rounded up to whole vectors
  float *k, *v, *dk, *dv;
  float *q_rows, *dout_rows, *q, *dout, *dq, *lse, *delta;
  float *p, *ds, *mask;
};

/// Lays the arrays out from `base` on; returns the floats they take.
int64_t lay_out(const AttentionSize& s, float* base, Work& w) {
  const int64_t d = s.head_size, queries = rounded_up(s.queries, kQueries);
  w.wide = rounded_up(d, kLanes);
  int64_t used = 0;
  const auto take = [&](float*& array, int64_t floats) {
    array = base + used;
    used += rounded_up(floats, kLanes);
  };
  for (float** rows : {&w.k, &w.v}) take(*rows, s.keys * d);
  for (float** rows : {&w.dk, &w.dv}) take(*rows, s.keys * w.wide);
  for (float** rows : {&w.q_rows, &w.dout_rows}) take(*rows, queries * w.wide);
  for (float** lanes : {&w.q, &w.dout, &w.dq}) take(*lanes, queries * d);
  for (float** values : {&w.lse, &w.delta}) take(*values, queries);
  for (float** tile : {&w.p, &w.ds, &w.mask}) take(*tile, kKeys * kQueries);
  return used;
}

void clear(float* x, int64_t n) { std::memset(x, 0, static_cast<size_t>(n) * sizeof(float)); }

/// dst[r][wide] = factor * src[r][columns], zeros on the right.
void pack_rows(const float* src, int64_t stride, int64_t rows, int64_t columns, int64_t wide,
               float factor, float* dst) {
  for (int64_t r = 0; r < rows; ++r)
    for_lanes(0, columns, [=](int64_t c, int64_t count) {
      const Lanes x = factor * load_up_to(src + r * stride + c, count);
      store_up_to(dst + r * wide + c, x, wide - c < kLanes ? count : kLanes);
    });
}

void write_rows(const float* src, int64_t src_stride, int64_t rows, int64_t columns,
                bool accumulate, float* dst, int64_t stride) {
  for (int64_t r = 0; r < rows; ++r)
    for_lanes(0, columns, [=](int64_t c, int64_t count) {
      float* to = dst + r * stride + c;
      const Lanes x = load_up_to(src + r * src_stride + c, count);
      store_up_to(to, accumulate ? x + load_up_to(to, count) : x, count);
    });
}

void load_keys(const AttentionSize& s, int64_t b, int64_t kv, Heads k, Heads v, const Work& w) {
  const int64_t d = s.head_size;
  pack_rows(k.data + b * s.keys * k.stride + kv * d, k.stride, s.keys, d, d, 1.0f, w.k);
  pack_rows(v.data + b * s.keys * v.stride + kv * d, v.stride, s.keys, d, d, 1.0f, w.v);
  clear(w.dk, s.keys * w.wide);
  clear(w.dv, s.keys * w.wide);
}

/// Queries carry the scale, so that scores and dk need no further factor.
void load_queries(const AttentionSize& s, int64_t b, int64_t h, Heads q, const float* out,
                  const float* lse, const float* dout, const Work& w) {
  const int64_t d = s.head_size, width = s.heads * d;
  const float* q_head = q.data + b * s.queries * q.stride + h * d;
  const float *out_head = out + b * s.queries * width + h * d, *dout_head = dout + (out_head - out);
  pack_rows(q_head, q.stride, s.queries, d, w.wide, s.scale, w.q_rows);
  pack_rows(dout_head, width, s.queries, d, w.wide, 1.0f, w.dout_rows);
  for (int64_t i = 0; i < s.queries; i += kQueries) {
    const int64_t count = s.queries - i < kQueries ? s.queries - i : kQueries;
    transpose(q_head + i * q.stride, q.stride, count, d, s.scale, w.q + i * d, kQueries);
    transpose(dout_head + i * width, width, count, d, 1.0f, w.dout + i * d, kQueries);
  }
  clear(w.dq, rounded_up(s.queries, kQueries) * d);
  const float* lse_head = lse + (b * s.heads + h) * s.queries;
  for (int64_t i = 0; i < rounded_up(s.queries, kQueries); ++i) {
    Lanes delta{};
    if (i < s.queries)
      for_lanes(0, d, [&](int64_t c, int64_t count) {
        delta += load_up_to(out_head + i * width + c, count) *
                 load_up_to(dout_head + i * width + c, count);
      });
    w.delta[i] = sum_of(delta);
    const bool sees = i < s.queries && lse_head[i] > -std::numeric_limits<float>::infinity();
    w.lse[i] = i < s.queries && (sees || lse_head[i] != lse_head[i]) ? lse_head[i] : kNever;
  }
}

struct TilePair {
  int64_t query, queries, vectors, key, keys;
  int64_t first_lane;  ///< lane l sees key row j iff l >= first_lane + j
  /// Whether any of the 32 lanes from vector `v` (even) on sees the first of the 8 rows at `row`.
  bool computed(int64_t row, int64_t v) const { return (v + 2) * kLanes > first_lane + row; }
};

/// p becomes the probability (dropped and rescaled), ds its gradient, from scores in p and
/// dout v^T in ds.
void gradient_tile(const AttentionSize& s, const Work& w, const TilePair& t) {
  const bool diagonal = t.first_lane + t.keys - 1 > 0;
  for (int64_t v = 0; v < t.vectors; ++v) {
    const Lanes lse = load(w.lse + t.query + v * kLanes),
                delta = load(w.delta + t.query + v * kLanes);
    const IntLanes lane = kLaneIndex + static_cast<int32_t>(v * kLanes);
    for (int64_t j = 0; j < t.keys && t.computed(j / kBlockRows * kBlockRows, v / 2 * 2); ++j) {
      float *score = w.p + j * kQueries + v * kLanes, *ds = w.ds + j * kQueries + v * kLanes;
      Lanes p = exp_lanes(load(score) - lse), dp = load(ds);
      if (diagonal) p = select(lane >= static_cast<int32_t>(t.first_lane + j), p, Lanes{});
      Lanes dropped = p;
      if (s.dropout > 0.0f) {
        const Lanes mask = load(w.mask + (j * t.vectors + v) * kLanes);
        dp *= mask;
        dropped *= mask;
      }
      store(score, dropped);
      store(ds, p * (dp - delta));
    }
  }
}

void backward_tile(const AttentionSize& s, int64_t b, int64_t h, const Work& w, const TilePair& t) {
  const int64_t d = s.head_size, wide_vectors = w.wide / kLanes;
  const float *k = w.k + t.key * d, *v = w.v + t.key * d;
  const auto seen = [=](int64_t row, int64_t vector) {
    return DepthRange{0, t.computed(row, vector) ? d : 0};
  };
  product<Along::depth>({k, d, w.q + t.query * d, kQueries, w.p, kQueries, 0, false}, t.keys,
                        t.vectors, seen);
  product<Along::depth>({v, d, w.dout + t.query * d, kQueries, w.ds, kQueries, 0, false}, t.keys,
                        t.vectors, seen);
  if (s.dropout > 0.0f) dropout_tile(s, b, h, t.query, t.vectors, t.key, t.keys, w.mask);
  gradient_tile(s, w, t);
  const auto lanes_that_see = [=](int64_t row, int64_t) {
    const int64_t first = t.first_lane + row;
    return DepthRange{first > 0 ? first : 0, t.queries};
  };
  product<Along::depth>({w.p, kQueries, w.dout_rows + t.query * w.wide, w.wide,
                         w.dv + t.key * w.wide, w.wide, 0, true},
                        t.keys, wide_vectors, lanes_that_see);
  product<Along::depth>(
      {w.ds, kQueries, w.q_rows + t.query * w.wide, w.wide, w.dk + t.key * w.wide, w.wide, 0, true},
      t.keys, wide_vectors, lanes_that_see);
  product<Along::rows>({k, d, w.ds, kQueries, w.dq + t.query * d, kQueries, 0, true}, d, t.vectors,
                       [=](int64_t, int64_t vector) {
                         const int64_t last = (vector + 2) * kLanes - t.first_lane;
                         return DepthRange{0, last < t.keys ? last : t.keys};
                       });
}

void backward_head(const AttentionSize& s, int64_t b, int64_t h, const Work& w) {
  for (int64_t key = 0; key < s.keys; key += kKeys)
    for (int64_t query = 0; query < s.queries; query += kQueries) {
      TilePair t{query, 0, 0, key, 0, s.first_lane(query, key)};
      t.queries = s.queries - query < kQueries ? s.queries - query : kQueries;
      t.keys = s.keys - key < kKeys ? s.keys - key : kKeys;
      t.vectors = (t.queries + kLanes - 1) / kLanes;
      if (t.first_lane < t.queries) backward_tile(s, b, h, w, t);
    }
}

/// dq rows from lanes, times the scale that only the scores carried.
void write_queries(const AttentionSize& s, int64_t b, int64_t h, const Work& w, bool accumulate,
                   Heads dq) {
  const int64_t d = s.head_size;
  float* rows = dq.data + b * s.queries * dq.stride + h * d;
  for (int64_t i = 0; i < s.queries; i += kLanes)
    for (int64_t c = 0; c < d; c += kLanes) {
      const int64_t width = d - c < kLanes ? d - c : kLanes;
      const float* lanes = w.dq + i / kQueries * kQueries * d + i % kQueries;
      Lanes block[kLanes];
      for (int64_t r = 0; r < kLanes; ++r)
        block[r] = r < width ? s.scale * load(lanes + (c + r) * kQueries) : Lanes{};
      transpose16(block);
      for (int64_t r = 0; r < kLanes && i + r < s.queries; ++r) {
        float* to = rows + (i + r) * dq.stride + c;
        store_up_to(to, accumulate ? block[r] + load_up_to(to, width) : block[r], width);
      }
    }
}

}  // namespace

void attention_backward(Heads q, Heads k, Heads v, const float* out, const float* lse,
                        const float* dout, const AttentionSize& size, bool accumulate, Heads dq,
                        Heads dk, Heads dv) {
  const AttentionSize s = size;
  const int64_t d = s.head_size, group = s.heads / s.kv_heads, items = s.batch * s.kv_heads;
  Work none{};
  const int64_t floats = lay_out(s, nullptr, none), workers = workers_for(items);
  const Scratch scratch(workers * floats);
  parallel_workers(items, workers, [&](int64_t worker, int64_t item) {
    const int64_t b = item / s.kv_heads, kv = item % s.kv_heads;
    Work w{};
    lay_out(s, scratch.data() + worker * floats, w);
    load_keys(s, b, kv, k, v, w);
    for (int64_t h = kv * group; h < (kv + 1) * group; ++h) {
      load_queries(s, b, h, q, out, lse, dout, w);
      backward_head(s, b, h, w);
      write_queries(s, b, h, w, accumulate, dq);
    }
    write_rows(w.dk, w.wide, s.keys, d, accumulate, dk.data + b * s.keys * dk.stride + kv * d,
               dk.stride);
    write_rows(w.dv, w.wide, s.keys, d, accumulate, dv.data + b * s.keys * dv.stride + kv * d,
               dv.stride);
  });
}

}  // namespace kernels::cpu
