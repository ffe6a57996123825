// Module and driver [linux drivers/vfio/pci/vfio_pci.c].
#include "model/vfio/vfio_pci.h"

#include <algorithm>
#include <set>

#include "model/vfio/group.h"

namespace baton::vfio {

namespace {

using linux::Errno;

constexpr std::uint16_t kIntel = 0x8086;
// Devices that a hostile owner can use to harm the host [linux vfio_pci.c
// vfio_pci_dev_in_denylist]: QAT, DSA and IAX of Sapphire Rapids.
constexpr std::uint16_t kDenied[] = {0x0435, 0x0443, 0x37C8, 0x37C9, 0x6F54,
                                     0x6F55, 0x19E2, 0x19E3, 0x0B25, 0x0CFE};

bool denied(const linux::pci::PciDev& dev) {
  return dev.vendor == kIntel && std::ranges::find(kDenied, dev.device) != std::end(kDenied);
}

}  // namespace

VfioPci::VfioPci(linux::KernelServices& services, kho::Kho& kho, luo::Luo& luo,
                 linux::pci::PciCore& pci, linux::pci::PciLiveUpdate& pci_live_update,
                 linux::irq::IrqCore& irq, iommufd::IommufdSubsystem& iommufd)
    : state_(std::make_unique<State>(services, kho, luo, pci, pci_live_update, irq, iommufd)) {}

VfioPci::~VfioPci() = default;

VfioPci::State::State(linux::KernelServices& kernel_services, kho::Kho& handover,
                      luo::Luo& orchestrator, linux::pci::PciCore& pci_core,
                      linux::pci::PciLiveUpdate& pci_liveupdate, linux::irq::IrqCore& irq_core,
                      iommufd::IommufdSubsystem& iommufd_subsystem)
    : services(kernel_services),
      kho(handover),
      luo(orchestrator),
      pci(pci_core),
      pci_live_update(pci_liveupdate),
      irqs(irq_core),
      iommufds(iommufd_subsystem),
      states(kernel_services, handover) {}

VfioPci::State::~State() = default;

void VfioPci::init() {
  if (state_->services.config().pieces.vfio == linux::VfioLiveUpdate::kNone) {
    return;
  }
  linux::Result<> done = state_->luo.register_handler(*this);
  if (done) {
    done = state_->pci_live_update.register_flbs(*this);
  }
  if (done && state_->runs()) {
    done = state_->luo.register_flb(*this, state_->states);
  }
  if (!done && done.error() != Errno::kOpNotSupp) {
    state_->services.print(sim::LogLevel::kError, "vfio-pci: live update not registered ({})",
                           linux::name(done.error()));
  }
}

Device* VfioPci::State::find_recorded(Sbdf key) const {
  const auto found = std::ranges::find_if(
      devices, [&](const auto& device) { return device->dev.recorded_as() == key; });
  return found == devices.end() ? nullptr : found->get();
}

Device* VfioPci::State::find(Sbdf address) const {
  for (const auto& device : devices) {
    if (device->dev.address == address) {
      return device.get();
    }
  }
  return nullptr;
}

linux::Result<linux::File*> VfioPci::open_cdev(unsigned index) {
  for (const auto& device : state_->devices) {
    if (device->index == index) {
      if (device->refused_by_handover() &&
          !state_->services.has(linux::Defect::kVfioOpenIncoming)) {
        return linux::fail(Errno::kBusy);
      }
      if (device->unregistering) {
        return linux::fail(Errno::kNoDev);
      }
      return &state_->services.files().add(std::make_unique<CdevFile>(*device, false));
    }
  }
  return linux::fail(Errno::kNoEnt);
}

// vfio_group_fops_open().
linux::Result<linux::File*> VfioPci::open_group(unsigned number) {
  const auto found = state_->groups.find(number);
  if (found == state_->groups.end()) {
    return linux::fail(Errno::kNoEnt);
  }
  Group& group = *found->second;
  if (group.bound_cdevs > 0 || group.opened != nullptr) {
    return linux::fail(Errno::kBusy);
  }
  return &state_->services.files().add(std::make_unique<GroupFile>(group));
}

linux::Result<linux::File*> VfioPci::open_container() {
  return &state_->services.files().add(std::make_unique<Container>(*state_));
}

std::optional<unsigned> VfioPci::cdev_of(Sbdf address) const {
  const Device* device = state_->find(address);
  return device == nullptr ? std::nullopt : std::optional(device->index);
}

// Of baton's own, for record "vfio-pci-v1": 6f1c7a52-0d3e-4b58-9a41-76667631b47d.
linux::pci::DataFormat VfioPci::data_format() const {
  return {0x6F, 0x1C, 0x7A, 0x52, 0x0D, 0x3E, 0x4B, 0x58,
          0x9A, 0x41, 0x76, 0x66, 0x76, 0x31, 0xB4, 0x7D};
}

std::string_view VfioPci::name() const { return "vfio-pci"; }

// The id table matches every function, for functions overridden to this driver only.
bool VfioPci::matches(const linux::pci::PciDev& dev) const {
  return dev.driver_override == "vfio-pci";
}

Co<linux::Result<>> VfioPci::probe(linux::pci::PciDev& dev) {
  if (denied(dev) && !state_->services.config().vfio_disable_denylist) {
    state_->services.print(sim::LogLevel::kWarning,
                           "vfio-pci {}: device is in the denylist, probe refused",
                           to_string(dev.address));
    co_return linux::fail(Errno::kInval);
  }
  if (dev.header_type != 0) {
    co_return linux::fail(Errno::kInval);
  }
  std::set<unsigned> taken;
  for (const auto& device : state_->devices) taken.insert(device->index);
  unsigned index = 0;
  while (taken.contains(index)) {
    ++index;
  }
  state_->devices.push_back(std::make_unique<Device>(*state_, dev, index));
  // vfio_group_find_or_alloc().
  if (const auto number = state_->iommufds.iommu().group_number(dev)) {
    auto& group = state_->groups[*number];
    if (group == nullptr) group = std::make_unique<Group>(*state_, *number);
    state_->devices.back()->group = group.get();
  }
  co_return linux::Result<>();
}

// vfio_pci_sriov_configure(): with the module's parameter only.
Co<linux::Result<>> VfioPci::sriov_configure(linux::pci::PciDev& dev, unsigned count) {
  if (!sriov_allowed_) co_return linux::fail(Errno::kNoEnt);
  if (count == 0) {
    co_await state_->pci.disable_sriov(dev);
    co_return linux::Result<>();
  }
  co_return co_await state_->pci.enable_sriov(dev, count);
}

// vfio_unregister_group_dev(): no new opens; asks the owner, once, and waits for the open files to
// be closed. Linux asks again every 10 s.
Co<> VfioPci::remove(linux::pci::PciDev& dev) {
  Device* device = state_->find(dev.address);
  device->unregistering = true;
  if (device->open_files > 0 && !state_->services.has(linux::Defect::kVfioForgetRequest) &&
      !device->notices.request()) {
    state_->services.print(sim::LogLevel::kInfo,
                           "vfio-pci {}: no device request channel registered, blocked until "
                           "released by user",
                           to_string(dev.address));
  }
  sim::Context& context = state_->services.port().context();
  while (device->open_files > 0) {
    sim::WaitNode node(context, context.actor(), "vfio-unregister");
    co_await device->closed.wait(context, node);
  }
  Group* group = device->group;
  std::erase_if(state_->devices, [device](const auto& entry) { return entry.get() == device; });
  const auto in_group = [group](const auto& entry) { return entry->group == group; };
  if (group != nullptr && group->opened == nullptr &&
      std::ranges::none_of(state_->devices, in_group)) {
    state_->groups.erase(group->number);
  }
}

}  // namespace baton::vfio
