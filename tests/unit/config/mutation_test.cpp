#include <catch2/catch.hpp>

#include "echelon/base/philox.h"
#include "echelon/base/text.h"
#include "echelon/config/tools.h"
#include "tests/unit/config/sample.h"

using namespace echelon;
using namespace echelon::config;
using namespace echelon::config::test;

namespace {

const std::string_view kSeeds[] = {
    "model:\n  num_layers: 24  # blocks\n  activation: swiglu\nlr: 3e-4\ntrain: {exit_after: "
    "1h30m}\n",
    "data:\n  weights: [0.5, 1]\n  names: ['a', \"b c\"]\n  note: |\n    x\n",
    "checkpoint: {save: \"${data.note}/$${x}\", writer: {async_save: false}}\ndevice_limit: "
    "80GiB\n",
    "a: &x [1]\nb: *x\nc: !t d\n? e\n: f\n--- \n"};
const std::string_view kPieces[] = {"\n", ": ",   "- ",    "[",    "]",       "{",  "}",  "&a ",
                                    "*a", "!!s ", "|",     "\"",   "'",       "#",  "\t", "~",
                                    "${", "<<",   "---\n", "\xff", {"\0", 1}, "? ", ",",  "  "};

class Mutator {
 public:
  explicit Mutator(uint64_t seed) : rng_{seed, make_stream(Draw::test, 0, 0, 2)} {}

  std::string operator()() {
    std::string text(kSeeds[below(std::size(kSeeds))]);
    for (size_t n = 1 + below(4); n > 0; --n) {
      const size_t at = below(text.size() + 1);
      switch (below(4)) {
        case 0: text.insert(at, kPieces[below(std::size(kPieces))]); break;
        case 1: text.erase(at, below(6)); break;
        case 2: text.resize(at); break;
        default: text.insert(at, text.substr(below(text.size() + 1), below(30)));
      }
    }
    return text;
  }

 private:
  size_t below(size_t n) { return rng_.below(draw_++, static_cast<uint32_t>(n)); }
  Philox rng_;
  uint64_t draw_ = 0;
};

}  // namespace

TEST_CASE("a damaged file is read or refused with a clean message, and what is read can be written",
          "[config]") {
  const uint64_t seed = 20261121;
  CAPTURE(seed);
  Mutator mutate(seed);
  int read = 0, refused = 0;
  for (int round = 0; round < 4000; ++round) {
    const std::string text = mutate();
    try {
      Settings settings;
      from_text(text, {}, &settings);
      ++read;
      Settings again;
      from_text(resolved_yaml(settings), {}, &again);
      if (!diff(settings, again).empty()) FAIL_CHECK("changed by writing: " << text);
    } catch (const Error& e) {
      ++refused;
      const std::string what = e.what();
      const bool clean = e.code() == ExitCode::config && !e.id().empty() && what.size() < 10'000 &&
                         text::escaped(text::join(text::split(what, '\n'), " "), 1 << 20) ==
                             text::join(text::split(what, '\n'), " ");
      if (!clean) FAIL_CHECK(text << "\n -> " << what);
    }
  }
  CHECK(read > 100);
  CHECK(refused > 1000);
}
