// What all checkers share: whom they watch, how far the handover is, what each page has been
// through, and the mapping of every watched device as it was at the freeze.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "harness/invariants/config_blame.h"
#include "harness/invariants/findings.h"
#include "harness/invariants/page_history.h"
#include "model/host/machine.h"
#include "model/host/observations.h"
#include "model/linux/base/config.h"
#include "model/linux/base/observations.h"
#include "model/pci/function.h"
#include "model/pci/observations.h"
#include "model/vmm/script.h"

namespace baton::harness {

class InterruptBook;

// A device that a VM owns, or one that processes of the scenario hand over.
struct WatchedDevice {
  const pci::Function* function = nullptr;
  std::string vm;           // its session has that name
  bool of_process = false;  // no VM: the session, and whoever the calls say may hold the device
  bool passive = false;     // a peer of the VM's first device, that does nothing by itself
  // How long it may take from one completed request to the next while it has work.
  sim::Duration stall_bound = sim::Duration::microseconds(100);
  // How long one descriptor or command of its workload takes: so long it goes on after what stopped
  // it.
  sim::Duration in_flight{};
};

// What a guest may stand still for in a live update, unless the scenario bounds guest_pause.
inline constexpr sim::Duration kDefaultPauseBudget = sim::Duration::seconds(2);

struct World {
  sim::Simulation& simulation;
  host::Machine& machine;
  std::vector<WatchedDevice> devices;
  // How long a guest may stand still: the invariant pause-budget.
  sim::Duration pause_budget = kDefaultPauseBudget;
  // Processes whose calls the scenario writes down, and its name, for places in it.
  std::vector<vmm::ScriptProcess> processes = {};
  std::string scenario = {};
  // What each kernel generation can do, the last for all later ones; empty: as `vision`.
  std::vector<linux::Pieces> pieces = {};
};

// One stretch of I/O virtual addresses and where it leads.
struct MappedRun {
  Iova from;
  PhysAddr to;
  std::uint64_t length = 0;
  bool writable = false;
  friend bool operator==(const MappedRun&, const MappedRun&) = default;
};

// All that a device can reach: sorted by I/O virtual address, neighbours merged.
struct Mapping {
  std::vector<MappedRun> runs;
  std::vector<sim::PhysRange> tables;  // root, context and page tables on the way

  std::optional<PhysAddr> find(Iova address) const;
};

// Walks the tables in memory as the hardware would.
Mapping walk_mapping(host::Machine& machine, const pci::Function& function);

class Watch {
 public:
  explicit Watch(World world);
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  sim::Simulation& simulation() { return world_.simulation; }
  sim::Time now() const { return world_.simulation.now(); }
  // The number of the event under way; it counts as the fingerprint does.
  std::uint64_t event() const { return world_.simulation.fingerprint().count(); }
  // A cause that happens now.
  ChainLink link(std::string text) const { return {now(), std::move(text), event()}; }
  host::Machine& machine() { return world_.machine; }
  const std::vector<WatchedDevice>& devices() const { return world_.devices; }
  const WatchedDevice* device(const pci::Function& function) const;
  Findings& findings() { return findings_; }
  const Findings& findings() const { return findings_; }
  const PageHistory& history() const { return history_; }

  // No event comes any more: what checkers say now is about the end.
  void end() { ended_ = true; }
  bool ended() const { return ended_; }

  // From a freeze with something preserved to the finish of it, over the jump.
  bool handover() const { return handover_; }
  // In this handover the jump has happened.
  bool jumped() const { return handover_ && jumped_; }
  // This device's VM takes part in the handover under way: its session held files at the freeze.
  bool carried(const WatchedDevice& device) const { return carried(device.vm); }
  bool carried(std::string_view vm) const { return handover_ && carried_.contains(vm); }
  // The mapping of a device as it was at the freeze; empty outside of a handover.
  const Mapping& at_freeze(const pci::Function& function) const;

  // Sessions with preserved files that the next kernel must finish, or that it has not finished
  // yet. Empty outside of a handover.
  const std::set<std::string, std::less<>>& pending_sessions() const { return pending_; }

  // Where each guest's own account lies in host memory, by VM.
  const std::map<std::string, PhysAddr, std::less<>>& guests() const { return guests_; }

  // The longest time without a completed request of a device that had work, in any handover.
  sim::Duration longest_stall() const { return longest_stall_; }
  void saw_stall(sim::Duration gap) { longest_stall_ = std::max(longest_stall_, gap); }

