// Every kind x operation x element type x size x in place or not x memory, judged by arithmetic.
#include <catch2/catch.hpp>

#include "tests/comm/values.h"

using namespace echelon;
using namespace echelon::test;
using comm::Communicator;
using comm::ReduceOp;

namespace {

constexpr int64_t kSizes[] = {1, 7, 1000, 100003};

/// f.operator()<T>(world, stream, count, memory) for every combination.
template <class F>
void for_each_case(F f) {
  for_each_world_kind([&](Communicator& world) {
    const auto stream = make_inline_stream();
    for_each_type([&]<class T>() {
      for (const int64_t count : kSizes)
        for (const Memory memory : {Memory::ordinary, Memory::symmetric})
          f.template operator()<T>(world, *stream, count, memory);
    });
  });
}

}  // namespace

TEST_CASE("all_reduce gives every rank the sum, the largest, the smallest", "[comm]") {
  for_each_case([]<class T>(Communicator& w, Stream& stream, int64_t count, Memory memory) {
    const Tensor data = make<T>(w, count, memory);
    for (const ReduceOp op : {ReduceOp::sum, ReduceOp::max, ReduceOp::min}) {
      fill_with<T>(data, [&](int64_t i) { return held(w.rank(), i); });
      w.all_reduce(data, op, stream).wait();
      expect_values<T>(
          data, [&](int64_t i) { return reduced(w.size(), i, op); }, "all_reduce");
    }
  });
}

TEST_CASE("reduce_scatter gives every rank its part of the reduction", "[comm]") {
  for_each_case([]<class T>(Communicator& w, Stream& stream, int64_t count, Memory memory) {
    const Tensor src = make<T>(w, count * w.size(), memory);
    const Tensor apart = make<T>(w, count, Memory::ordinary);
    const Tensor inside = src.flat(w.rank() * count, (w.rank() + 1) * count);
    for (const Tensor& dst : {apart, inside})
      for (const ReduceOp op : {ReduceOp::sum, ReduceOp::max}) {
        fill_with<T>(src, [&](int64_t i) { return held(w.rank(), i); });
        w.reduce_scatter(src, dst, op, stream).wait();
        expect_values<T>(
            dst, [&](int64_t i) { return reduced(w.size(), w.rank() * count + i, op); },
            "reduce_scatter");
      }
  });
}

TEST_CASE("all_gather puts the parts in rank order", "[comm]") {
  for_each_case([]<class T>(Communicator& w, Stream& stream, int64_t count, Memory memory) {
    const Tensor dst = make<T>(w, count * w.size(), memory);
    const Tensor apart = make<T>(w, count, memory);
    const Tensor inside = dst.flat(w.rank() * count, (w.rank() + 1) * count);
    for (const Tensor& src : {apart, inside}) {
      fill_with<T>(dst, [](int64_t) { return 99; });
      fill_with<T>(src, [&](int64_t i) { return held(w.rank(), i); });
      w.all_gather(src, dst, stream).wait();
      expect_values<T>(
          dst, [&](int64_t i) { return held(static_cast<int>(i / count), i % count); },
          "all_gather");
    }
  });
}

TEST_CASE("all_to_all transposes parts and ranks", "[comm]") {
  for_each_case([]<class T>(Communicator& w, Stream& stream, int64_t count, Memory memory) {
    const Tensor src = make<T>(w, count * w.size(), memory);
    const Tensor dst = make<T>(w, count * w.size(), Memory::ordinary);
    fill_with<T>(src, [&](int64_t i) { return held(w.rank(), i); });
    w.all_to_all(src, dst, stream).wait();
    expect_values<T>(
        dst,
        [&](int64_t i) { return held(static_cast<int>(i / count), w.rank() * count + i % count); },
        "all_to_all");
  });
}

TEST_CASE("broadcast copies from every possible root", "[comm]") {
  for_each_case([]<class T>(Communicator& w, Stream& stream, int64_t count, Memory memory) {
    const Tensor data = make<T>(w, count, memory);
    for (int root = 0; root < w.size(); ++root) {
      fill_with<T>(data, [&](int64_t i) { return held(w.rank(), i); });
      w.broadcast(data, root, stream).wait();
      expect_values<T>(
          data, [&](int64_t i) { return held(root, i); }, "broadcast");
    }
  });
}

