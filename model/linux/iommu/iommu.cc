// Groups, DMA ownership and attachment [linux drivers/iommu/iommu.c].
#include "model/linux/iommu/iommu.h"

#include "model/linux/iommu/core_state.h"
#include "sim/check.h"

namespace baton::linux::iommu {

namespace {
// A CPU that is interrupted between two stores of one entry (assumed: a long interrupt handler).
constexpr sim::Duration kBetweenTwoStores = sim::Duration::microseconds(50);
}  // namespace

IommuCore::IommuCore(KernelServices& services, kho::Kho& kho, luo::Luo& luo)
    : state_(std::make_unique<State>(services, kho, luo)) {}

IommuCore::~IommuCore() = default;

void IommuCore::set_driver(HardwareDriver& driver) { state_->driver = &driver; }

void IommuCore::set_pci(pci::PciCore& core) { state_->pci = &core; }

namespace {

// pci_real_dma_dev(): who sends for a function behind a VMD [linux arch/x86/pci/common.c].
const pci::PciDev& real_dma_dev(const pci::PciDev& dev) {
  const pci::PciDev* owner = dev.bus == nullptr ? nullptr : dev.bus->host.owner;
  return owner == nullptr ? dev : *owner;
}

}  // namespace

Group* IommuCore::State::group_of(const pci::PciDev& dev) {
  const auto found = group_by_device.find(real_dma_dev(dev).address);
  return found == group_by_device.end() ? nullptr : found->second;
}

void IommuCore::State::record(LedgerEvent event, LedgerKind kind, const char* what,
                              sim::PhysRange pages, std::uint64_t id) {
  auto& ledger = services.port().simulation().topic<LedgerEntry>();
  if (ledger.active()) {
    ledger.publish({services.generation(), event, kind, what, pages, id});
  }
}

Co<Result<>> IommuCore::probe_device(pci::PciDev& dev) {
  State& state = *state_;
  if (state.driver == nullptr || state.driver->unit_of(dev) == PhysAddr{}) {
    co_return fail(Errno::kNoDev);
  }
  BATON_CHECK(!state.group_by_device.contains(dev.address),
              "a device is probed by the IOMMU core twice");
  Group& group = state.group_for(dev);
  const std::optional<Sbdf> key = dev.recorded_as();
  const auto incoming = key ? state.incoming.devices.find(*key) : state.incoming.devices.end();
  if (incoming == state.incoming.devices.end()) {
    const Result<> probed = state.driver->probe_device(dev, nullptr);
    if (!probed) {
      state.leave_group(dev);
      co_return probed;
    }
    if (!state.driver->attach_deferred(dev)) {
      state.driver->attach_identity(dev);
    }
    co_return Result<>{};
  }
  const DeviceRecord device = incoming->second;
  state.incoming.devices.erase(incoming);  // a device that is probed again starts afresh
  if (!state.restore_device(group, dev, device)) {
    state.use_default(dev);
    co_return Result<>{};
  }
  if (state.services.has(Defect::kIommuTornPasidEntry)) {
    state.driver->tear_restored_entry(dev, true);
    co_await state.services.spend(kBetweenTwoStores);
    state.driver->tear_restored_entry(dev, false);
  }
  co_return Result<>{};
}

Result<> IommuCore::claim_dma_owner(pci::PciDev& dev, std::uint64_t owner) {
  Group* group = state_->group_of(dev);
  if (group == nullptr) {
    return fail(Errno::kNoDev);
  }
  if (group->owner_count > 0) {
    if (group->owner != owner) {
      return fail(Errno::kPerm);
    }
    ++group->owner_count;
    return {};
  }
  for (pci::PciDev* member : group->devices) {
    state_->driver->attach_blocking(*member);
  }
  group->owner = owner;
  group->owner_count = 1;
  return {};
}

void IommuCore::release_dma_owner(pci::PciDev& dev) {
  Group* group = state_->group_of(dev);
  BATON_CHECK(group != nullptr && group->owner && group->owner_count > 0,
              "DMA ownership is released by nobody");
  if (--group->owner_count == 0) {
    group->owner.reset();
    group->attached = nullptr;
    group->attachers.clear();
    for (pci::PciDev* member : group->devices) {
      state_->driver->attach_identity(*member);
    }
  }
}

std::optional<std::uint64_t> IommuCore::dma_owner(const pci::PciDev& dev) const {
  const Group* group = state_->group_of(dev);
  return group == nullptr ? std::nullopt : group->owner;
}

bool IommuCore::dma_claimed(const pci::PciDev& dev) const {
  const Group* group = state_->group_of(dev);
  return group != nullptr && group->owner_count > 0;
}

Result<> IommuCore::use_default_domain(pci::PciDev& dev) {
  Group* group = state_->group_of(dev);
  if (group == nullptr) {
    return {};  // no IOMMU, no owner
  }
  const bool taken = group->owner || group->attached != nullptr;
  if (taken && state_->services.has(Defect::kIommuOpenGroups)) {
    return {};
  }
  if (taken) {
    return fail(Errno::kBusy);
  }
  // iommu_deferred_attach(): the driver is about to do DMA.
  if (state_->driver->attach_deferred(dev)) {
    state_->driver->attach_identity(dev);
  }
  ++group->owner_count;
  return {};
}

void IommuCore::unuse_default_domain(pci::PciDev& dev) {
  Group* group = state_->group_of(dev);
  if (group != nullptr && group->owner_count > 0 && !group->owner) {
    --group->owner_count;
  }
}

Result<std::unique_ptr<Domain>> IommuCore::alloc_paging(pci::PciDev& dev, DomainUse use) {
  if (state_->group_of(dev) == nullptr) {
    return fail(Errno::kNoDev);
  }
  return state_->driver->alloc_paging(dev, use);
}

Result<std::unique_ptr<Domain>> IommuCore::alloc_nested(pci::PciDev& dev, Domain& parent,
                                                        const UserTable& table) {
  return state_->driver->alloc_nested(dev, parent, table);
}

Result<> IommuCore::State::attach_all(Group& group, Domain& domain) {
  for (std::size_t i = 0; i < group.devices.size(); ++i) {
    const Result<> attached = driver->attach(*group.devices[i], domain);
    if (attached) {
      continue;
    }
    while (i-- > 0) {  // back to what it was
      if (group.attached == nullptr) {
        driver->attach_blocking(*group.devices[i]);
      } else {
        static_cast<void>(driver->attach(*group.devices[i], *group.attached));
      }
    }
    return attached;
  }
  return {};
}

// iommu_attach_group(), iommu_group_replace_domain(): the first device takes the whole group along,
// and others of it cannot want another domain then.
Result<> IommuCore::attach(pci::PciDev& dev, Domain& domain) {
  Group* group = state_->group_of(dev);
  if (group == nullptr) {
    return fail(Errno::kNoDev);
  }
  const bool alone = group->attachers.empty() ||
                     (group->attachers.size() == 1 && group->attachers.contains(dev.address));
  if (group->attached != &domain) {
    if (!alone) {
      return fail(Errno::kInval);
    }
    if (const Result<> attached = state_->attach_all(*group, domain); !attached) {
      return attached;
    }
    group->attached = &domain;
  }
  group->attachers.insert(dev.address);
  return {};  // a restored domain stays as the tables have it
}

void IommuCore::detach(pci::PciDev& dev) {
  Group* group = state_->group_of(dev);
  BATON_CHECK(group != nullptr, "a device without a group leaves its domain");
  group->attachers.erase(dev.address);
  if (!group->attachers.empty()) {
    return;
  }
  group->attached = nullptr;
  for (pci::PciDev* member : group->devices) {
    state_->driver->attach_blocking(*member);
  }
}

Result<> IommuCore::attach_pasid(pci::PciDev& dev, std::uint32_t pasid, Domain& domain) {
  const std::uint32_t pasids = state_->driver->hardware_info(dev).max_pasids;
  if (pasid == 0 || (pasids > 0 && pasid >= pasids)) {
    return fail(Errno::kInval);
  }
  return pasids == 0 ? Result<>() : state_->driver->attach_pasid(dev, pasid, domain);
}

void IommuCore::detach_pasid(pci::PciDev& dev, std::uint32_t pasid) {
  if (state_->driver->hardware_info(dev).max_pasids > 0) {
    state_->driver->detach_pasid(dev, pasid);
  }
}

HardwareInfo IommuCore::hardware_info(pci::PciDev& dev) const {
  return state_->driver->hardware_info(dev);
}

Co<> IommuCore::settle() {
  if (state_->driver != nullptr) {
    co_await state_->driver->settle();
  }
}

Domain* IommuCore::attached(const pci::PciDev& dev) const {
  const Group* group = state_->group_of(dev);
  return group == nullptr ? nullptr : group->attached;
}

}  // namespace baton::linux::iommu
