#include <catch2/catch.hpp>

#include "echelon/base/file.h"
#include "echelon/base/text.h"

using namespace echelon;

TEST_CASE("edit distance counts swaps of neighbours as one", "[base]") {
  CHECK(text::edit_distance("num_layer", "num_layers") == 1);
  CHECK(text::edit_distance("laod", "load") == 1);
  CHECK(text::edit_distance("", "abc") == 3);
}

TEST_CASE("the nearest name is found within a quarter of the length", "[base]") {
  const std::vector<std::string> known = {"hidden_size", "num_layers", "seq_length"};
  CHECK(text::nearest("num_layer", known) == "num_layers");
  CHECK_FALSE(text::nearest("zzzzzz", known).has_value());
}

TEST_CASE("text from files is escaped and cut", "[base]") {
  CHECK(text::escaped("a\x1b[31m\xff\xc3\xa9") == "a\\x1b[31m\\xff\xc3\xa9");
  CHECK(text::escaped(std::string(300, 'x')).size() == 203);
}

TEST_CASE("quantities are written with units", "[base]") {
  CHECK(text::bytes(1500) == "1.50 kB");
  CHECK(text::count(124e6) == "124M");
  CHECK(text::duration(125) == "2m 05s");
  CHECK(text::duration(0.84) == "0.84s");
}

TEST_CASE("digests give their published check values", "[base]") {
  const std::string digits = "123456789";
  CHECK(crc32c(std::as_bytes(std::span(digits))) == 0xE3069283u);
  CHECK(crc32c(std::as_bytes(std::span(digits).subspan(4)),
               crc32c(std::as_bytes(std::span(digits).first(4)))) == 0xE3069283u);
  const std::string abc = "abc", long_text(1000000, 'a');
  CHECK(sha256_hex(std::as_bytes(std::span(abc))) ==
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(sha256_hex(std::as_bytes(std::span(long_text))) ==
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}
