// What each guest asks of its device, and what enters each device of a VM, in order: what a run
// with a live update and one without are compared by.
//
// Of a guest's reads those are kept that return something else than the read before at the same
// address: how often a guest looks is a matter of time. So is how many completions it acknowledges
// at once (the completion queue doorbells of an NVMe controller): these are left out on both sides.
//
// Of what a device was given to do those are kept that have ended, up to the first that is still
// under way: operation, queue, status, bytes. Which of two ends first is a matter of time.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "harness/record/observer.h"
#include "model/pci/observations.h"
#include "model/vmm/observations.h"

namespace baton::harness {

// The bytes of an access: the first `width` of them.
using AccessBytes = std::array<std::uint64_t, 8>;

struct GuestCall {
  sim::Time time;
  std::uint64_t event = 0;
  std::uint64_t address = 0;
  unsigned width = 0;
  bool write = false;
  AccessBytes value{};

  // The same call, at whatever time.
  bool same(const GuestCall& other) const {
    return address == other.address && width == other.width && write == other.write &&
           value == other.value;
  }
  std::string text() const;
};

enum class InputKind : std::uint8_t {
  kConfigWrite,
  kInterruptTable,  // a write to the MSI-X structures
  kRegisterWrite,
  kReset,
  kInvalidation,  // of its device-TLB: a message
  kRefusal,       // a request of its own did not arrive; one of each way
  kCompletion,    // no input: how what it was given to do ended, in the order of its queue
};
inline constexpr unsigned kInputKinds = 7;
std::string_view name(InputKind kind);

// Why an input that the other run does not have is no harm.
enum class Excuse : std::uint8_t { kNone, kInterruptPolicy, kChangesNothing };

struct DeviceInput {
  sim::Time time;
  std::uint64_t event = 0;
  InputKind kind = InputKind::kConfigWrite;
  Excuse excuse = Excuse::kNone;
  // Configuration offset; BAR << 60 and offset; kind of reset; queue << 8 and operation.
  std::uint64_t place = 0;
  unsigned width = 0;       // of a completion: its End
  std::uint64_t order = 0;  // of a completion: its place in its queue
  AccessBytes value{};
  std::string by;  // who, or how: "kernel 1, pci_read_bases"

  bool same(const DeviceInput& other) const {
    return kind == other.kind && place == other.place && width == other.width &&
           value == other.value && (kind != InputKind::kRefusal || by == other.by);
  }
  std::string text() const;
};

// Of a completion. Those of a tape stand queue by queue.
std::uint64_t queue_of(const DeviceInput& completion);

struct GuestTape {
  std::vector<GuestCall> calls;
  bool running = false;  // at the end
  sim::Time left;        // when it last stopped running
  std::uint64_t left_event = 0;
  std::string fate;  // how: "paused under kernel 0"
  std::map<std::uint64_t, AccessBytes> last_read;
};

using InputTape = std::array<std::vector<DeviceInput>, kInputKinds>;

class CallTape final : public RunObserver {
 public:
  void attach(Watch& watch, const Scenario& scenario) override;
  // Looks at what the guests say of themselves.
  void finish() override;

  // By name of the VM, and by index of the watched device.
  const std::map<std::string, GuestTape, std::less<>>& guests() const { return guests_; }
  const std::vector<InputTape>& devices() const { return devices_; }

 private:
  void on_guest(const vmm::GuestAccess& seen);
  void on_config(const pci::ConfigWritten& seen);
  void on_bar(const pci::BarReached& seen);
  void on_request(const pci::RequestDone& seen);
  void on_invalidation(std::uint64_t descriptor);
  void leaves(std::string_view vm, std::string fate);
  void add(const pci::Function& function, DeviceInput input);
  void follow_completions(sim::Simulation& simulation);
  void given(const pci::Function& function, std::uint64_t queue, std::uint64_t operation,
             std::uint64_t id, std::uint64_t order);
  void ended(const pci::Function& function, std::uint64_t queue, std::uint64_t id,
             std::uint64_t status, std::uint64_t bytes);
  void lose(const pci::Function& function, std::uint64_t queues);
  bool is_disk(std::string_view vm) const;

  std::uint64_t commands_ = 0;  // that controllers have begun with

  Watch* watch_ = nullptr;
  std::map<std::string, GuestTape, std::less<>> guests_;
  std::vector<std::string> disks_;  // VMs whose device is an NVMe controller
  std::vector<InputTape> devices_;
};

}  // namespace baton::harness
