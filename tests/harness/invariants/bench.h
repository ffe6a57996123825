// A machine with one DSA whose remapping tables lie in RAM, and nobody running on it: invariants
// are fed by hand. On wish there are a device behind a port, of the same VM, and another VM's DSA.
#pragma once

#include <algorithm>

#include "harness/invariants/guest_memory.h"
#include "harness/invariants/watch.h"
#include "model/devices/dsa/dsa.h"
#include "model/devices/dsa/observations.h"
#include "model/iommu_vtd/observations.h"
#include "model/linux/drivers/observations.h"
#include "model/linux/pci/observations.h"
#include "model/luo/state_machine.h"
#include "model/pci/observations.h"
#include "model/vmm/observations.h"
#include "tests/pci/rig.h"

namespace baton::harness::test {

using namespace baton::sim::literals;

inline constexpr std::uint64_t kPage = sim::kPageSize;
inline constexpr PhysAddr kRoot{0x1000000};
inline constexpr PhysAddr kContext{0x1001000};
inline constexpr PhysAddr kLevel4{0x1002000};
inline constexpr PhysAddr kLevel3{0x1003000};
inline constexpr PhysAddr kLevel2{0x1004000};
inline constexpr PhysAddr kLevel1{0x1005000};
inline constexpr PhysAddr kGuest{0x2000000};  // 512 pages
inline constexpr std::uint64_t kGuestPages = 512;

class Bench {
 public:
  enum class Fabric { kOneDevice, kWithPort };

  explicit Bench(Fabric fabric = Fabric::kOneDevice) : simulation_(1) {
    host::MachineConfig config;
    config.memory = std::uint64_t{256} << 20;
    machine_ = std::make_unique<host::Machine>(simulation_, config);
    pci::Bus& bus = machine_->fabric().add_root_bus(0, 0x6A, 0x6A);
    dsa_ = &machine_->fabric().add(bus, 1, 0, devices::dsa::make_dsa(simulation_, {}));
    std::vector<WatchedDevice> devices{{.function = dsa_, .vm = "vm0", .stall_bound = 100_us}};
    if (fabric == Fabric::kWithPort) add_port(devices);
    if (fabric == Fabric::kWithPort) program_port();
    REQUIRE(machine_->finish_firmware().has_value());
    build_tables();
    watch_ = std::make_unique<Watch>(World{simulation_, *machine_, std::move(devices)});
    checkers_ = make_checkers(*watch_);
    allocate(0, {kRoot, 6 * kPage}, "page table");
    allocate(0, {kGuest, kGuestPages * kPage}, "memfd folio");
  }

  template <class Observation>
  void publish(const Observation& observation) {
    simulation_.topic<Observation>().publish(observation);
  }

  void allocate(unsigned generation, sim::PhysRange range, const char* owner) {
    publish(linux::PagesAllocated{generation, range, owner});
  }

  void phase(unsigned generation, linux::RunPhase phase) {
    publish(linux::PhaseEntered{generation, phase});
  }

  void file_state(unsigned generation, luo::FileState state) {
    publish(linux::SessionFileChanged{generation, "vm0", 1, "memfd-v2", luo::name(state)});
  }
  void session_state(unsigned generation, luo::SessionState state) {
    publish(linux::SessionChanged{generation, "vm0", luo::name(state)});
  }

  void preserve(sim::PhysRange range, const char* what) {
    publish(linux::LedgerEntry{0, linux::LedgerEvent::kPreserved, linux::LedgerKind::kPages, what,
                               range, 0});
  }

  void restore(sim::PhysRange range) {
    publish(linux::LedgerEntry{1, linux::LedgerEvent::kRestored, linux::LedgerKind::kPages, "folio",
                               range, 0});
  }

  void preserve_all_and_freeze() {
    preserve({kRoot, 6 * kPage}, "page table");
    preserve({kGuest, kGuestPages * kPage}, "memfd folio");
    file_state(0, luo::FileState::kPreserved);
    phase(0, linux::RunPhase::kFreeze);
  }

  void jump() {
    const host::KexecImage image;
    publish(host::KernelJumped{0, 1, image});
  }

  void release(const std::vector<sim::PhysRange>& kept) { publish(linux::MemoryReleased{1, kept}); }

  void request(std::uint64_t iova, PhysAddr lands, bool write = true,
               std::string_view stopped_at = {}) {
    pci::MemoryRequest request;
    request.address = iova;
    request.length = static_cast<std::uint32_t>(kPage);
    request.write = write;
    pci::Completion completion;
    completion.destination =
        stopped_at.empty() ? pci::Destination::kRam : pci::Destination::kNowhere;
    completion.address = lands;
    completion.stopped_at = stopped_at;
    publish(pci::RequestDone{*dsa_, request, completion,
                             machine_->memory().page(lands).subspan(0, kPage)});
  }

  void submit() { publish(devices::dsa::DescriptorSubmitted{*dsa_, 0, 1, true, {}}); }

  void pass(sim::Duration duration) { simulation_.run_until(simulation_.now() + duration); }
  void finish() {
    for (const auto& checker : checkers_) checker->finish();
  }

