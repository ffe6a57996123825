// What the tracks of a trace share: the clock, counters that are written once per instant, rates
// over windows of simulated time, lanes for slices that overlap, and the ids of arrows.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string_view>
#include <vector>

#include "harness/trace/perfetto_writer.h"
#include "sim/simulation.h"

namespace baton::harness {

// What an arrow stands for; part of its id.
enum class FlowKind : std::uint8_t { kDescriptor = 1, kInterrupt = 2, kCommand = 3 };

constexpr std::uint64_t flow_id(FlowKind kind, std::uint64_t source, std::uint64_t number) {
  return std::uint64_t{static_cast<std::uint8_t>(kind)} << 56 | source << 40 | number;
}

// Bytes per second, over windows of simulated time.
class Rate {
 public:
  explicit Rate(TrackId track) : track_(track) {}

 private:
  friend class Tracer;
  TrackId track_;
  std::uint64_t bytes_ = 0;
  std::uint64_t last_ = 0;
};

class Tracer {
 public:
  static constexpr sim::Duration kWindow = sim::Duration::milliseconds(1);

  explicit Tracer(const sim::Simulation& simulation, TraceSink sink = {})
      : simulation_(simulation), writer_(std::move(sink)) {}

  TrackId track(std::string_view name, TrackId parent, int rank) {
    return writer_.track(name, parent, rank);
  }
  TrackId counter(std::string_view name, TrackId parent, int rank, CounterUnit unit) {
    return writer_.counter(name, parent, rank, unit);
  }
  Rate& rate(std::string_view name, TrackId parent, int rank);

  void begin(TrackId track, std::string_view name, const TraceArgs& args = {}, Flow flow = {});
  void end(TrackId track, const TraceArgs& args = {});
  void instant(TrackId track, std::string_view name, const TraceArgs& args = {}, Flow flow = {});
  // A slice in place of the one that is open.
  void change(TrackId track, std::string_view name, const TraceArgs& args = {});
  void close(TrackId track, const TraceArgs& args = {});
  bool open(TrackId track) const { return writer_.open(track) != 0; }
  // The last value of an instant is what is written.
  void count(TrackId track, std::int64_t value);
  void add(Rate& rate, std::uint64_t bytes);
  // What was found about an earlier instant; in order of time.
  void finding(TrackId track, sim::Time at, std::string_view name, const TraceArgs& args);

  // The whole trace, if there is no sink.
  std::string finish();

 private:
  // Everything that belongs to earlier instants is written before anything of a later one.
  sim::Time advance() {
    const sim::Time now = simulation_.now();
    if (now > last_) leave(now);
    return now;
  }
  void leave(sim::Time now);
  void write_counters();
  void write_rates(sim::Time until);

  const sim::Simulation& simulation_;
  PerfettoWriter writer_;
  sim::Time last_;
  std::vector<std::pair<TrackId, std::int64_t>> counters_;  // of instant last_, not written yet
  std::deque<Rate> rates_;
  sim::Time window_end_ = sim::Time() + kWindow;
  bool window_used_ = false;
};

// Tracks of one name beside each other, so that slices which overlap never share a track.
class Lanes {
 public:
  Lanes(std::string_view name, TrackId parent, int rank)
      : name_(name), parent_(parent), rank_(rank) {}

  TrackId take(Tracer& tracer);
  void give_back(TrackId track) { free_[track] = true; }

 private:
  std::string name_;
  TrackId parent_;
  int rank_;
  std::map<TrackId, bool> free_;
};

}  // namespace baton::harness
