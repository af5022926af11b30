#pragma once
// TensorBoard event files: records with masked CRC-32C around protobuf messages, encoded here
// (TFRecord and tensorflow/core/util/event.proto). Functions return encoded bytes.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "echelon/telemetry/metrics.h"

namespace echelon::telemetry::events {

/// Length, its checksum, data, its checksum.
std::string record(std::string_view data);

std::string first_event(double wall_time);  ///< file version
std::string session_start(double wall_time,
                          int64_t step);  ///< readers drop later steps of older files
/// `values` are encoded values (below), one or more.
std::string summary(double wall_time, int64_t step, const std::vector<std::string>& values);

std::string scalar(std::string_view tag, float value);
std::string text(std::string_view tag, const std::vector<std::string>& strings);
struct Bucket {
  double left, right, count;
};
std::string histogram(std::string_view tag, const std::vector<Bucket>& buckets);
/// `values` as numbers where they read as numbers, true and false as booleans, else as text.
std::string hparams_start(std::string_view group, double start, Facts values);
std::string hparams_end(bool success, double end);

}  // namespace echelon::telemetry::events
