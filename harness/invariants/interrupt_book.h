// Each interrupt of a VM's device, by id, from the instant at which the device raises it to its
// end.
//
// The book knows nothing that a model has not published. An interrupt is in one place at a time:
// pending bit, message, posted-interrupt descriptor, the kernel's notes, eventfd, vCPU. Where two
// of one vector meet they go on as one: the first is delivered, the others are merged into it.
// Which is lost, how, and whether its vCPU got another interrupt on that vector instead, stands in
// the book; who judges it is irq-accounted.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/host/observations.h"
#include "model/iommu_vtd/observations.h"
#include "model/linux/base/cpu_vector.h"
#include "model/linux/base/observations.h"
#include "model/pci/observations.h"
#include "model/vmm/observations.h"
#include "sim/simulation.h"

namespace baton::harness {

class Watch;
struct WatchedDevice;

// A vector of a VM's device: place of the device among those watched, entry of its MSI-X table.
using InterruptSource = std::pair<std::size_t, unsigned>;

struct RaisedInterrupt {
  std::uint64_t id = 0;  // counts those of all watched devices, from 1
  InterruptSource source;
  sim::Time raised;
};

struct LostInterrupt {
  RaisedInterrupt interrupt;
  std::string_view way;
  sim::Time at;
  // When its vCPU was given another interrupt of the vector, and whether that was too late.
  std::optional<sim::Time> made_up;
  bool overdue = false;
  bool reported = false;  // its owner had taken the interrupts down, and knows
  bool excused = false;   // the guest ended
};

struct InterruptCounts {
  std::uint64_t raised = 0;
  std::uint64_t delivered = 0;
  std::uint64_t merged = 0;
  std::uint64_t lost = 0;
  std::uint64_t under_way = 0;     // at the end of the run
  std::uint64_t misdelivered = 0;  // of those lost: a handler of something else ran
  std::uint64_t spurious = 0;      // taken by a guest, raised by nobody
  std::uint64_t not_made_up = 0;   // of those lost
  std::uint64_t phantoms = 0;      // found by a kernel, and raised by nobody
  std::uint64_t faults = 0;        // recorded by a remapping unit for a message
  sim::Duration longest_wait;      // from raise to the guest's handler
  sim::Duration longest_silence;   // of a vector, between two that its guest took
};

// How long a vCPU that runs may wait for the interrupt that makes a lost one up.
inline constexpr sim::Duration kMakeUpBound = sim::Duration::milliseconds(1);
// Longer an interrupt stays nowhere on the way to a guest that runs.
inline constexpr sim::Duration kStuckBound = sim::Duration::milliseconds(10);

class InterruptBook {
 public:
  explicit InterruptBook(Watch& watch);
  InterruptBook(const InterruptBook&) = delete;
  InterruptBook& operator=(const InterruptBook&) = delete;

  InterruptCounts counts() const;
  const std::vector<LostInterrupt>& losses() const { return losses_; }
  // How many were lost in each way.
  const std::map<std::string_view, std::uint64_t>& ways() const { return ways_; }
  // Longest time between two interrupts that its guest took, by vector.
  const std::map<InterruptSource, sim::Duration>& silences() const { return silences_; }

  // Under way for too long, with the place; only of guests that run.
  struct Stuck {
    RaisedInterrupt interrupt;
    std::string_view place;
  };
  std::vector<Stuck> stuck() const;
  // A loss that nothing has made up although its guest has been running for too long.
  bool is_open(const LostInterrupt& loss) const;

 private:
  using Group = std::vector<RaisedInterrupt>;
  using Place = std::map<InterruptSource, Group>;

  void listen_to_hardware();
  void listen_to_kernels();
  void listen_to_guests();

  void on_raised(const pci::InterruptRaised& seen);
  void on_request(const pci::RequestDone& seen);
  void on_sent(const host::InterruptSent& seen);
  void on_posted(const iommu_vtd::InterruptPosted& seen);
  void on_noted(const linux::InterruptNoted& seen);
  void on_replayed(const linux::InterruptReplayed& seen);
  void on_forwarded(const linux::InterruptForwarded& seen);
  void on_delivered(const host::InterruptDelivered& seen);
  void on_injected(const vmm::InterruptInjected& seen);
  void on_taken(const vmm::GuestTookInterrupts& seen);
  void on_kernel_gone();
  void on_guest_gone(std::string_view vm);
  void on_reset();

  std::optional<std::size_t> device_at(Sbdf address) const;
  std::optional<std::size_t> device_of(const pci::Function& function) const;
  const std::string& vm_of(const InterruptSource& source) const;

  static Group take(Place& place, const InterruptSource& source);
  static void put(Place& place, Group group);
  void lose(const Group& group, std::string_view way);
  bool is_pending(const InterruptSource& source) const;
  void lose_all(Place& place, std::string_view way);
  void lose_of(Place& place, std::string_view vm, std::string_view way);
  // The vector's vCPU is given an interrupt now.
  void make_up(const InterruptSource& source);

  Watch& watch_;
  std::uint64_t last_id_ = 0;
  InterruptCounts counts_;
  std::vector<LostInterrupt> losses_;
  std::map<InterruptSource, std::vector<std::size_t>> open_;  // not made up yet: in losses_
  std::map<std::string_view, std::uint64_t> ways_;

  // The message that leaves a device at this instant, and what is known of it.
  Group leaving_;
  const pci::Function* sender_ = nullptr;

  Place pending_;
  std::map<std::uint64_t, Group> messages_;  // by the machine's number of the message
  Place captured_;
  std::map<linux::CpuVector, Group> noted_;
  Place eventfds_;
  Place vcpus_;
  Group arriving_;
  bool unhandled_ = false;  // the kernel has no handler for what arrives

  struct Guest {
    bool runs = false;
    sim::Time since;         // running
    std::uint64_t made = 0;  // vectors that its VMM made pending by itself
  };
  std::map<std::string, Guest, std::less<>> guests_;
  std::set<std::size_t> taken_down_;  // devices whose owner wants no interrupts
  std::map<InterruptSource, sim::Time> last_taken_;
  std::map<InterruptSource, sim::Duration> silences_;
};

}  // namespace baton::harness
