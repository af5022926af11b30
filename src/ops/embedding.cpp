#include "echelon/ops/embedding.h"

#include "check.h"

namespace echelon::ops {
namespace {

void check_positions(const char* op, const Tensor& table, const Tensor& y, int64_t tokens,
                     int64_t first) {
  ECH_CHECK(tokens > 0 && rows_of(y) % tokens == 0, "{}: {} rows, sequences of {}", op, rows_of(y),
            tokens);
  ECH_CHECK(first >= 0 && first + tokens <= rows_of(table),
            "{}: positions [{}, {}), table of {} rows", op, first, first + tokens, rows_of(table));
}

}  // namespace

void embedding_forward(const Tensor& tokens, const Tensor& table, int64_t first_row, Tensor& y,
                       Stream& stream) {
  const int64_t c = columns_of(y);
  Arguments arguments("embedding_forward", y);
  arguments.matrix("y", y, tokens.elements(), c).typed("tokens", tokens, DType::i32);
  arguments.matrix("table", table, rows_of(table), c);
  arguments.table().embedding_forward(tokens, table, first_row, y, stream);
}

void embedding_backward(const Tensor& tokens, const Tensor& dy, int64_t first_row, Tensor& dtable,
                        Stream& stream) {
  const int64_t c = columns_of(dy);
  Arguments arguments("embedding_backward", dy);
  arguments.matrix("dy", dy, tokens.elements(), c).typed("tokens", tokens, DType::i32);
  arguments.matrix("dtable", dtable, rows_of(dtable), c);
  arguments.table().embedding_backward(tokens, dy, first_row, dtable, stream);
}

void position_add(const Tensor& table, int64_t tokens, int64_t first_position, Tensor& y,
                  Stream& stream) {
  const int64_t c = columns_of(y);
  Arguments arguments("position_add", y);
  arguments.matrix("y", y, rows_of(y), c).matrix("table", table, rows_of(table), c);
  check_positions("position_add", table, y, tokens, first_position);
  arguments.table().position_add(table, tokens, first_position, y, stream);
}

void position_backward(const Tensor& dy, int64_t tokens, int64_t first_position, Tensor& dtable,
                       Stream& stream) {
  const int64_t c = columns_of(dy);
  Arguments arguments("position_backward", dy);
  arguments.matrix("dy", dy, rows_of(dy), c).matrix("dtable", dtable, rows_of(dtable), c);
  check_positions("position_backward", dtable, dy, tokens, first_position);
  arguments.table().position_backward(dy, tokens, first_position, dtable, stream);
}

}  // namespace echelon::ops
