// The PCI topology at one instant, as configuration registers say it, and what differs between two
// of them.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "harness/record/observer.h"
#include "model/pci/fabric.h"

namespace baton::harness {

struct BarState {
  unsigned index = 0;  // 0..5; 6: expansion ROM
  pci::BarKind kind = pci::BarKind::kNone;
  bool prefetchable = false;
  std::uint64_t address = 0;
  std::uint64_t size = 0;
  bool size_assumed = false;
};

struct WindowState {
  std::uint64_t base = 0;
  std::uint64_t limit = 0;  // inclusive
};

struct MsixState {
  unsigned vectors = 0;
  bool enabled = false;
  bool masked = false;  // by the function mask
};

struct FunctionState {
  std::string name;  // the actor's: the same hardware over the whole run
  Sbdf address;      // now
  Bdf requester_id;  // as captured
  std::uint16_t vendor = 0;
  std::uint16_t device = 0;
  std::uint32_t class_code = 0;  // 24 bits
  std::uint16_t command = 0;
  unsigned power_state = 0;
  std::vector<BarState> bars;
  std::optional<MsixState> msix;
  std::optional<bool> msi_enabled;  // nothing: no capability
  std::string driver;               // bound in the running kernel; empty: none known
  std::string vm;                   // the VM that owns it

  bool bridge = false;
  std::uint8_t primary = 0;
  std::uint8_t secondary = 0;
  std::uint8_t subordinate = 0;
  std::optional<WindowState> io_window;
  std::optional<WindowState> memory_window;
  std::optional<WindowState> prefetch_window;

  // Place in TopologySnapshot::functions of the bridge above; nothing on a root bus.
  std::optional<std::size_t> parent;
  unsigned depth = 0;
};

struct RootBusState {
  std::uint32_t segment = 0;
  std::uint8_t first = 0;
  std::uint8_t last = 0;
};

struct TopologySnapshot {
  std::vector<RootBusState> roots;
  std::vector<FunctionState> functions;  // root bus by root bus, depth first
};

// Names of drivers and VMs by actor name; both may be empty.
struct TopologyOwners {
  std::map<std::string, std::string, std::less<>> drivers;
  std::map<std::string, std::string, std::less<>> vms;
};

TopologySnapshot take_topology(const pci::Fabric& fabric, const TopologyOwners& owners = {});

// One field of one function that is not the same.
struct TopologyChange {
  std::string function;  // actor name
  std::string field;     // "secondary", "BAR 0", "command", ...
  std::string before;    // empty: the function was not there
  std::string after;
};

// Functions are compared by name, in the order of `before`, then what `after` adds.
std::vector<TopologyChange> compare(const TopologySnapshot& before, const TopologySnapshot& after);

// The fields of a function that compare() looks at, as text, in a fixed order.
std::vector<std::pair<std::string, std::string>> describe(const FunctionState& function);

// Follows who owns each function over a run: drivers as the kernels bind them, VMs by scenario.
class TopologyWatch final : public RunObserver {
 public:
  void attach(Watch& watch, const Scenario& scenario) override;
  // The topology now; only during the run.
  TopologySnapshot take() const;

 private:
  Watch* watch_ = nullptr;
  TopologyOwners owners_;
};

}  // namespace baton::harness
