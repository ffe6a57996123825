// Tracks "handover", "guests" and "invariants": phases as slices, each guest's running and pausing,
// how many are paused, and what the checkers found.
#pragma once

#include <map>
#include <string>

#include "harness/invariants/watch.h"
#include "harness/trace/tracer.h"

namespace baton::harness {

class HandoverTracks {
 public:
  HandoverTracks(Tracer& tracer, Watch& watch, TrackId root);
  HandoverTracks(const HandoverTracks&) = delete;
  HandoverTracks& operator=(const HandoverTracks&) = delete;

  void finish();

 private:
  struct Guest {
    TrackId track;
    bool paused = false;
    sim::Time since;
  };

  void subscribe_to_phases(sim::Simulation& simulation);
  void subscribe_to_guests(sim::Simulation& simulation);
  void enter(unsigned generation, std::string_view name);
  Guest& guest(std::string_view name);
  void show(std::string_view name, std::string_view state, unsigned generation, bool paused);
  void stop(std::string_view name, std::string_view how);

  Tracer& tracer_;
  Watch& watch_;
  TrackId handover_;
  TrackId guests_;
  TrackId paused_;
  TrackId invariants_;
  std::map<std::string, Guest, std::less<>> by_name_;
};

}  // namespace baton::harness
