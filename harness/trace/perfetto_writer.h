// Writes Perfetto's native trace format [proto/perfetto.proto; perfetto
// docs/reference/synthetic-track-event]: tracks, slices, instants, counters, flows.
//
// Guarantees: every event's track has a descriptor before it; timestamps never decrease within a
// sequence; slices of a track nest, and all are closed by finish(). Times are simulated: the
// viewer's nanoseconds are floors of picoseconds, and each event carries the exact picosecond and
// its number in the order of the simulation, so that events of one nanosecond keep their order.
//
// Tracks have small numbers for ids, so two traces cannot be made one by putting their bytes
// together.
//
// The only file of the program that knows the format is perfetto_writer.cc; the tests read with the
// decoder that is generated from the schema.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "harness/trace/trace_block.h"
#include "sim/time.h"

namespace baton::harness {

struct TrackId {
  std::uint64_t uuid = 0;  // 0: no parent
  friend auto operator<=>(TrackId, TrackId) = default;
};

struct Hex {
  std::uint64_t value = 0;
};

// A fact of an event; the name is a static text. A text as value is only looked at: facts live as
// long as the expression that they are written in, or the variable of type TraceArgs.
struct TraceArg {
  std::string_view name;
  std::variant<bool, std::uint64_t, std::int64_t, Hex, std::string_view> value;
};
using TraceArgs = std::initializer_list<TraceArg>;

// An arrow between events: all with the same id, in order of time, the last one ends it.
struct Flow {
  std::uint64_t id = 0;  // 0: none
  bool ends = false;
};

// Events of one sequence must come in order of time; what the checkers found is known only when the
// run is over, and has a sequence of its own.
enum class TraceSequence : std::uint32_t { kRun = 1, kFindings = 2 };

enum class CounterUnit { kCount, kBytes, kBytesPerSecond };

class PerfettoWriter {
 public:
  explicit PerfettoWriter(TraceSink sink = {});
  ~PerfettoWriter();
  PerfettoWriter(const PerfettoWriter&) = delete;
  PerfettoWriter& operator=(const PerfettoWriter&) = delete;

  // A track below `parent`, at place `rank` among its siblings. Lanes of one row have one name, one
  // parent and one rank.
  TrackId track(std::string_view name, TrackId parent, int rank);
  TrackId counter(std::string_view name, TrackId parent, int rank, CounterUnit unit);

  void begin(TrackId track, sim::Time at, std::string_view name, const TraceArgs& facts = {},
             Flow flow = {});
  // Ends the innermost slice that is open.
  void end(TrackId track, sim::Time at, const TraceArgs& facts = {});
  void instant(TrackId track, sim::Time at, std::string_view name, const TraceArgs& facts = {},
               Flow flow = {}, TraceSequence sequence = TraceSequence::kRun);
  void count(TrackId track, sim::Time at, std::int64_t value);

  // Slices of the track that are open.
  unsigned open(TrackId track) const;

  // Closes what is open and gives away the last bytes; returns all of them if there is no sink.
  std::string finish(sim::Time at);

 private:
  class Encoder;

  TrackId add(TrackId track);

  std::unique_ptr<Encoder> encoder_;
  std::vector<unsigned> open_;  // slices of each track, by its number
};

}  // namespace baton::harness
