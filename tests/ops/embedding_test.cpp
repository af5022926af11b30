#include "echelon/ops/embedding.h"

#include "op_test.h"

using namespace echelon;
using namespace echelon::test;

TEST_CASE("an embedding looks up its rows and leaves others to other ranks", "[ops]") {
  OpTest t;
  const int64_t c = GENERATE(1, 3, 17, 130);
  const Tensor tokens = t.ints({4, 9, 5, 4, 10, 3}), table = t.random({5, c}, 1);  // rows 5..9
  Tensor y = t.constant({6, c}, NAN);
  ops::embedding_forward(tokens, table, 5, y, *t.stream);
  for (int64_t r = 0; r < 6; ++r)
    for (int64_t i = 0; i < c; ++i) {
      const int64_t row = tokens.data<int32_t>()[r] - 5;
      const float wanted = row >= 0 && row < 5 ? table.data<float>()[row * c + i] : 0.0f;
      CHECK(y.data<float>()[r * c + i] == wanted);
    }
}

TEST_CASE("the embedding gradient adds rows in order", "[ops]") {
  OpTest t;
  const int64_t c = GENERATE(1, 17, 300);
  const std::vector<int32_t> ids = test::tokens(200, 13, 7);
  const Tensor dy = t.random({200, c}, 2);
  Tensor dtable = t.constant({6, c}, 0.5f);
  std::vector<float> wanted = values_of(dtable);
  for (int64_t r = 0; r < 200; ++r) {
    const int64_t row = ids[static_cast<size_t>(r)] - 4;
    for (int64_t i = 0; i < c && row >= 0 && row < 6; ++i)
      wanted[static_cast<size_t>(row * c + i)] += dy.data<float>()[r * c + i];
  }
  const Threads threads(GENERATE(1, 3));
  ops::embedding_backward(t.ints(ids), dy, 4, dtable, *t.stream);
  CHECK(values_of(dtable) == wanted);
}

TEST_CASE("positions repeat every sequence", "[ops]") {
  OpTest t;
  const Tensor table = t.random({9, 7}, 1), dy = t.random({12, 7}, 2);
  Tensor y = t.random({12, 7}, 3), dtable = t.random({9, 7}, 4);
  std::vector<float> wanted = values_of(y), gradient = values_of(dtable);
  for (size_t r = 0; r < 12; ++r)
    for (size_t i = 0; i < 7; ++i) {
      const size_t at = (2 + r % 4) * 7 + i;
      wanted[r * 7 + i] += values_of(table)[at];
      gradient[at] += values_of(dy)[r * 7 + i];
    }
  ops::position_add(table, 4, 2, y, *t.stream);
  ops::position_backward(dy, 4, 2, dtable, *t.stream);
  CHECK(values_of(y) == wanted);
  CHECK(values_of(dtable) == gradient);
}
