#include "model/linux/pci/pci_core.h"

#include "model/linux/driver_core/driver.h"
#include "model/linux/pci/pci_liveupdate.h"
#include "model/linux/pci/state.h"

namespace baton::linux::pci {

PciCore::PciCore(KernelServices& services) : state_(std::make_unique<State>(services)) {}

PciCore::~PciCore() = default;

bool PciCore::was_handed_over() const {
  return state_->live_update_ != nullptr && state_->live_update_->inherit_bus_numbers();
}

void PciCore::set_live_update(PciLiveUpdate* live_update) { state_->live_update_ = live_update; }

void PciCore::set_assign_busses(bool assign) { state_->assign_busses_ = assign; }

void PciCore::set_no_ari(bool no_ari) { state_->no_ari_ = no_ari; }

void PciCore::set_realloc(bool realloc) { state_->realloc_ = realloc; }

void PciCore::request_acs() { state_->acs_requested_ = true; }

Co<> PciCore::enable_acs(PciDev& dev) {
  if (state_->is_6_1()) co_return;
  co_await state_->enable_acs(dev);
}

Co<> PciCore::enumerate() {
  State& state = *state_;
  for (const host::MemoryMapEntry& entry : state.services_.port().memory_map().entries) {
    static_cast<void>(state.memory_.request(entry.range.start.value(), entry.range.length));
  }
  for (const host::HostBridgeInfo& info : state.services_.port().host_bridges()) {
    HostBridge host;
    host.segment = info.segment;
    host.first = info.first_bus;
    host.last = info.last_bus;
    host.uid = info.uid;
    host.io_aperture = info.io_aperture;
    host.native_hotplug = info.native_hotplug;
    co_await state.scan_root(host);
  }
  for (const auto& root : state.roots_) state.claim_bus(*root);
  for (const bool enabled : {true, false}) {
    for (const auto& root : state.roots_) state.claim_functions(*root, enabled);
  }
  co_await state.let_time_pass();
}

Co<> PciCore::assign_resources() {
  State& state = *state_;
  for (std::size_t i = 0; i < state.roots_.size(); ++i) state.claim_roms(*state.roots_[i]);
  for (std::size_t i = 0; i < state.roots_.size(); ++i) {
    co_await state.assign_root(*state.roots_[i]);
  }
  co_await state.let_time_pass();
  co_await state.commit_misdeeds();
}

Co<Result<>> PciCore::hot_add(PciDev& port) {
  if (port.subordinate == nullptr) co_return fail(Errno::kNoDev);
  PciBus& bus = *port.subordinate;
  if (!bus.devices.empty()) co_return fail(Errno::kExist);
  const unsigned found = co_await state_->scan_slot(bus, 0);
  if (found == 0) co_return fail(Errno::kNoDev);
  // pci_hp_add_bridge: numbers for bridges of the card, from the range that the port has.
  unsigned max = bus.number;
  for (const bool second : {false, true}) {
    for (std::size_t i = 0; i < bus.devices.size(); ++i) {
      PciDev& dev = *bus.devices[i];
      if (!dev.is_bridge()) continue;
      const unsigned left = bus.busn_end > max ? bus.busn_end - max : 0;
      max = co_await state_->scan_bridge(bus, dev, max, second ? left : 0, second);
    }
  }
  // pci_assign_unassigned_bridge_resources.
  state_->extras_.clear();
  state_->size_windows(bus, true);
  co_await state_->assign_bus(bus);
  co_await state_->setup_bridge(port);
  state_->register_bus(bus);
  co_return Result<>();
}

Co<PciBus*> PciCore::scan_domain(PciDev& owner, std::uint32_t domain, std::uint8_t first,
                                 std::uint8_t last) {
  HostBridge host;
  host.segment = domain;
  host.first = first;
  host.last = last;
  host.owner = &owner;
  co_await state_->scan_root(host);
  co_await state_->let_time_pass();
  co_return state_->roots_.back().get();
}

Co<Result<>> PciCore::enable_sriov(PciDev& dev, unsigned count) {
  return state_->enable_sriov(dev, count);
}

Co<> PciCore::disable_sriov(PciDev& dev) { return state_->disable_sriov(dev); }

unsigned PciCore::total_vfs(const PciDev& dev) {
  return dev.sriov_cap == 0 ? 0 : state_->total_vfs(dev);
}

void PciCore::set_virtual_function_hooks(std::function<Co<>(PciDev&)> added,
                                         std::function<Co<>(PciDev&)> removed) {
  state_->added_ = std::move(added);
  state_->removed_ = std::move(removed);
}

const std::vector<std::unique_ptr<PciBus>>& PciCore::root_buses() const { return state_->roots_; }

std::vector<PciDev*> PciCore::devices() const { return state_->devices_; }

PciDev* PciCore::find(Sbdf address) const {
  const auto found = state_->by_address_.find(address);
  return found == state_->by_address_.end() ? nullptr : found->second;
}

std::uint32_t PciCore::read(const PciDev& dev, std::uint16_t offset, unsigned width,
                            const char* by) {
  return state_->read(dev, offset, width, by);
}

void PciCore::write(const PciDev& dev, std::uint16_t offset, unsigned width, std::uint32_t value,
                    const char* by) {
  state_->write_now(dev, offset, width, value, by);
}

// [linux drivers/base/core.c: device_shutdown; drivers/pci/pci-driver.c: pci_device_shutdown]
Co<> PciCore::shutdown() {
  const std::vector<PciDev*> all = devices();  // some of them may go meanwhile
  for (std::size_t i = all.size(); i-- > 0;) {
    PciDev& dev = *all[i];
    // Whoever waits in a probe or a removal keeps the kernel from going down.
    if (dev.lock.held()) {
      state_->services_.print(sim::LogLevel::kWarning,
                              "pci {}: device_shutdown waits: somebody holds its device lock",
                              to_string(dev.address));
    }
    const auto guard = co_await dev.lock.lock(state_->services_.port().context());
    if (find(dev.address) != &dev) continue;
    if (state_->live_update_ != nullptr) state_->live_update_->freeze(dev);
    if (dev.driver != nullptr) co_await dev.driver->shutdown(dev);
    bool keep = state_->live_update_ != nullptr && state_->live_update_->is_outgoing(dev);
    if (state_->services_.has(Defect::kPciClearBusMaster)) keep = false;
    if (dev.is_bridge() && state_->services_.has(Defect::kPciClearBridgeBusMaster)) keep = false;
    if (!keep && dev.current_state <= PowerState::kD3Hot) clear_master(dev);
  }
}

}  // namespace baton::linux::pci
