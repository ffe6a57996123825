// A scenario as the program uses it: every default filled in, every name resolved.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/scenario/diagnostic.h"
#include "harness/scenario/vary.h"
#include "harness/scenario/yaml.h"
#include "model/linux/base/config.h"
#include "model/vmm/guest_disk_layout.h"
#include "model/vmm/script.h"
#include "sim/address.h"
#include "sim/time.h"

namespace baton::harness {

enum class DeviceKind : std::uint8_t { kDsa, kNvme, kVmd };

struct AddedDevice {
  std::string name;
  DeviceKind kind = DeviceKind::kDsa;
  Sbdf address;                // of a device behind a port: known when the host has been built
  std::optional<Sbdf> port;    // the bridge of the dump above it
  std::uint8_t function = 0;   // of a card behind a port
  std::uint64_t capacity = 0;  // bytes of its disk
  unsigned vfs = 0;            // virtual functions that it can have
  std::uint64_t buffer = 0;    // bytes of its controller memory buffer
  // Of one that processes drive: what it moves in a second, if not what the hardware can, and the
  // session in which they hand it over, empty where nobody is watched.
  std::uint64_t bytes_per_second = 0;
  std::string session = {};
  // A virtual function that a VM owns: its physical function, and which one it is, from 0.
  std::optional<std::size_t> physical;
  unsigned vf_index = 0;
  bool fatal_requests = false;  // firmware makes an Unsupported Request a fatal error
  // An nvme's traits.
  bool no_flr = false;         // it has no function level reset
  bool forgets_in_d3 = false;  // No_Soft_Reset is clear
  bool no_acs = false;         // functions of the card have no ACS capability
  Position at;
};

struct ReservedRegion {
  std::uint64_t bytes = 0;
  std::vector<std::size_t> devices;  // indices into MachineSpec::add
};

enum class ChangeKind : std::uint8_t {
  kMove,
  kExchange,
  kRemove,
  kInsert,
  kLoseBuses,
  kBreakBuses,
  kRenumber,
  kSwapSegments,
};

// Something that happens to the host while no kernel runs.
struct MachineChange {
  unsigned kernel = 1;  // before this one starts
  ChangeKind kind = ChangeKind::kMove;
  std::size_t device = 0;  // index into MachineSpec::add
  std::size_t with = 0;    // kExchange: the other one
  Sbdf from;               // kRenumber, kLoseBuses, kBreakBuses
  Sbdf to;                 // kRenumber; kMove: the port
  std::array<std::uint32_t, 2> segments{};
  std::optional<sim::Duration> when;  // kRemove: pulled out then, while a kernel runs
  Position at;
};

struct MachineSpec {
  std::uint64_t memory = 0;
  unsigned cpus = 1;             // interrupt receivers
  bool hardware_caches = false;  // of the remapping units: entries leave when there is no room
  std::string lspci_path;        // as the program opens it
  Position lspci_at;
  bool scalable_iommu = false;
  std::string iommu_profile;  // by name
  bool interrupt_remapping = false;
  bool posted_interrupts = false;  // its units have CAP.PI
  std::vector<std::uint8_t>
      own_units;  // root buses of segment 0 with a remapping unit of their own
  Position own_units_at;
  std::vector<ReservedRegion> reserved_regions;
  std::vector<AddedDevice> add;
  std::vector<MachineChange> changes;  // in the order in which they are made
};

struct KernelSpec {
  std::string command_line;
  std::string pieces;    // chosen beside the preset: "iommu none"
  bool chimera = false;  // no kernel and no series had these pieces together
  linux::KernelConfig config;
};

struct VmSpec {
  std::string name;
  std::uint64_t memory = 0;
  std::vector<std::size_t> devices;  // indices into MachineSpec::add; behind the first a peer
  vmm::GuestDevice device = vmm::GuestDevice::kDsa;  // the first one's kind
  vmm::WorkloadConfig workload;
  std::uint64_t bytes_per_second = 0;
  bool carried = true;              // over live updates
  bool releases_interrupts = true;  // before the reboot, where the kernel's policy demands it
  sim::Duration vcpu_exit;          // what stopping its vCPU takes, and letting it go on
  sim::Duration vcpu_entry;
  sim::Duration core_period;  // of a second vCPU that goes on without a kernel; 0: none
};

enum class Action : std::uint8_t {
  kLiveUpdate,
  kColdReboot,
  kCreateSession,
  kPreserve,
  kCancel,
  kKexec,
  kRetrieve,
  kFinish,
};
// What the operator types: the name in the scenario.
std::string_view name(Action action);

enum class OnRefusal : std::uint8_t { kStop, kGoOnWithout, kShutDownVm };

struct ScriptStep {
  sim::Duration at;  // since the devices of all VMs are at work
  Action action = Action::kLiveUpdate;
  OnRefusal on_refusal = OnRefusal::kStop;
  Position position;
};

enum class ExpectationKind : std::uint8_t { kHolds, kViolates, kMeasure };

struct Expectation {
  ExpectationKind kind = ExpectationKind::kHolds;
  std::vector<std::string> ids;  // invariants, resolved ("all" is every one); or one measure
  std::optional<std::uint64_t> below;
  std::optional<std::uint64_t> above;
  std::string text;  // as the scenario says it: "holds: all"
  Position at;
};

struct Scenario {
  std::string file;
  std::string text;
  std::string title;
  MachineSpec machine;
  std::vector<KernelSpec> kernels;  // at least one
  std::vector<VmSpec> vms;
  std::vector<ScriptStep> script;  // sorted by time
  std::vector<vmm::ScriptProcess> processes;
  std::optional<sim::Duration> end;
  std::vector<Expectation> expect;
  VarySpec vary;                   // for a sweep
  std::vector<std::string> table;  // measures that its tables show

  // Generation `n`'s kernel: a short list repeats its last entry.
  const KernelSpec& kernel(std::size_t generation) const {
    return kernels[std::min(generation, kernels.size() - 1)];
  }
  // Kernels that can come to run: one more than the jumps and reboots of the script and of the
  // processes.
  std::size_t generations() const;
};

// How long the device must keep itself busy while no kernel feeds it: a kexec boot of 1.0 s and as
// much for user space (assumed).
inline constexpr std::uint64_t kGapMilliseconds = 2000;

// The outcome of reading: a scenario, or diagnostics.
struct Loaded {
  std::string file;
  std::string text;
  Node root;
  Scenario scenario;
  Diagnostics diagnostics;
  std::vector<std::string> overrides;  // KEY=VALUE, already in the tree

  bool good() const { return diagnostics.empty(); }
  std::string errors() const { return diagnostics.format(file, text); }
};

// Reads and checks a scenario; `folder` is where its files are looked for, `overrides` are values
// set beside it (override.h).
Loaded parse_scenario(std::string file, std::string text, const std::string& folder,
                      std::vector<std::string> overrides = {});
// As above, from a file; a file that cannot be read is a diagnostic at its first line.
Loaded load_scenario(const std::string& file, std::vector<std::string> overrides = {});

// The scenario with every default written out and the origin of each value as a comment.
std::string expand(const Loaded& loaded);

}  // namespace baton::harness
