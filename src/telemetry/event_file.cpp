#include "echelon/telemetry/event_file.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>

#include "echelon/base/file.h"

namespace echelon::telemetry::events {

namespace {

template <class T>
std::string little_endian(T value) {
  static_assert(std::endian::native == std::endian::little);
  std::string out(sizeof value, '\0');
  std::memcpy(out.data(), &value, sizeof value);
  return out;
}

uint32_t masked_crc(std::string_view data) {
  const uint32_t crc = crc32c(std::as_bytes(std::span(data.data(), data.size())));
  return std::rotr(crc, 15) + 0xA282EAD8u;
}

// Protobuf wire format: fields by number; zero numbers are left out, as protobuf does.
std::string varint(uint64_t n) {
  std::string out;
  for (; n > 127; n >>= 7) out += static_cast<char>(n | 128);
  return out + static_cast<char>(n);
}
std::string whole(uint32_t field, uint64_t v) { return v ? varint(field << 3) + varint(v) : ""; }
std::string real(uint32_t field, double v) { return varint(field << 3 | 1) + little_endian(v); }
std::string real(uint32_t field, float v) { return varint(field << 3 | 5) + little_endian(v); }
std::string bytes(uint32_t field, std::string_view data) {
  return varint(field << 3 | 2) + varint(data.size()) + std::string(data);
}

enum : uint32_t { kDouble = 2, kString = 7, kFloat = 1 };  // tensorflow::DataType

std::string event(double wall_time, int64_t step, const std::string& body) {
  return real(1, wall_time) + whole(2, static_cast<uint64_t>(step)) + body;
}
std::string plugin(std::string_view name, std::string_view content, uint32_t data_class) {
  std::string data = bytes(1, name);
  if (!content.empty()) data += bytes(2, content);
  return bytes(9, bytes(1, data) + whole(4, data_class));
}
std::string tensor(uint32_t dtype, const std::vector<uint64_t>& dims, const std::string& body) {
  std::string shape;
  for (const uint64_t d : dims) shape += bytes(2, whole(1, d));
  return bytes(8, whole(1, dtype) + bytes(2, shape) + body);
}
std::string hparam_value(const std::string& text) {
  if (text == "true" || text == "false") return varint(4 << 3) + varint(text == "true");
  double number = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), number);
  if (end.ec == std::errc{} && end.ptr == text.data() + text.size()) return real(2, number);
  return bytes(3, text);
}

}  // namespace

std::string record(std::string_view data) {
  const std::string length = little_endian(static_cast<uint64_t>(data.size()));
  return length + little_endian(masked_crc(length)) + std::string(data) +
         little_endian(masked_crc(data));
}

std::string first_event(double wall_time) { return event(wall_time, 0, bytes(3, "brain.Event:2")); }

std::string session_start(double wall_time, int64_t step) {
  return event(wall_time, step, bytes(7, whole(1, 1)));
}

std::string summary(double wall_time, int64_t step, const std::vector<std::string>& values) {
  std::string body;
  for (const std::string& value : values) body += bytes(1, value);
  return event(wall_time, step, bytes(5, body));
}

std::string scalar(std::string_view tag, float value) { return bytes(1, tag) + real(2, value); }

std::string text(std::string_view tag, const std::vector<std::string>& strings) {
  std::string body;
  for (const std::string& s : strings) body += bytes(8, s);
  return bytes(1, tag) + plugin("text", "", 2) + tensor(kString, {strings.size()}, body);
}

std::string histogram(std::string_view tag, const std::vector<Bucket>& buckets) {
  std::string content;
  for (const Bucket& b : buckets)
    content += little_endian(b.left) + little_endian(b.right) + little_endian(b.count);
  return bytes(1, tag) + plugin("histograms", "", 2) +
         tensor(kDouble, {buckets.size(), 3}, bytes(4, content));
}

std::string hparams_start(std::string_view group, double start, Facts values) {
  std::sort(values.begin(), values.end());
  std::string info;
  for (const auto& [key, value] : values)
    info += bytes(1, bytes(1, key) + bytes(2, hparam_value(value)));
  info += bytes(4, group) + real(5, start);
  return bytes(1, "_hparams_/session_start_info") + plugin("hparams", bytes(3, info), 0) +
         tensor(kFloat, {0}, "");
}

std::string hparams_end(bool success, double end) {
  return bytes(1, "_hparams_/session_end_info") +
         plugin("hparams", bytes(4, whole(1, success ? 1 : 2) + real(2, end)), 0) +
         tensor(kFloat, {0}, "");
}

}  // namespace echelon::telemetry::events
