#include <catch2/catch.hpp>

#include <cmath>
#include <limits>
#include <map>

#include "echelon/base/philox.h"
#include "src/config/scalars.h"
#include "tests/support/golden.h"
#include "tests/unit/config/sample.h"

using namespace echelon;
using namespace echelon::config;
using namespace echelon::config::test;

namespace {

Key key_of(const std::string& type) {
  const std::map<std::string, Kind> kinds = {{"bool", Kind::boolean}, {"int", Kind::integer},
                                             {"float", Kind::real},   {"size", Kind::size},
                                             {"count", Kind::count},  {"duration", Kind::duration}};
  Key key;
  key.path = "a.b";
  key.kind = kinds.at(type);
  return key;
}

bool equals(const Value& value, const nlohmann::json& want) {
  if (const bool* v = std::get_if<bool>(&value)) return want.is_boolean() && *v == want;
  if (const int64_t* v = std::get_if<int64_t>(&value)) return *v == want.get<int64_t>();
  const double* v = std::get_if<double>(&value);
  return v && *v == want.get<double>() && std::signbit(*v) == std::signbit(want.get<double>());
}

std::string refusal(const Key& key, const std::string& text) {
  try {
    static_cast<void>(parse_scalar(key, text));
  } catch (const Refused& e) {
    return e.id;
  }
  return "accepted";
}

}  // namespace

TEST_CASE("every good spelling of the table is read to the reference value", "[config]") {
  const auto table = echelon::test::golden_case("config_scalars", "scalars");
  REQUIRE(table.at("good").size() > 30);
  for (const auto& row : table.at("good")) {
    const Key key = key_of(row[0]);
    INFO(row.dump());
    CHECK(equals(parse_scalar(key, row[1].get<std::string>()), row[2]));
  }
}

TEST_CASE("every bad spelling of the table is refused", "[config]") {
  const auto table = echelon::test::golden_case("config_scalars", "scalars");
  REQUIRE(table.at("bad").size() > 100);
  for (const auto& row : table.at("bad")) {
    INFO(row.dump());
    CHECK(refusal(key_of(row[0]), row[1]) != "accepted");
  }
}

TEST_CASE("forty surprising spellings are values of no numeric or boolean kind", "[config]") {
  const char* surprises[] = {
      "010",    "0x10", "0o10",  "0b10", "yes",   "no",       "on",    "off",   "y",      "n",
      "True",   "TRUE", "False", "~",    "null",  "",         "1_000", "+1",    "+1.5",   ".5",
      "5.",     ".nan", ".NaN",  ".inf", "-.inf", "nan",      "inf",   "1e999", "-1e999", "1e-999",
      "4e-324", "1e",   "1e+",   "--1",  "1:30",  "12:30:45", "1,5",   " 1",    "1 ",     "1.0.0"};
  for (const char* text : surprises)
    for (const char* type : {"bool", "int", "float", "size", "count", "duration"}) {
      INFO(type << " '" << text << "'");
      CHECK(refusal(key_of(type), text) != "accepted");
    }
}

TEST_CASE("not-a-number, infinity and denormals are refused as such", "[config]") {
  for (const char* text : {".nan", ".inf", "-.inf", "1e999", "1e-999", "4e-324", "-1e-310"})
    CHECK(refusal(key_of("float"), text) == "C12");
  CHECK(refusal(key_of("float"), "0e-999") == "accepted");
}

TEST_CASE("zero, negative and huge numbers are refused where a positive one is needed",
          "[config]") {
  Key key = key_of("int");
  key.ints = {1, 4096};
  CHECK(refusal(key, "0") == "C10");
  CHECK(refusal(key, "-1") == "C10");
  CHECK(refusal(key, "-9223372036854775808") == "C10");
  CHECK(refusal(key, "2147483648") == "C10");
  CHECK(refusal(key, "9223372036854775808") == "C11");
  CHECK(refusal(key_of("size"), "9000000TiB") == "C11");
  CHECK(refusal(key_of("size"), "-1") == "C10");
  CHECK(refusal(key, "4096") == "accepted");
}

TEST_CASE("words are matched exactly and a near one is suggested", "[config]") {
  Key key;
  key.kind = Kind::word;
  key.words = {"gelu", "gelu_tanh", "swiglu"};
  CHECK(std::get<std::string>(parse_scalar(key, "swiglu")) == "swiglu");
  try {
    static_cast<void>(parse_scalar(key, "swigl"));
    FAIL("accepted");
  } catch (const Refused& e) {
    CHECK(e.why == "one of gelu, gelu_tanh, swiglu; did you mean 'swiglu'?");
  }
  CHECK(refusal(key, "GELU") == "C2");
}

TEST_CASE("texts are taken as written, without control characters", "[config]") {
  Key key;
  key.kind = Kind::text;
  for (const char* text : {"010", "yes", "", "a b", "\xc3\xa9", "~x"})
    CHECK(std::get<std::string>(parse_scalar(key, text)) == text);
  for (const char* text : {"\x1b[31m", "a\nb", "\x7f", "\xc2\x85", "\xff", "a\xc3"})
    CHECK(refusal(key, text) == "C18");
}

TEST_CASE("paths with shell shorthands are refused because nothing expands them", "[config]") {
  Key key;
  key.kind = Kind::path;
  for (const char* text : {"~/runs", "~", "$HOME/x", "a/$USER"}) CHECK(refusal(key, text) == "C19");
  CHECK(refusal(key, "runs/a~b") == "accepted");
}

TEST_CASE("spelled values are read back exactly", "[config]") {
  const Philox rng{7, make_stream(Draw::test, 0, 0, 0)};
  for (uint64_t i = 0; i < 2000; ++i) {
    const auto bits = (uint64_t{rng.u32(2 * i)} << 32) | rng.u32(2 * i + 1);
    double real;
    std::memcpy(&real, &bits, sizeof real);
    if (std::isnormal(real)) {
      const std::string text = spelled(real, Kind::real);
      INFO(text);
      CHECK(std::get<double>(parse_scalar(key_of("float"), text)) == real);
    }
    const double seconds = i % 2 ? static_cast<double>(bits % 10'000'000) : std::abs(real);
    if (std::isnormal(seconds) && seconds < 1e12 && seconds > 1e-12) {
      const std::string text = spelled(seconds, Kind::duration);
      INFO(text);
      CHECK(std::get<double>(parse_scalar(key_of("duration"), text)) == seconds);
    }
    const auto whole =
        static_cast<int64_t>((bits >> 1) >> (bits % 60)) << (rng.u32(i) % 2 * 10) >> 1;
    const int64_t amount = std::abs(whole);
    for (const auto& [type, kind] : {std::pair{"size", Kind::size}, {"count", Kind::count}})
      CHECK(std::get<int64_t>(parse_scalar(key_of(type), spelled(amount, kind))) == amount);
  }
  CHECK(spelled(int64_t{80} << 30, Kind::size) == "80GiB");
  CHECK(spelled(int64_t{1500000000}, Kind::count) == "1500M");
  CHECK(spelled(5400.0, Kind::duration) == "1h30m");
  CHECK(spelled(0.25, Kind::duration) == "0.25s");
}
