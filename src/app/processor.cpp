#include "src/app/processor.h"

#include "echelon/base/error.h"

namespace echelon::app {

void require_processor() {
  const auto need = [](bool present, const char* name) {
    if (!present)
      fail(
          ExitCode::environment, "E4",
          "processor: found no {}, wanted it because this binary was compiled for another machine; "
          "nothing was started; build here, or with -DECHELON_NATIVE=OFF",
          name);
  };
  __builtin_cpu_init();
#ifdef __AVX512F__
  need(__builtin_cpu_supports("avx512f") != 0, "AVX-512");
#endif
#ifdef __AVX512BF16__
  need(__builtin_cpu_supports("avx512bf16") != 0, "AVX-512 BF16");
#endif
#ifdef __AVX2__
  need(__builtin_cpu_supports("avx2") != 0, "AVX2");
#endif
#ifdef __FMA__
  need(__builtin_cpu_supports("fma") != 0, "FMA");
#endif
  need(true, "");
}

}  // namespace echelon::app
