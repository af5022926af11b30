#include "echelon/telemetry/timeline.h"

#include <nlohmann/json.hpp>

#include "echelon/base/file.h"

namespace echelon::telemetry {

Timeline::Timeline(int rank, size_t most_slices) : rank_(rank), most_(most_slices) {}

int64_t Timeline::now() const {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() -
                                                              origin_)
      .count();
}

Timeline::Track& Timeline::here() {
  const auto [it, fresh] = tracks_.try_emplace(std::this_thread::get_id());
  if (fresh) it->second.number = static_cast<int>(tracks_.size()) - 1;
  return it->second;
}

void Timeline::begin(std::string_view name, std::string_view category, int64_t payload) {
  const std::lock_guard lock(mutex_);
  Track& track = here();
  if (!recording_ || track.ignored > 0) {
    // What is inside a scope that is not recorded would lack its parent: left out as well.
    ++track.ignored;
    return;
  }
  track.open.push_back({std::string(name), std::string(category), payload, track.number, now(), 0});
}

void Timeline::end() {
  const std::lock_guard lock(mutex_);
  Track& track = here();
  if (track.ignored > 0) {
    --track.ignored;
    return;
  }
  if (track.open.empty()) return;
  Slice slice = std::move(track.open.back());
  track.open.pop_back();
  if (!recording_) return;
  slice.duration_ns = now() - slice.begin_ns;
  if (done_.size() < most_)
    done_.push_back(std::move(slice));
  else
    ++dropped_;
}

void Timeline::start() {
  const std::lock_guard lock(mutex_);
  if (done_.empty()) origin_ = std::chrono::steady_clock::now();
  recording_ = true;
}

void Timeline::stop() {
  const std::lock_guard lock(mutex_);
  recording_ = false;
}

size_t Timeline::slices() const {
  const std::lock_guard lock(mutex_);
  return done_.size();
}

std::string Timeline::json() const {
  const std::lock_guard lock(mutex_);
  auto events = nlohmann::ordered_json::array();
  const auto meta = [&](const char* name, int track, nlohmann::ordered_json args) {
    events.push_back(
        {{"ph", "M"}, {"pid", rank_}, {"tid", track}, {"name", name}, {"args", std::move(args)}});
  };
  meta("process_name", 0, {{"name", fmt::format("rank {}", rank_)}});
  meta("process_sort_index", 0, {{"sort_index", rank_}});
  for (const auto& [id, track] : tracks_) {
    meta("thread_name", track.number,
         {{"name", track.number == 0 ? "compute" : fmt::format("thread {}", track.number)}});
    meta("thread_sort_index", track.number, {{"sort_index", track.number}});
  }
  for (const Slice& s : done_)
    events.push_back({{"ph", "X"},
                      {"pid", rank_},
                      {"tid", s.track},
                      {"ts", static_cast<double>(s.begin_ns) / 1e3 + offset_ * 1e6},
                      {"dur", static_cast<double>(s.duration_ns) / 1e3},
                      {"name", s.name},
                      {"cat", s.category},
                      {"args", {{"payload", s.payload}}}});
  const nlohmann::ordered_json document = {
      {"traceEvents", std::move(events)},
      {"displayTimeUnit", "ms"},
      {"otherData",
       {{"rank", rank_}, {"clock_offset_seconds", offset_}, {"slices_left_out", dropped_}}}};
  return document.dump() + "\n";
}

void Timeline::write(const std::filesystem::path& path) const {
  write_file_atomically(path, json());
}

}  // namespace echelon::telemetry
