#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <random>

#include "echelon/checkpoint/boxes.h"

using namespace echelon;
using namespace echelon::checkpoint;

namespace {

/// Linear index of every element of `inner` in the array that stores `outer`, one by one.
std::vector<int64_t> slow_elements(const Box& outer, const Box& inner) {
  std::vector<int64_t> out;
  const int64_t n = volume(inner);
  for (int64_t i = 0; i < n; ++i) {
    int64_t rest = i, stride = 1, at = 0;
    for (size_t d = inner.size.size(); d-- > 0;) {
      at += (inner.offset[d] - outer.offset[d] + rest % inner.size[d]) * stride;
      rest /= inner.size[d];
      stride *= outer.size[d];
    }
    out.push_back(at);
  }
  return out;
}

struct Random {
  std::mt19937 engine{7};
  int64_t upto(int64_t n) { return static_cast<int64_t>(engine() % static_cast<uint64_t>(n + 1)); }
  Box outer(size_t rank) {
    Box box;
    for (size_t d = 0; d < rank; ++d) {
      box.offset.push_back(upto(4));
      box.size.push_back(1 + upto(4));
    }
    return box;
  }
  Box inside(const Box& outer) {
    Box box = outer;
    for (size_t d = 0; d < outer.size.size(); ++d) {
      const int64_t skip = upto(outer.size[d] - 1);
      box.offset[d] += skip;
      box.size[d] = 1 + upto(outer.size[d] - skip - 1);
    }
    return box;
  }
};

}  // namespace

TEST_CASE("flat ranges become the boxes of the golden vectors", "[checkpoint]") {
  std::ifstream in(std::string(ECHELON_TEST_DATA) + "/checkpoint/boxes.json");
  for (const auto& row : nlohmann::json::parse(in)) {
    Shape shape;
    for (const int64_t n : row["shape"]) shape.append(n);
    const auto boxes = flat_to_boxes(whole_box(shape), row["begin"], row["end"]);
    REQUIRE(boxes.size() == row["boxes"].size());
    for (size_t i = 0; i < boxes.size(); ++i) {
      CHECK(boxes[i].offset == row["boxes"][i][0].get<std::vector<int64_t>>());
      CHECK(boxes[i].size == row["boxes"][i][1].get<std::vector<int64_t>>());
    }
  }
}

TEST_CASE("a flat range of a shifted part is at most 2*rank-1 boxes that walk it in order",
          "[checkpoint]") {
  Random random;
  for (int trial = 0; trial < 500; ++trial) {
    const Box outer = random.outer(1 + static_cast<size_t>(trial) % 4);
    const int64_t end = random.upto(volume(outer)), begin = random.upto(end);
    const auto boxes = flat_to_boxes(outer, begin, end);
    REQUIRE(boxes.size() <= 2 * outer.size.size() - 1);
    std::vector<int64_t> walked;
    for (const Box& box : boxes)
      for (const int64_t i : slow_elements(outer, box)) walked.push_back(i);
    std::vector<int64_t> wanted(static_cast<size_t>(end - begin));
    std::iota(wanted.begin(), wanted.end(), begin);
    REQUIRE(walked == wanted);
  }
}

TEST_CASE("runs name the elements of a box and are as long as possible", "[checkpoint]") {
  Random random;
  for (int trial = 0; trial < 500; ++trial) {
    const Box outer = random.outer(static_cast<size_t>(trial) % 5);
    const Box inner = random.inside(outer);
    std::vector<int64_t> elements;
    for (const Run& run : runs(outer, inner))
      for (int64_t i = 0; i < run.count; ++i) elements.push_back(run.start + i);
    REQUIRE(elements == slow_elements(outer, inner));
  }
  CHECK(runs({{0, 0}, {4, 6}}, {{1, 0}, {2, 6}}) == std::vector<Run>{{6, 12}});
  CHECK(runs({{0, 0, 0}, {2, 3, 4}}, {{0, 1, 1}, {2, 2, 2}}) ==
        std::vector<Run>{{5, 2}, {9, 2}, {17, 2}, {21, 2}});
}

TEST_CASE("copying the common part moves exactly its elements", "[checkpoint]") {
  Random random;
  int met = 0;
  for (int trial = 0; trial < 500; ++trial) {
    const size_t rank = 1 + static_cast<size_t>(trial) % 3;
    const Box from = random.outer(rank), to = random.outer(rank);
    const auto common = intersect(from, to);
    if (!common) continue;
    ++met;
    std::vector<int16_t> src(static_cast<size_t>(volume(from)));
    std::iota(src.begin(), src.end(), int16_t{1});
    std::vector<int16_t> dst(static_cast<size_t>(volume(to)), 0), wanted = dst;
    copy_box(reinterpret_cast<const std::byte*>(src.data()), from,
             reinterpret_cast<std::byte*>(dst.data()), to, *common, sizeof(int16_t));
    const auto a = slow_elements(from, *common), b = slow_elements(to, *common);
    for (size_t i = 0; i < a.size(); ++i)
      wanted[static_cast<size_t>(b[i])] = src[static_cast<size_t>(a[i])];
    REQUIRE(dst == wanted);
  }
  CHECK(met > 100);
}

TEST_CASE("tiling faults are found: hole, overlap, outside, wrong rank", "[checkpoint]") {
  const Shape shape{4, 6};
  using Boxes = std::vector<Box>;
  CHECK(tiling_fault(shape, Boxes{{{0, 0}, {4, 6}}}).empty());
  CHECK(tiling_fault(shape, Boxes{{{2, 0}, {2, 6}}, {{0, 0}, {2, 3}}, {{0, 3}, {2, 3}}}).empty());
  CHECK_FALSE(tiling_fault(shape, Boxes{{{0, 0}, {3, 6}}}).empty());
  CHECK_FALSE(tiling_fault(shape, Boxes{{{0, 0}, {3, 6}}, {{2, 0}, {1, 6}}}).empty());
  CHECK_FALSE(tiling_fault(shape, Boxes{{{0, 0}, {5, 6}}}).empty());
  CHECK_FALSE(tiling_fault(shape, Boxes{{{-1, 0}, {4, 6}}}).empty());
  CHECK_FALSE(tiling_fault(shape, Boxes{{{0}, {24}}}).empty());
  CHECK_FALSE(tiling_fault(shape, Boxes{}).empty());
  CHECK(tiling_fault(Shape{}, Boxes{{{}, {}}}).empty());
  CHECK_FALSE(tiling_fault(Shape{}, Boxes{{{}, {}}, {{}, {}}}).empty());
}

TEST_CASE("parts of a box tile it", "[checkpoint]") {
  const Box box{{3, 2}, {7, 5}};
  for (int count = 1; count <= 9; ++count) {
    int64_t row = 3;
    for (int i = 0; i < count; ++i) {
      const Box part = part_of(box, i, count);
      CHECK(part.offset == std::vector<int64_t>{row, 2});
      CHECK(part.size[0] - 7 / count <= 1);
      row += part.size[0];
    }
    CHECK(row == 10);
  }
  CHECK(volume(part_of({}, 0, 2)) == 1);
  CHECK(volume(part_of({}, 1, 2)) == 0);
}
