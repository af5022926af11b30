// Says first whether anything will be tested: without a device every case ends at once.
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>

#include <iostream>

#include "gpu_test.h"

namespace echelon::test {

std::string no_device() {
  try {
    ops::cuda_backend();
    return {};
  } catch (const Error& e) {
    return e.what();
  }
}

}  // namespace echelon::test

int main(int argc, char** argv) {
  const std::string reason = echelon::test::no_device();
  if (!reason.empty()) {
    std::cout << "SKIPPED: " << reason << '\n';
    return 0;
  }
  return Catch::Session().run(argc, argv);
}
