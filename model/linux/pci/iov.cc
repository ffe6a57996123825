// SR-IOV [linux drivers/pci/iov.c, drivers/pci/probe.c for what differs for a VF]: a physical
// function as enumeration leaves it, no VF enabled, the VF BARs sized, and the bus numbers known
// that VFs can need (pci_iov_init, sriov_init, compute_max_vf_buses); VFs as the driver of their
// physical function asks for them (sriov_enable, sriov_disable, pci_iov_set_numvfs,
// pci_iov_add_virtfn, pci_iov_remove_virtfn).
//
// With policy sriov: adopt, a design target, a physical function below which a VF was handed over
// keeps its VFs: nothing of the capability is written, the sizes of the VF BARs come from the
// folio.
//
// A VF that was removed is kept, and found again when it comes back: its IOMMU group outlives it
// here. Not modelled: VFs on a bus of their own (virtfn_add_bus), VF migration, dependency links
// between physical functions.
#include <algorithm>

#include "model/linux/pci/pci_liveupdate.h"
#include "model/linux/pci/state.h"

namespace baton::linux::pci {
namespace {

constexpr const char* kInit = "sriov_init";
constexpr const char* kEnable = "sriov_enable";
constexpr const char* kDisable = "sriov_disable";
constexpr const char* kSetNumVfs = "pci_iov_set_numvfs";
constexpr const char* kVfCommon = "pci_read_vf_config_common";

// Offsets in the capability.
constexpr unsigned kControl = 0x08;
constexpr unsigned kInitialVfs = 0x0C;
constexpr unsigned kTotalVfs = 0x0E;
constexpr unsigned kNumVfs = 0x10;
constexpr unsigned kVfOffset = 0x14;
constexpr unsigned kVfStride = 0x16;
constexpr unsigned kVfDevice = 0x1A;
constexpr unsigned kSupportedPages = 0x1C;
constexpr unsigned kPageSize = 0x20;
constexpr unsigned kVfBar0 = 0x24;
constexpr unsigned kVfBars = 6;

constexpr std::uint32_t kVfEnable = 0x01;
constexpr std::uint32_t kVfMemorySpace = 0x08;
constexpr std::uint32_t kAriHierarchy = 0x10;

}  // namespace

Co<> PciCore::State::init_iov(PciDev& dev) {
  if (dev.pcie_cap == 0) co_return;
  const std::uint16_t at = find_extended(dev, regs::kExtSriov, "pci_iov_init");
  if (at == 0) co_return;
  const std::uint32_t control = read(dev, at + kControl, 2, kInit);
  if ((control & kVfEnable) != 0 && keeps_virtual_functions(dev)) {
    co_await adopt_iov(dev, at);
    co_return;
  }
  if ((control & kVfEnable) != 0) {
    co_await write(dev, at + kControl, 2, 0, kInit);
    co_await services_.spend(sim::Duration::seconds(1));
  }
  // ARI Capable Hierarchy is a bit of the first physical function of a device.
  const bool first = std::ranges::none_of(dev.bus->devices,
                                          [&](const auto& other) { return other->sriov_cap != 0; });
  const bool ari = first && dev.bus->bridge != nullptr && dev.bus->bridge->ari_enabled;
  dev.sriov_control = ari ? kAriHierarchy : 0;
  co_await write(dev, at + kControl, 2, dev.sriov_control, kInit);
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
  co_await find_vf_buses(dev, total);
}

// compute_max_vf_buses: offset and stride depend on the number of VFs.
Co<> PciCore::State::find_vf_buses(PciDev& dev, unsigned total) {
  constexpr const char* kBuses = "compute_max_vf_buses";
  const unsigned at = dev.sriov_cap;
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

// The previous kernel handed over one of them, and left what reading alone does not tell.
bool PciCore::State::keeps_virtual_functions(const PciDev& dev) const {
  return dev.incoming() && live_update_ != nullptr &&
         services_.config().policies.sriov == SriovPolicy::kAdopt &&
         live_update_->virtual_shape_of(dev) != nullptr;
}

// As sriov_init and sriov_enable would leave it, without a write.
Co<> PciCore::State::adopt_iov(PciDev& dev, std::uint16_t at) {
  dev.sriov_cap = at;
  dev.sriov_control =
      static_cast<std::uint16_t>(read(dev, at + kControl, 2, kInit) & kAriHierarchy);
  const unsigned total = total_vfs(dev);
  read(dev, at + kPageSize, 4, kInit);
  const FunctionShape& shape = *live_update_->virtual_shape_of(dev);
  for (unsigned i = 0; i < kVfBars; ++i) {
    Resource& bar = dev.vf_bars[i];
    if (shape.bar_sizes[i] == 0) continue;
    const std::uint32_t low = read(dev, at + kVfBar0 + 4 * i, 4, kInit);
    bar.prefetchable = (low & 8) != 0;
    bar.is_64bit = (low & 6) == 4;
    bar.alignment = shape.bar_sizes[i];
    bar.size = bar.alignment * total;
    std::uint64_t start = low & ~0xFU;
    if (bar.is_64bit && i + 1 < kVfBars) {
      start |= std::uint64_t{read(dev, at + kVfBar0 + 4 * i + 4, 4, kInit)} << 32;
    }
    bar.start = PhysAddr(start);
  }
  const std::uint32_t count = read(dev, at + kNumVfs, 2, kSetNumVfs);
  read_vf_ids(dev);
  const unsigned last = dev.address.bdf.value() + dev.vf_offset + dev.vf_stride * (count - 1);
  if (count == 0 || count > total || last >> 8 != dev.address.bdf.bus()) {
    services_.print(sim::LogLevel::kError,
                    "pci {}: SR-IOV: {} VFs were handed over, of {} on its bus: not taken over",
                    to_string(dev.address), count, total);
    co_return;
  }
  dev.last_vf_bus = static_cast<std::uint8_t>(last >> 8);
  dev.num_vfs = static_cast<std::uint16_t>(count);
  for (unsigned index = 0; index < count; ++index) {
    PciDev& virtfn = new_virtual_function(dev, index);
    co_await setup_virtual_function(virtfn, index);
  }
}

std::uint32_t PciCore::State::total_vfs(const PciDev& dev) {
  return read(dev, dev.sriov_cap + kTotalVfs, 2, "pci_sriov_get_totalvfs");
}

Co<> PciCore::State::set_num_vfs(PciDev& dev, unsigned count) {
  co_await write(dev, dev.sriov_cap + kNumVfs, 2, count, kSetNumVfs);
  read_vf_ids(dev);
}

void PciCore::State::read_vf_ids(PciDev& dev) {
  dev.vf_offset = static_cast<std::uint16_t>(read(dev, dev.sriov_cap + kVfOffset, 2, kSetNumVfs));
  dev.vf_stride = static_cast<std::uint16_t>(read(dev, dev.sriov_cap + kVfStride, 2, kSetNumVfs));
}

// What can be said against it before anything is written.
Result<> PciCore::State::check_sriov(PciDev& dev, unsigned count) {
  if (dev.num_vfs != 0) return fail(Errno::kInval);
  const std::uint32_t initial = read(dev, dev.sriov_cap + kInitialVfs, 2, kEnable);
  const std::uint32_t total = total_vfs(dev);
  if (initial != total) return fail(Errno::kIo);  // without VF migration
  if (count > total) return fail(Errno::kInval);
  const bool placed = std::ranges::all_of(
      dev.vf_bars, [](const Resource& bar) { return bar.size == 0 || bar.start.value() != 0; });
  if (!placed) {
    services_.print(sim::LogLevel::kError, "pci {}: not enough MMIO resources for SR-IOV",
                    to_string(dev.address));
    return fail(Errno::kNoMem);
  }
  return {};
}

Co<Result<>> PciCore::State::enable_sriov(PciDev& dev, unsigned count) {
  if (dev.sriov_cap == 0) co_return fail(Errno::kInval);  // ENOSYS; no path leads here
  if (count == 0) co_return Result<>();
  if (const auto checked = check_sriov(dev, count); !checked) co_return checked;
  co_await set_num_vfs(dev, count);
  const unsigned last = dev.address.bdf.value() + dev.vf_offset + dev.vf_stride * (count - 1);
  if (last >> 8 != dev.address.bdf.bus()) {
    services_.print(sim::LogLevel::kError, "pci {}: SR-IOV: bus number out of range",
                    to_string(dev.address));
    co_await set_num_vfs(dev, 0);
    co_return fail(Errno::kNoMem);
  }
  const std::uint32_t command = read(dev, regs::kCommand, 2, "pci_enable_resources");
  if ((command & regs::kCommandMemory) == 0) {
    co_await write(dev, regs::kCommand, 2, command | regs::kCommandMemory, "pci_enable_resources");
  }
  const std::uint32_t control = dev.sriov_control | kVfEnable | kVfMemorySpace;
  co_await write(dev, dev.sriov_cap + kControl, 2, control, kEnable);
  co_await services_.spend(sim::Duration::milliseconds(100));
  dev.num_vfs = static_cast<std::uint16_t>(count);
  for (unsigned index = 0; index < count; ++index) co_await add_virtual_function(dev, index);
  co_return Result<>();
}

Co<> PciCore::State::disable_sriov(PciDev& dev) {
  if (dev.num_vfs == 0) co_return;
  for (unsigned index = 0; index < dev.num_vfs; ++index) {
    const Sbdf address{dev.address.segment, virtual_address(dev, index)};
    const auto found = std::ranges::find(devices_, address, &PciDev::address);
    if (found == devices_.end()) continue;
    PciDev& virtfn = **found;
    if (removed_) {
      Co<> removal = removed_(virtfn);
      co_await std::move(removal);
    }
    std::erase(devices_, &virtfn);
    by_address_.erase(virtfn.address);
  }
  co_await write(dev, dev.sriov_cap + kControl, 2, dev.sriov_control, kDisable);
  co_await services_.spend(sim::Duration::seconds(1));
  dev.num_vfs = 0;
  co_await set_num_vfs(dev, 0);
}

Bdf PciCore::State::virtual_address(const PciDev& dev, unsigned index) {
  return Bdf(
      static_cast<std::uint16_t>(dev.address.bdf.value() + dev.vf_offset + dev.vf_stride * index));
}

Co<> PciCore::State::add_virtual_function(PciDev& dev, unsigned index) {
  const Sbdf address{dev.address.segment, virtual_address(dev, index)};
  PciDev* virtfn = nullptr;
  for (const auto& known : dev.virtual_functions) {
    if (known->address == address) virtfn = known.get();
  }
  if (virtfn == nullptr) {
    virtfn = &new_virtual_function(dev, index);
    co_await setup_virtual_function(*virtfn, index);
  }
  devices_.push_back(virtfn);
  by_address_.emplace(virtfn->address, virtfn);
  if (!added_) co_return;
  Co<> addition = added_(*virtfn);
  co_await std::move(addition);
}

PciDev& PciCore::State::new_virtual_function(PciDev& dev, unsigned index) {
  dev.virtual_functions.push_back(std::make_unique<PciDev>());
  PciDev& virtfn = *dev.virtual_functions.back();
  virtfn.address = {dev.address.segment, virtual_address(dev, index)};
  virtfn.bus = dev.bus;
  virtfn.physical = &dev;
  return virtfn;
}

// Its ids and its share of the BARs come from the physical function; the rest is read as of any
// function. Each VF is asked for its class and subsystem, where Linux asks the first one only.
Co<> PciCore::State::setup_virtual_function(PciDev& virtfn, unsigned index) {
  PciDev& dev = *virtfn.physical;
  virtfn.vendor = dev.vendor;
  virtfn.device =
      static_cast<std::uint16_t>(read(dev, dev.sriov_cap + kVfDevice, 2, "pci_iov_add_virtfn"));
  virtfn.class_code = read(virtfn, regs::kClassRevision, 4, kVfCommon) >> 8;
  virtfn.header_type = read(virtfn, regs::kHeaderType, 1, kVfCommon) & 0x7F;
  virtfn.subsystem_vendor =
      static_cast<std::uint16_t>(read(virtfn, regs::kSubsystemVendor, 2, kVfCommon));
  virtfn.subsystem_device =
      static_cast<std::uint16_t>(read(virtfn, regs::kSubsystemId, 2, kVfCommon));
  virtfn.config_size = 4096;
  co_await set_pcie_port_type(virtfn);
  if (live_update_ != nullptr) live_update_->setup_device(virtfn);
  co_await toggle_intx(virtfn);
  for (unsigned i = 0; i < dev.vf_bars.size(); ++i) {
    const Resource& all = dev.vf_bars[i];
    if (all.size == 0) continue;
    virtfn.resources[i] = all;
    virtfn.resources[i].size = all.alignment;
    virtfn.resources[i].start = all.start + index * all.alignment;
  }
  co_await configure(virtfn);
  co_await init_capabilities(virtfn);
}

}  // namespace baton::linux::pci
