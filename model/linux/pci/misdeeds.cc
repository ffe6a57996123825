// What a kernel that does not spare running devices writes to them once their addresses are
// assigned. Each function here is one defect; nothing of it happens without.
//
// Not modelled: windows above 4 GiB as a place to move a BAR to.
#include <algorithm>
#include <optional>

#include "model/linux/pci/state.h"

namespace baton::linux::pci {
namespace {

constexpr unsigned kBars = 6;
constexpr sim::Duration kResetPulse = sim::Duration::milliseconds(2);

bool has_incoming(const PciBus& bus) {
  return std::ranges::any_of(bus.devices, [](const auto& dev) { return dev->incoming(); });
}

}  // namespace

// pci_reset_secondary_bus() on the port above a function that was handed over [linux
// drivers/pci/pci.c].
Co<> PciCore::State::reset_preserved_buses() {
  constexpr const char* kBy = "pci_reset_secondary_bus";
  constexpr std::uint32_t kSecondaryBusReset = 0x0040;
  const std::vector<PciDev*> devices = devices_;
  for (const PciDev* dev : devices) {
    if (!dev->is_bridge() || dev->subordinate == nullptr || !has_incoming(*dev->subordinate)) {
      continue;
    }
    const std::uint32_t control = read(*dev, regs::kBridgeControl, 2, kBy);
    co_await write(*dev, regs::kBridgeControl, 2, control | kSecondaryBusReset, kBy);
    co_await services_.spend(kResetPulse);
    co_await write(*dev, regs::kBridgeControl, 2, control, kBy);
  }
}

// Another place for a BAR in the window that it is in.
std::optional<PhysAddr> PciCore::State::other_place(const PciDev& dev, unsigned index) {
  constexpr const char* kBy = "pci_assign_resource";
  const PciDev* bridge = dev.upstream_bridge();
  if (bridge == nullptr) return std::nullopt;
  const Resource& bar = dev.resources[index];
  const auto window = [&](std::uint16_t offset) {
    const std::uint32_t both = read(*bridge, offset, 4, kBy);
    const std::uint64_t base = (both & 0xFFF0) << 16;
    const std::uint64_t end = std::uint64_t{(both & 0xFFF00000U) | 0xFFFFF} + 1;
    return sim::PhysRange{PhysAddr(base), end > base ? end - base : 0};
  };
  sim::PhysRange place = window(regs::kPrefBase);
  if (!place.contains(bar.start)) place = window(regs::kMemoryBase);
  if (!place.contains(bar.start)) return std::nullopt;
  for (std::uint64_t at = 0; at + bar.size <= place.length; at += bar.size) {
    const PhysAddr candidate = place.start + at;
    const bool taken = std::ranges::any_of(dev.bus->devices, [&](const auto& other) {
      return std::ranges::any_of(other->resources, [&](const Resource& resource) {
        return resource.memory && resource.size != 0 && resource.start < candidate + bar.size &&
               candidate < resource.start + resource.size;
      });
    });
    if (!taken) return candidate;
  }
  return std::nullopt;
}

// pci_std_update_resource(): decode off, the address, decode on [linux drivers/pci/setup-res.c].
Co<> PciCore::State::move_preserved_bars() {
  constexpr const char* kBy = "pci_std_update_resource";
  const std::vector<PciDev*> devices = devices_;
  for (PciDev* dev : devices) {
    if (!dev->incoming() || dev->is_bridge()) continue;
    for (unsigned index = 0; index < kBars; ++index) {
      Resource& bar = dev->resources[index];
      if (bar.size == 0 || !bar.memory) continue;
      const std::optional<PhysAddr> place = other_place(*dev, index);
      if (!place) continue;
      const std::uint32_t command = read(*dev, regs::kCommand, 2, kBy);
      const std::uint32_t off = command & ~std::uint32_t{regs::kCommandMemory};
      const unsigned at = regs::kBar0 + 4 * index;
      co_await write(*dev, regs::kCommand, 2, off, kBy);
      co_await write(*dev, at, 4, static_cast<std::uint32_t>(place->value()), kBy);
      if (bar.is_64bit) {
        co_await write(*dev, at + 4, 4, static_cast<std::uint32_t>(place->value() >> 32), kBy);
      }
      co_await write(*dev, regs::kCommand, 2, command, kBy);
      bar.start = *place;
    }
  }
}

// ACS of every function as a kernel leaves it whose IOMMU is not there yet: off.
Co<> PciCore::State::clear_acs() {
  const std::vector<PciDev*> devices = devices_;
  for (const PciDev* dev : devices) {
    if (dev->acs_cap != 0) co_await write(*dev, dev->acs_cap + 6U, 2, 0, "pci_acs_init");
  }
}

// pcie_bus_configure_set() of a port and of all that is below it, as pci_walk_bus() visits them: a
// function, what is behind it, the next function. Until the walk has reached a function, it may
// send more than the ports above it take.
Co<> PciCore::State::lower_payload(const PciDev& dev) {
  constexpr const char* kBy = "pcie_bus_configure_set";
  if (dev.pcie_cap != 0) {
    const std::uint32_t control = read(dev, dev.pcie_cap + regs::kExpDevCtl, 2, kBy);
    const std::uint32_t smallest = control & ~std::uint32_t{regs::kDevCtlMps};
    co_await write(dev, dev.pcie_cap + regs::kExpDevCtl, 2, smallest, kBy);
  }
  if (dev.subordinate == nullptr) co_return;
  for (const auto& below : dev.subordinate->devices) co_await lower_payload(*below);
}

// pcie_bus_configure_settings() for peer to peer: the smallest payload everywhere, port by port of
// the root buses [linux drivers/pci/probe.c].
Co<> PciCore::State::lower_payloads() {
  const std::vector<PciDev*> devices = devices_;
  for (const PciDev* dev : devices) {
    if (dev->upstream_bridge() == nullptr) co_await lower_payload(*dev);
  }
}

// pci_prepare_ats() and pci_enable_ats(), as for a function that nobody has used yet [linux
// drivers/pci/ats.c].
Co<> PciCore::State::enable_preserved_ats() {
  constexpr std::uint16_t kExtAts = 0x0F;
  constexpr std::uint32_t kEnable = 0x8000;
  constexpr std::uint32_t kSmallestUnit = 0x001F;
  const std::vector<PciDev*> devices = devices_;
  for (const PciDev* dev : devices) {
    if (!dev->incoming()) continue;
    const std::uint16_t ats = find_extended(*dev, kExtAts, "pci_ats_init");
    if (ats == 0) continue;
    const std::uint32_t control = read(*dev, ats + 6U, 2, "pci_prepare_ats") & ~kSmallestUnit;
    co_await write(*dev, ats + 6U, 2, control & ~kEnable, "pci_prepare_ats");
    co_await write(*dev, ats + 6U, 2, control | kEnable, "pci_enable_ats");
  }
}

// pci_disable_pasid(), as if the function had been left over by a driver that went away [linux
// drivers/pci/ats.c].
Co<> PciCore::State::disable_preserved_pasids() {
  constexpr std::uint16_t kExtPasid = 0x1B;
  const std::vector<PciDev*> devices = devices_;
  for (const PciDev* dev : devices) {
    if (!dev->incoming()) continue;
    const std::uint16_t pasid = find_extended(*dev, kExtPasid, "pci_pasid_init");
    if (pasid == 0) continue;
    co_await write(*dev, pasid + 6U, 2, 0, "pci_disable_pasid");
  }
}

Co<> PciCore::State::commit_misdeeds() {
  if (services_.has(Defect::kPciDisablePasid)) co_await disable_preserved_pasids();
  if (services_.has(Defect::kPciEnableAts)) co_await enable_preserved_ats();
  if (services_.has(Defect::kPciLowerPayload)) co_await lower_payloads();
  if (services_.has(Defect::kPciResetBus)) co_await reset_preserved_buses();
  if (services_.has(Defect::kPciMoveBars)) co_await move_preserved_bars();
  if (services_.has(Defect::kPciClearAcs)) co_await clear_acs();
}

}  // namespace baton::linux::pci
