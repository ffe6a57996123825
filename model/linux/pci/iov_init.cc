// SR-IOV of a physical function as enumeration leaves it [linux drivers/pci/iov.c: pci_iov_init,
// sriov_init, compute_max_vf_buses]: no VF enabled, the VF BARs sized, and the bus numbers known
// that the VFs can need.
#include <algorithm>

#include "model/linux/pci/state.h"

namespace baton::linux::pci {
namespace {

constexpr const char* kInit = "sriov_init";
constexpr unsigned kControl = 0x08;
constexpr std::uint32_t kVfEnable = 0x01;
constexpr std::uint32_t kAriHierarchy = 0x10;
constexpr unsigned kInitialVfs = 0x0C;
constexpr unsigned kTotalVfs = 0x0E;
constexpr unsigned kNumVfs = 0x10;
constexpr unsigned kVfOffset = 0x14;
constexpr unsigned kVfStride = 0x16;
constexpr unsigned kSupportedPages = 0x1C;
constexpr unsigned kPageSize = 0x20;
constexpr unsigned kVfBar0 = 0x24;
constexpr unsigned kVfBars = 6;

}  // namespace

Co<> PciCore::State::init_iov(PciDev& dev) {
  if (dev.pcie_cap == 0) co_return;
  const std::uint16_t at = find_extended(dev, regs::kExtSriov, "pci_iov_init");
  if (at == 0) co_return;
  const std::uint32_t control = read(dev, at + kControl, 2, kInit);
  if ((control & kVfEnable) != 0) {
    co_await write(dev, at + kControl, 2, 0, kInit);
    co_await services_.spend(sim::Duration::seconds(1));
  }
  // ARI Capable Hierarchy is a bit of the first physical function of a device.
  const bool first = std::ranges::none_of(dev.bus->devices,
                                          [&](const auto& other) { return other->sriov_cap != 0; });
  const bool ari = first && dev.bus->bridge != nullptr && dev.bus->bridge->ari_enabled;
  co_await write(dev, at + kControl, 2, ari ? kAriHierarchy : 0, kInit);
  const std::uint32_t total = read(dev, at + kTotalVfs, 2, kInit);
  if (total == 0) co_return;
  dev.sriov_cap = at;
  const std::uint32_t pages = read(dev, at + kSupportedPages, 4, kInit);
  if (pages == 0) co_return;
  co_await write(dev, at + kPageSize, 4, pages & (~pages + 1), kInit);  // the smallest
  for (unsigned i = 0; i < kVfBars;) {
    Resource& bar = dev.vf_bars[i];
    const auto offset = static_cast<std::uint16_t>(at + kVfBar0 + 4 * i);
    i += co_await read_base(dev, offset, bar, i + 1 == kVfBars);
    if (bar.size == 0) continue;
    bar.alignment = bar.size;
    bar.size *= total;
  }
  read(dev, at + kInitialVfs, 2, kInit);
  // compute_max_vf_buses: offset and stride depend on the number of VFs.
  constexpr const char* kBuses = "compute_max_vf_buses";
  const unsigned devfn = dev.address.bdf.value();
  for (std::uint32_t count = total; count > 0; --count) {
    co_await write(dev, at + kNumVfs, 2, count, kBuses);
    const std::uint32_t offset = read(dev, at + kVfOffset, 2, kBuses);
    const std::uint32_t stride = read(dev, at + kVfStride, 2, kBuses);
    if (offset == 0 || (count > 1 && stride == 0)) break;
    const unsigned bus = (devfn + offset + stride * (count - 1)) >> 8;
    if (bus <= 0xFF && bus > dev.last_vf_bus) {
      dev.last_vf_bus = static_cast<std::uint8_t>(bus);
    }
  }
  co_await write(dev, at + kNumVfs, 2, 0, kBuses);
}

}  // namespace baton::linux::pci
