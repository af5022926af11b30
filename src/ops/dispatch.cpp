#include "echelon/base/error.h"
#include "echelon/ops/table.h"

namespace echelon::ops {

const OpTable& table(Device device) {
  if (device.kind == DeviceKind::cpu) return cpu_table();
  fail(
      ExitCode::environment, "",
      "{}: found a tensor on this device, wanted cpu: this program has no CUDA backend or found no "
      "device; nothing was computed; use device: cpu, or build with CUDA on a machine with a GPU",
      to_string(device));
}

}  // namespace echelon::ops
