#include "echelon/ops/attention.h"

#include "check.h"

namespace echelon::ops {
namespace {

void check_shape(const char* op, const AttentionShape& s) {
  ECH_CHECK(s.batch >= 0 && s.query_tokens >= 0 && s.key_tokens >= 0 && s.head_size > 0,
            "{}: batch {}, {} queries, {} keys, head size {}", op, s.batch, s.query_tokens,
            s.key_tokens, s.head_size);
  ECH_CHECK(s.kv_heads > 0 && s.heads % s.kv_heads == 0, "{}: {} heads, {} kv heads", op, s.heads,
            s.kv_heads);
  ECH_CHECK(s.dropout >= 0.0f && s.dropout < 1.0f, "{}: dropout {}", op, s.dropout);
  if (s.dropout > 0.0f)
    ECH_CHECK(s.first_head + s.heads <= s.all_heads &&
                  s.query_start + s.query_tokens <= s.total_tokens &&
                  s.key_start + s.key_tokens <= s.total_tokens,
              "{}: dropout needs all_heads and total_tokens of the whole, found {} and {}", op,
              s.all_heads, s.total_tokens);
}

void check_view(Arguments& arguments, const char* op, const char* name, const HeadView& x,
                int64_t rows, int64_t heads, int64_t head_size) {
  arguments.matrix(name, x.rows, rows, columns_of(x.rows));
  ECH_CHECK(x.column >= 0 && x.column + heads * head_size <= columns_of(x.rows),
            "{}: {} is columns [{}, {}) of {}", op, name, x.column, x.column + heads * head_size,
            columns_of(x.rows));
}

}  // namespace

void sdpa_forward(const HeadView& q, const HeadView& k, const HeadView& v,
                  const AttentionShape& shape, Tensor& out, Tensor& lse, Stream& stream) {
  const char* op = "sdpa_forward";
  const AttentionShape& s = shape;
  check_shape(op, s);
  Arguments arguments(op, out);
  check_view(arguments, op, "q", q, s.batch * s.query_tokens, s.heads, s.head_size);
  check_view(arguments, op, "k", k, s.batch * s.key_tokens, s.kv_heads, s.head_size);
  check_view(arguments, op, "v", v, s.batch * s.key_tokens, s.kv_heads, s.head_size);
  arguments.matrix("out", out, s.batch * s.query_tokens, s.heads * s.head_size);
  arguments.vector("lse", lse, s.batch * s.heads * s.query_tokens);
  arguments.table().sdpa_forward(q, k, v, s, out, lse, stream);
}

void sdpa_backward(const HeadView& q, const HeadView& k, const HeadView& v, const Tensor& out,
                   const Tensor& lse, const Tensor& dout, const AttentionShape& shape,
                   bool accumulate, const HeadView& dq, const HeadView& dk, const HeadView& dv,
                   Stream& stream) {
  const char* op = "sdpa_backward";
  const AttentionShape& s = shape;
  const int64_t queries = s.batch * s.query_tokens, keys = s.batch * s.key_tokens;
  check_shape(op, s);
  Arguments arguments(op, out);
  check_view(arguments, op, "q", q, queries, s.heads, s.head_size);
  check_view(arguments, op, "k", k, keys, s.kv_heads, s.head_size);
  check_view(arguments, op, "v", v, keys, s.kv_heads, s.head_size);
  check_view(arguments, op, "dq", dq, queries, s.heads, s.head_size);
  check_view(arguments, op, "dk", dk, keys, s.kv_heads, s.head_size);
  check_view(arguments, op, "dv", dv, keys, s.kv_heads, s.head_size);
  arguments.matrix("out", out, queries, s.heads * s.head_size);
  arguments.matrix("dout", dout, queries, s.heads * s.head_size);
  arguments.vector("lse", lse, s.batch * s.heads * s.query_tokens);
  arguments.table().sdpa_backward(q, k, v, out, lse, dout, s, accumulate, dq, dk, dv, stream);
}

void rope(const HeadView& x, int64_t heads, int64_t head_size, int64_t tokens,
          int64_t first_position, float base, bool inverse, Stream& stream) {
  Arguments arguments("rope", x.rows);
  check_view(arguments, "rope", "x", x, rows_of(x.rows), heads, head_size);
  ECH_CHECK(head_size % 2 == 0 && tokens > 0 && rows_of(x.rows) % tokens == 0 && base > 0.0f,
            "rope: head size {}, {} rows, sequences of {}, base {}", head_size, rows_of(x.rows),
            tokens, base);
  arguments.table().rope(x, heads, head_size, tokens, first_position, base, inverse, stream);
}

}  // namespace echelon::ops
