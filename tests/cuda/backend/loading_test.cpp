#include <catch2/catch.hpp>

#include "echelon/ops/backend.h"

using namespace echelon;

namespace {

/// Runs `body`, wants Error(environment), returns its text.
template <class Body>
std::string environment_error(const Body& body) {
  try {
    body();
  } catch (const Error& e) {
    CHECK(e.code() == ExitCode::environment);
    return e.what();
  }
  FAIL("no error");
  return {};
}

/// Devices, or -1 with the reason in `why`.
int devices(const ops::DeviceBackend& backend, std::string& why) {
  try {
    return backend.count_devices();
  } catch (const Error& e) {
    CHECK(e.code() == ExitCode::environment);
    why = e.what();
    return -1;
  }
}

}  // namespace

TEST_CASE("the CUDA backend loads without a driver and has every op", "[cuda]") {
  const ops::DeviceBackend& backend = ops::load_backend(ECHELON_CUDA_BACKEND);
  CHECK(backend.version == ops::kBackendVersion);
  CHECK(backend.make_allocator != nullptr);
  CHECK(backend.make_stream != nullptr);
  CHECK(backend.copy != nullptr);
  using Any = void (*)();
  const auto* entries = reinterpret_cast<const Any*>(backend.table);
  for (size_t i = 0; i < sizeof(ops::OpTable) / sizeof(Any); ++i) {
    CAPTURE(i);
    CHECK(entries[i] != nullptr);
  }
}

TEST_CASE("without a device the CUDA backend says so and what to do", "[cuda]") {
  std::string why;
  const int count = devices(ops::load_backend(ECHELON_CUDA_BACKEND), why);
  if (count > 0) {
    WARN("this machine has " << count << " devices; the message was not tested");
    CHECK(&ops::cuda_backend() == &ops::load_backend(ECHELON_CUDA_BACKEND));
    return;
  }
  if (count < 0) CHECK_THAT(why, Catch::Contains("wanted a usable driver"));
  const auto text = environment_error([] { ops::cuda_backend(); });
  CHECK_THAT(text, Catch::Contains("device: found cuda"));
  CHECK_THAT(text, Catch::Contains("use device: cpu"));
  CHECK_THAT(environment_error([] {
               ops::table({DeviceKind::cuda, 0});
             }),
             Catch::Contains("device: found cuda"));
}

TEST_CASE("without a device memory and streams are errors of the program, not crashes", "[cuda]") {
  const ops::DeviceBackend& backend = ops::load_backend(ECHELON_CUDA_BACKEND);
  std::string why;
  if (devices(backend, why) > 0) return;
  const auto allocator = backend.make_allocator(0);
  CHECK(allocator->device() == Device{DeviceKind::cuda, 0});
  CHECK_THAT(environment_error([&] { allocator->allocate(64, MemoryCategory::weights); }),
             Catch::Contains("cudaSetDevice"));
  CHECK(allocator->use().total_now == 0);
  CHECK_THAT(environment_error([&] { backend.make_stream(0, {}); }),
             Catch::Contains("cuda_stream.cpp"));
}

TEST_CASE("a file that is no backend is an environment error", "[cuda]") {
  CHECK_THAT(environment_error([] { ops::load_backend("/nowhere/libechelon_cuda.so"); }),
             Catch::Contains("/nowhere/libechelon_cuda.so"));
  CHECK_THAT(environment_error([] { ops::load_backend("libm.so.6"); }),
             Catch::Contains("has no echelon_device_backend"));
}
