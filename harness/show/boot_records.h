// What each kernel was given, and where the running kernel prepares its own handover.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "harness/record/observer.h"

namespace baton::harness {

class BootRecords final : public RunObserver {
 public:
  void attach(Watch& watch, const Scenario& scenario) override;

  struct Boot {
    unsigned generation = 0;
    sim::Time time;
    host::BootHandoff handoff;
  };
  // In order. From the instant of a jump on, the last one is that of the kernel to come.
  const std::vector<Boot>& boots() const { return boots_; }

  // The root FDT that a handover is told in.
  struct RootFdt {
    PhysAddr address;
    std::uint64_t size = 0;
    unsigned from_generation = 0;  // the kernel that wrote it
  };
  // From the jump to the end of the handover the one that was handed over; else that of the
  // running kernel, once it has one.
  std::optional<RootFdt> root_fdt() const;

 private:
  Watch* watch_ = nullptr;
  std::vector<Boot> boots_;
  std::map<unsigned, PhysAddr> outgoing_;  // by generation
};

}  // namespace baton::harness