TEST_CASE("reduce_scatter then all_gather equals all_reduce, bit for bit", "[comm]") {
  for_each_world_kind([](Communicator& w) {
    const auto stream = make_inline_stream();
    const int64_t part = 40009, count = part * w.size();
    for (const Memory memory : {Memory::ordinary, Memory::symmetric}) {
      const Tensor a = make<float>(w, count, memory), b = make<float>(w, count, memory);
      for (int64_t i = 0; i < count; ++i)
        a.data<float>()[i] = b.data<float>()[i] = 1.0f / static_cast<float>(1 + i + 31 * w.rank());
      w.all_reduce(a, ReduceOp::sum, *stream).wait();
      const Tensor mine = b.flat(w.rank() * part, (w.rank() + 1) * part);
      w.reduce_scatter(b, mine, ReduceOp::sum, *stream).wait();
      w.all_gather(mine, b, *stream).wait();
      expect(std::memcmp(a.raw(), b.raw(), a.bytes()) == 0, "same bits");
    }
  });
}

namespace {

/// A value with many digits, another one for every rank.
float digits(int rank, int64_t i) {
  return std::ldexp(
             1.0f + 0.37f * static_cast<float>((i * 2654435761LL + rank * 40503) % 9973) / 9973.0f,
             static_cast<int>((i + rank) % 9)) *
         (i % 3 == 0 ? -1.0f : 1.0f);
}

template <class T>
void expect_rank_order(Communicator& w, int64_t count, Memory memory) {
  const auto stream = make_inline_stream();
  const Tensor data = make<T>(w, count, memory);
  for (int64_t i = 0; i < count; ++i) data.data<T>()[i] = T(digits(w.rank(), i));
  w.all_reduce(data, ReduceOp::sum, *stream).wait();
  for (int64_t i = 0; i < count; ++i) {
    auto sum = static_cast<float>(T(digits(0, i)));
    for (int r = 1; r < w.size(); ++r) sum += static_cast<float>(T(digits(r, i)));
    const T wanted(sum);
    expect(std::memcmp(&wanted, &data.data<T>()[i], sizeof(T)) == 0,
           fmt::format("{} of {}: {} is not the sum in rank order", i, count,
                       static_cast<float>(data.data<T>()[i])));
  }
}

}  // namespace

TEST_CASE("sums are taken in f32 in rank order and rounded once, in every kind", "[comm]") {
  for_each_world_kind([](Communicator& w) {
    for (const int64_t count : {3, 4000, 40001})
      for (const Memory memory : {Memory::ordinary, Memory::symmetric}) {
        expect_rank_order<float>(w, count, memory);
        expect_rank_order<bf16>(w, count, memory);
        expect_rank_order<f16>(w, count, memory);
      }
  });
}

TEST_CASE("max and min of a NaN are NaN on every rank", "[comm]") {
  for_each_world_kind([](Communicator& w) {
    const auto stream = make_inline_stream();
    const Tensor data = make<float>(w, 5, Memory::ordinary);
    for (const ReduceOp op : {ReduceOp::max, ReduceOp::min})
      for (int bad = 0; bad < w.size(); ++bad) {
        fill_with<float>(data, [&](int64_t) { return w.rank(); });
        if (w.rank() == bad) data.data<float>()[2] = NAN;
        w.all_reduce(data, op, *stream).wait();
        expect(std::isnan(data.data<float>()[2]), "NaN survives");
        expect(data.data<float>()[1] == static_cast<float>(op == ReduceOp::max ? w.size() - 1 : 0),
               "neighbours are unharmed");
      }
  });
}

TEST_CASE("calls follow each other on slots that are used again, and of changing sizes", "[comm]") {
  for_each_world_kind([](Communicator& w) {
    const auto stream = make_inline_stream();
    for (int round = 0; round < 60; ++round) {
      const int64_t count = 1 + (round * 7919) % 5000;
      const Tensor data = make<int32_t>(w, count, Memory::ordinary);
      fill_with<int32_t>(data, [&](int64_t i) { return held(w.rank(), i + round); });
      w.all_reduce(data, ReduceOp::sum, *stream).wait();
      expect_values<int32_t>(
          data, [&](int64_t i) { return reduced(w.size(), i + round, ReduceOp::sum); }, "round");
      w.broadcast(data.flat(0, 1), round % w.size(), *stream).wait();
    }
  });
}
