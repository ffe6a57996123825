// A CPU core that stays in guest mode while there is no kernel: a vCPU on a core of its own, whose
// second-level translation was fixed before the jump, so that it needs no kernel to go on. Design
// target; no upstream series does it.
//
// What it runs is one loop: write a counter to a word of a device's BAR, read it back. Its accesses
// go where the BAR, the windows and the memory decodes are at that instant; where its translation
// leads was decided when it was left.
//
// Not modelled: instructions, exits (an interrupt or a fault would end the stay), other programs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "model/pci/fabric.h"
#include "sim/event.h"
#include "sim/simulation.h"
#include "sim/topic.h"

namespace baton::host {

struct GuestCoreLoop {
  std::string vm;
  PhysAddr word;  // 8 bytes of a BAR, by host physical address
  sim::Duration every;
};

// One access of such a core. `stopped_at` is empty when it reached a function.
struct CoreAccess {
  std::string_view vm;
  PhysAddr address;
  bool write;
  std::uint64_t value;     // written, or read
  std::uint64_t expected;  // of a read: what was written last
  std::string_view stopped_at;
};

class GuestCore {
 public:
  GuestCore(sim::Simulation& simulation, pci::Fabric& fabric, GuestCoreLoop loop);

  const std::string& vm() const { return loop_.vm; }

 private:
  void turn();
  void publish(bool write, std::uint64_t value, const pci::Completion& completion);

  sim::Simulation& simulation_;
  pci::Fabric& fabric_;
  GuestCoreLoop loop_;
  std::uint64_t written_ = 0;
  sim::Topic<CoreAccess>& accesses_;
  sim::MemberEvent<&GuestCore::turn> turn_event_;
};

}  // namespace baton::host
