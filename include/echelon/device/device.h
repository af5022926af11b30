#pragma once
#include <cstddef>
#include <string>

namespace echelon {

enum class DeviceKind { cpu, cuda };

struct Device {
  DeviceKind kind = DeviceKind::cpu;
  int index = 0;
  bool operator==(const Device&) const = default;
};

std::string to_string(Device device);  ///< "cpu", "cuda:0"

/// Cores this process may run on: the affinity mask cut by the cgroup's CPU quota.
int usable_cores();
/// Resident set of this process now and at its highest, in bytes (0 where /proc is absent).
size_t resident_bytes();
size_t peak_resident_bytes();

}  // namespace echelon