  std::uint64_t count(std::string_view id) const { return watch_->findings().count(id); }
  std::uint64_t count_all() const {
    std::uint64_t result = 0;
    for (const auto& checker : checkers_) result += count(checker->id());
    return result;
  }
  const Violation& first(std::string_view id) const {
    const auto& kept = watch_->findings().kept();
    const auto found = std::ranges::find(kept, id, &Violation::id);
    REQUIRE(found != kept.end());
    return *found;
  }
  // The texts of a violation's chain, one a line.
  static std::string chain(const Violation& violation) {
    std::string text;
    for (const ChainLink& link : violation.chain) text += link.text + "\n";
    return text;
  }

  sim::PhysicalMemory& memory() { return machine_->memory(); }
  host::Machine& machine() { return *machine_; }
  pci::Function& dsa() { return *dsa_; }
  Watch& watch() { return *watch_; }
  // Behind the port 00:01.0, at 01:00.0, of vm0.
  pci::test::Probe& probe() { return *probe_; }
  // At 6b:01.0, of vm1, which preserves nothing.
  pci::Function& other_dsa() { return *other_dsa_; }
  void config_write(Bdf at, std::uint16_t offset, unsigned width, std::uint32_t value) {
    machine_->fabric().config_write({0, at}, offset, width, value);
  }

 private:
  static constexpr Bdf kPort{0, 1, 0};

  void add_port(std::vector<WatchedDevice>& devices) {
    pci::Fabric& fabric = machine_->fabric();
    pci::Bus& root = fabric.add_root_bus(0, 0, 0x3F);
    auto port = std::make_unique<pci::Bridge>(simulation_, "port",
                                              pci::test::port_config(pci::PortType::kRootPort));
    auto& bridge = static_cast<pci::Bridge&>(fabric.add(root, 1, 0, std::move(port)));
    auto probe =
        std::make_unique<pci::test::Probe>(simulation_, "probe", pci::test::probe_config());
    probe_ = probe.get();
    fabric.add(bridge.secondary_bus(), 0, 0, std::move(probe));
    devices::dsa::DsaConfig config;
    config.name = "dsa1";
    other_dsa_ = &fabric.add(fabric.add_root_bus(0, 0x6B, 0x6B), 1, 0,
                             devices::dsa::make_dsa(simulation_, config));
    devices.push_back({.function = probe_, .vm = "vm0", .stall_bound = 100_us});
    devices.push_back({.function = other_dsa_, .vm = "vm1", .stall_bound = 100_us});
  }

  void program_port() {
    config_write(kPort, 0x18, 4, 0x010100);
    config_write(kPort, 0x20, 4, 0xE010E000);
    config_write(kPort, 0x04, 2, 6);
    config_write(Bdf(1, 0, 0), 0x10, 4, 0xE0000000);
    config_write(Bdf(1, 0, 0), 0x04, 2, 6);
  }

  // Root entry of bus 6ah, context entry of device 1, four levels that map iova 0..2 MiB
  // [VT-d 9.1, 9.3, 9.10].
  void build_tables() {
    constexpr std::uint64_t kReadWrite = 3;
    memory().store<std::uint64_t>(kRoot + std::uint64_t{0x6A} * 16, kContext.value() | 1);
    memory().store<std::uint64_t>(kContext + 8 * 16, kLevel4.value() | 1);
    memory().store<std::uint64_t>(kContext + 8 * 16 + 8, 2 | std::uint64_t{5} << 8);
    memory().store<std::uint64_t>(kLevel4, kLevel3.value() | kReadWrite);
    memory().store<std::uint64_t>(kLevel3, kLevel2.value() | kReadWrite);
    memory().store<std::uint64_t>(kLevel2, kLevel1.value() | kReadWrite);
    for (std::uint64_t page = 0; page < kGuestPages; ++page) {
      memory().store<std::uint64_t>(kLevel1 + page * 8,
                                    (kGuest.value() + page * kPage) | kReadWrite);
    }
    iommu_vtd::RemappingUnit& unit = *machine_->iommu_of(*dsa_);
    constexpr std::uint64_t kCommand = 0x18;
    constexpr std::uint64_t kRootTable = 0x20;
    unit.mmio_write(kRootTable, 8, kRoot.value());
    unit.mmio_write(kCommand, 4, 1U << 30);  // SRTP
    unit.mmio_write(kCommand, 4, 1U << 31);  // TE
    REQUIRE(unit.translation_enabled());
  }

  sim::Simulation simulation_;
  std::unique_ptr<Watch> watch_;
  std::vector<std::unique_ptr<Checker>> checkers_;
  std::unique_ptr<host::Machine> machine_;
  pci::Function* dsa_ = nullptr;
  pci::test::Probe* probe_ = nullptr;
  pci::Function* other_dsa_ = nullptr;
};

inline const std::vector<sim::PhysRange> kEverything{{kRoot, 6 * kPage},
                                                     {kGuest, kGuestPages* kPage}};

}  // namespace baton::harness::test
