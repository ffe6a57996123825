// What happened up to an instant, in order: phases, boot steps, sessions and their files, guests,
// refused system calls, resets, faults; and how often each interrupt arrived.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "harness/record/observer.h"
#include "model/linux/base/cpu_vector.h"

namespace baton::harness {

struct TimelineRow {
  sim::Time time;
  unsigned generation = 0;
  std::string kind;  // "phase", "boot", "session", "file", "guest", "refused", "reset", "fault"
  std::string text;
};

class Timeline final : public RunObserver {
 public:
  // Faults repeat; so many are told.
  static constexpr std::uint64_t kFaultsTold = 16;

  void attach(Watch& watch, const Scenario& scenario) override;
  const std::vector<TimelineRow>& rows() const { return rows_; }

 private:
  void add(unsigned generation, std::string kind, std::string text);
  void subscribe_to_kernels();
  void subscribe_to_guests();
  void subscribe_to_hardware();

  Watch* watch_ = nullptr;
  std::vector<TimelineRow> rows_;
  std::uint64_t faults_ = 0;
};

// Messages that reached a CPU, by who sent them and where they went.
class InterruptCounts final : public RunObserver {
 public:
  struct Count {
    std::uint64_t taken = 0;
    std::uint64_t orphans = 0;  // no kernel had a handler
  };
  void attach(Watch& watch, const Scenario& scenario) override;
  Count of(Bdf source, linux::CpuVector vector) const;

 private:
  std::map<std::pair<Bdf, linux::CpuVector>, Count> counts_;
};

}  // namespace baton::harness