  // Called when a handover begins, after carried() and at_freeze() are known.
  void at_begin(std::function<void()> call) { at_begin_.push_back(std::move(call)); }

  // Which kernel makes this configuration write, and in which of its functions: "kernel 1,
  // pci_read_bases"; "nobody's kernel" for one that no kernel makes.
  std::string writer_of(const pci::ConfigWritten& seen) const;

  // The causes that a violation of a request names: milestones, and the configuration writes since
  // the freeze that left the way different, from `sender` up and, for one that was meant for
  // another function, from there up.
  std::vector<ChainLink> causes(const pci::Function& sender,
                                const pci::Function* target = nullptr) const;
  // The function whose BAR had this address at the freeze; null for memory.
  const pci::Function* bar_owner_at_freeze(PhysAddr address) const;

  // Every interrupt of the devices, by id.
  const InterruptBook& interrupts() const { return *interrupts_; }

  sim::Duration pause_budget() const { return world_.pause_budget; }
  const std::vector<vmm::ScriptProcess>& processes() const { return world_.processes; }
  const std::string& scenario() const { return world_.scenario; }
  linux::Pieces pieces(unsigned generation) const {
    const std::vector<linux::Pieces>& all = world_.pieces;
    if (all.empty()) return {};
    return generation < all.size() ? all[generation] : all.back();
  }

  // Configuration writes between freeze and finish to carried devices and the bridges above them:
  // those that changed something, and those that did not.
  struct ConfigWrites {
    std::uint64_t changing = 0;
    std::uint64_t equal = 0;
  };
  const ConfigWrites& config_writes() const { return config_writes_; }
  void saw_config_write(bool equal) { ++(equal ? config_writes_.equal : config_writes_.changing); }

  // What phase changes said so far, for chains: "kernel 0 freezes".
  const std::vector<ChainLink>& milestones() const { return milestones_; }

 private:
  void subscribe_to_sessions();
  void subscribe_to_guests();
  void on_phase(const linux::PhaseEntered& seen);
  void on_file(const linux::SessionFileChanged& seen);
  void on_session(const linux::SessionChanged& seen);
  void begin_handover();
  void end_handover();
  void milestone(std::string text);
  void blame_writes();
  void note_bars();

  struct BarPlace {
    const pci::Function* function;
    sim::PhysRange range;
  };

  World world_;
  Findings findings_;
  PageHistory history_;
  bool ended_ = false;
  bool handover_ = false;
  bool jumped_ = false;
  std::map<std::string, std::set<std::uint64_t>, std::less<>> files_;  // tokens by open session
  std::set<std::string, std::less<>> pending_;
  std::set<std::string, std::less<>> carried_;  // VMs, by the names of their sessions
  std::map<std::string, PhysAddr, std::less<>> guests_;
  std::map<const pci::Function*, std::size_t> order_;  // to index; never iterated
  std::vector<Mapping> at_freeze_;                     // by index of the device
  std::vector<ChainLink> milestones_;
  std::vector<std::function<void()>> at_begin_;
  std::optional<host::ConfigAccess> last_write_;  // by a kernel
  sim::Time last_write_at_;
  ConfigWrites config_writes_;
  ConfigBlame blame_;
  std::vector<BarPlace> bars_at_freeze_;
  sim::Duration longest_stall_;
  std::unique_ptr<InterruptBook> interrupts_;
};

// What speaks for a violation beside its sentence.
struct Evidence {
  std::vector<ChainLink> chain;
  std::vector<StateChange> changes;
  const pci::Function* device = nullptr;
};

// One invariant: looks at observations and reports to the findings.
class Checker {
 public:
  virtual ~Checker() = default;
  virtual std::string_view id() const = 0;
  // The run is over.
  virtual void finish() {}
  // How often it compared something.
  std::uint64_t checks() const { return checks_; }

 protected:
  explicit Checker(Watch& watch) : watch_(watch) {}

  void checked() { ++checks_; }
  void report(std::string subject, std::string expected, std::string seen,
              std::vector<ChainLink> chain);
  void report(std::string subject, std::string expected, std::string seen, Evidence evidence);
  // Counts it; false when enough are kept, so that no text need be made.
  bool want();

  Watch& watch_;

 private:
  std::uint64_t checks_ = 0;
};

// One of each invariant, in the order of invariant_rows().
std::vector<std::unique_ptr<Checker>> make_checkers(Watch& watch);

std::string page_name(PhysAddr address);  // "page 0x23f400000"

}  // namespace baton::harness
