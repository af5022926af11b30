#include <algorithm>

#include "echelon/ops/elementwise.h"
#include "op_test.h"

using namespace echelon;
using namespace echelon::test;

namespace {

constexpr Philox kRng{0x123456789ABCDEFull, 0xFEDCBA987654321ull};

/// The part [first_row, ..) x [first_column, ..) of a whole with 4001 columns.
ops::Placement place(int64_t first_row, int64_t first_column) {
  return {4001, first_row, first_column};
}

uint64_t element(const ops::Placement& where, int64_t r, int64_t c) {
  return static_cast<uint64_t>((where.first_row + r) * where.whole_columns + where.first_column +
                               c);
}

}  // namespace

TEST_CASE("fills are bit-equal to the scalar definition at every element", "[ops]") {
  OpTest t;
  const int64_t rows = GENERATE(1, 5), columns = GENERATE(1, 3, 17, 1500),
                column = GENERATE(0, 1, 2, 7);
  const ops::Placement where = place(1LL << 33, column);
  Tensor normal = t.constant({rows, columns}, NAN), uniform = t.constant({rows, columns}, NAN);
  const Threads threads(3);
  ops::fill_normal(normal, 0.25f, 0.02f, kRng, where, *t.stream);
  ops::fill_uniform(uniform, 0.1f, kRng, where, *t.stream);
  int wrong = 0;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c) {
      const uint64_t at = element(where, r, c);
      const double n = 0.25 + static_cast<double>(0.02f) * kRng.normal(at);
      const float u = 0.1f * (2.0f * kRng.uniform(at) - 1.0f);
      wrong += normal.data<float>()[r * columns + c] != static_cast<float>(n);
      wrong += uniform.data<float>()[r * columns + c] != u;
    }
  CHECK(wrong == 0);
}

TEST_CASE("dropout keeps exactly the elements the definition keeps", "[ops]") {
  OpTest t;
  const int64_t column = GENERATE(0, 3, 1030);
  const ops::Placement where = place(2, column);
  Tensor x = t.constant({7, 1200}, 3.0f);
  ops::dropout(x, 0.1f, kRng, where, *t.stream);
  int wrong = 0, kept = 0;
  for (int64_t r = 0; r < 7; ++r)
    for (int64_t c = 0; c < 1200; ++c) {
      const bool keep = kRng.uniform(element(where, r, c)) >= 0.1f;
      kept += keep;
      wrong += x.data<float>()[r * 1200 + c] != (keep ? 3.0f * (1.0f / 0.9f) : 0.0f);
    }
  CHECK(wrong == 0);
  CHECK(kept == Approx(0.9 * 7 * 1200).epsilon(0.02));
}

TEST_CASE("parts of a tensor draw the dropout mask of the whole", "[ops]") {
  OpTest t;
  Tensor whole = t.constant({6, 4001}, 1.0f), part = t.constant({4, 900}, 1.0f);
  {
    const Threads threads(1);
    ops::dropout(whole, 0.5f, kRng, place(0, 0), *t.stream);
  }
  const Threads threads(3);
  ops::dropout(part, 0.5f, kRng, place(2, 1001), *t.stream);
  for (int64_t r = 0; r < 4; ++r)
    CHECK(std::equal(part.data<float>() + r * 900, part.data<float>() + (r + 1) * 900,
                     whole.data<float>() + (2 + r) * 4001 + 1001));
}

TEST_CASE("dropout of nothing changes nothing", "[ops]") {
  OpTest t;
  Tensor x = t.random({3, 50}, 1);
  const auto before = values_of(x);
  ops::dropout(x, 0.0f, kRng, place(0, 0), *t.stream);
  CHECK(values_of(x) == before);
}
