// One group of tracks per kernel generation: its life, the parts of its boot, calls that failed,
// what user space met, LUO's sessions and files by state, the memory that KHO was given and gave
// back, and the interrupts that it handled.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "harness/invariants/watch.h"
#include "harness/scenario/scenario.h"
#include "harness/trace/tracer.h"

namespace baton::harness {

class KernelTracks {
 public:
  // Kernels take the places from `rank` on, one each.
  KernelTracks(Tracer& tracer, Watch& watch, const Scenario& scenario, TrackId root, int rank);
  KernelTracks(const KernelTracks&) = delete;
  KernelTracks& operator=(const KernelTracks&) = delete;

  // The end of an interrupt's way: its kernel's handler.
  void handle_interrupt(unsigned generation, Vector vector, bool handled, Flow flow);

 private:
  struct Session {
    TrackId track;
    std::map<std::uint64_t, TrackId> files;  // by token
  };
  struct Kernel {
    TrackId group;
    TrackId boot;
    TrackId calls;
    TrackId user;
    TrackId luo;
    TrackId handlers;
    TrackId preserved;
    TrackId restored;
    std::int64_t preserved_bytes = 0;
    std::int64_t restored_bytes = 0;
    std::map<std::string, Session, std::less<>> sessions;
  };

  void subscribe_to_life(sim::Simulation& simulation);
  void subscribe_to_calls(sim::Simulation& simulation);
  void subscribe_to_luo(sim::Simulation& simulation);
  Kernel& kernel(unsigned generation);
  Session& session(Kernel& kernel, std::string_view name);
  void die(unsigned generation, std::string_view how);
  void on_pages(const linux::LedgerEntry& seen);

  Tracer& tracer_;
  const Scenario& scenario_;
  TrackId root_;
  int rank_;
  std::map<unsigned, Kernel> kernels_;
};

}  // namespace baton::harness
