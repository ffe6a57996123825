// The object table: devices bound and attached, HWPTs made and destroyed [linux
// drivers/iommu/iommufd/device.c, hw_pagetable.c, main.c].
#include <algorithm>

#include "model/iommufd/state.h"
#include "sim/check.h"

namespace baton::iommufd {

using linux::Errno;
using linux::fail;
using linux::Result;

Iommufd::Iommufd(std::unique_ptr<State> state) : state_(std::move(state)) {}

Iommufd::~Iommufd() = default;

std::string Iommufd::name() const { return "/dev/iommu"; }

// The last reference is gone: VFIO holds one per bound device, so no device is left.
Co<> Iommufd::release() {
  // Nested tables before those that they lie over.
  for (const bool nested : {true, false}) {
    for (auto at = state_->objects.begin(); at != state_->objects.end();) {
      Object& object = *(at++)->second;
      BATON_CHECK(object.type != ObjectType::kDevice, "an iommufd with a bound device is released");
      if (object.type != ObjectType::kHwpt) {
        continue;
      }
      Hwpt& hwpt = static_cast<Hwpt&>(object);
      if ((hwpt.parent != nullptr) == nested) {
        state_->destroy_hwpt(hwpt);
      }
    }
  }
  while (!state_->objects.empty()) {
    co_await state_->destroy_ioas(static_cast<Ioas&>(*state_->objects.begin()->second));
  }
}

// The lowest free id from 1 on; ids of devices that are still to come back are not free.
std::uint32_t Iommufd::State::free_id() const {
  std::uint32_t id = 1;
  const auto awaited = [&] {
    return incoming && std::any_of(incoming->awaited.begin(), incoming->awaited.end(),
                                   [&](const Awaited& device) { return device.id == id; });
  };
  while (objects.contains(id) || awaited()) {
    ++id;
  }
  return id;
}

Result<Hwpt*> Iommufd::State::alloc_hwpt(Ioas& ioas, Device& device, linux::iommu::DomainUse use,
                                         bool automatic) {
  auto domain = shared.iommu.alloc_paging(device.dev, use);
  if (!domain) {
    return fail(domain.error());
  }
  if (auto added = ioas.add_domain(**domain); !added) {
    (*domain)->release();
    return fail(added.error());
  }
  Hwpt& hwpt = add(std::make_unique<Hwpt>(free_id(), ioas));
  hwpt.domain = std::move(*domain);
  hwpt.automatic = automatic;
  hwpt.nest_parent = use.nest_parent;
  hwpt.pasid_compat = use.pasid;
  ++ioas.users;
  return &hwpt;
}

void Iommufd::State::destroy_hwpt(Hwpt& hwpt) {
  hwpt.state.commit(HwptEvent::kDestroy);
  if (hwpt.domain != nullptr) {
    if (hwpt.parent == nullptr) {
      hwpt.ioas.remove_domain(*hwpt.domain);
    }
    hwpt.domain->release();
  }
  --(hwpt.parent == nullptr ? hwpt.ioas.users : hwpt.parent->users);
  objects.erase(hwpt.id);
}

Co<> Iommufd::State::destroy_ioas(Ioas& ioas) {
  static_cast<void>(co_await ioas.unmap(0, UINT64_MAX));
  objects.erase(ioas.id);
}

std::vector<Hwpt*> Iommufd::State::marked_hwpts() {
  std::vector<Hwpt*> marked;
  for (const auto& [id, object] : objects) {
    if (object->type == ObjectType::kHwpt && static_cast<Hwpt&>(*object).is_marked()) {
      marked.push_back(static_cast<Hwpt*>(object.get()));
    }
  }
  return marked;
}

Result<std::uint32_t> Iommufd::bind(linux::pci::PciDev& dev) {
  State& state = *state_;
  std::uint32_t id = 0;
  const Result<> reclaimed = state.reclaim(dev, id);
  if (reclaimed) {
    return id;
  }
  if (reclaimed.error() == Errno::kAddrNotAvail) {
    return fail(reclaimed.error());
  }
  if (auto claimed = state.shared.iommu.claim_dma_owner(dev, state.owner); !claimed) {
    return fail(claimed.error());
  }
  return state.add(std::make_unique<Device>(state.free_id(), dev)).id;
}

void Iommufd::unbind(std::uint32_t device_id) {
  Device* device = state_->device(device_id);
  BATON_CHECK(device != nullptr && !device->is_preserved(),
              "unbind of no device, or a preserved one");
  while (!device->pasids.empty()) {
    state_->detach_pasid(*device, device->pasids.begin()->first);
  }
  if (device->hwpt != nullptr) {
    state_->detach_hwpt(*device);
  }
  linux::pci::PciDev& dev = device->dev;
  device->attachment.commit(AttachEvent::kUnbind);
  state_->objects.erase(device_id);
  state_->shared.iommu.release_dma_owner(dev);
}

// The HWPT that a device is to be attached to: a given one, or the automatic one of an IOAS.
Result<Hwpt*> Iommufd::State::attach_target(Device& device, std::uint32_t pt_id) {
  if (Hwpt* given = hwpt(pt_id); given != nullptr) {
    return given;
  }
  Ioas* space = ioas(pt_id);
  if (space == nullptr) {
    return fail(objects.contains(pt_id) ? Errno::kInval : Errno::kNoEnt);
  }
  for (const auto& [id, object] : objects) {
    if (object->type == ObjectType::kHwpt) {
      Hwpt& candidate = static_cast<Hwpt&>(*object);
      if (candidate.automatic && &candidate.ioas == space && candidate.domain != nullptr) {
        return &candidate;
      }
    }
  }
  return alloc_hwpt(*space, device, {}, true);
}

// iommufd_hw_pagetable_attach, or _replace when the device is attached.
Result<> Iommufd::State::attach_hwpt(Device& device, Hwpt& target) {
  if (target.domain == nullptr) {
    return fail(Errno::kInval);
  }
  // AMBIGUOUS: the posted series leaves replacing under a preserved device open; policy
  // prepared_lockdown decides whether record and tables can come to disagree.
  if (shared.locks_down()) {
    if (auto may = device.attachment.check(AttachEvent::kChange); !may) {
      return may;
    }
  }
  if (!target.pasid_compat && !device.pasids.empty()) {
    return fail(Errno::kInval);  // iommufd_hwpt_pasid_compat()
  }
  const bool window_known = device.hwpt != nullptr && &device.hwpt->ioas == &target.ioas;
  if (!window_known) {
    if (auto reserved = target.ioas.reserve(kMessageWindow, &device); !reserved) {
      return reserved;
    }
  }
  if (auto attached = shared.iommu.attach(device.dev, *target.domain); !attached) {
    if (!window_known) {
      target.ioas.unreserve(&device);
    }
    return attached;
  }
  device.attachment.commit(AttachEvent::kAttach);
  Hwpt* old = std::exchange(device.hwpt, &target);
  ++target.users;
  if (old != nullptr) {
    if (!window_known) {
      old->ioas.unreserve(&device);
    }
    put_hwpt(*old);
  }
  return {};
}

void Iommufd::State::put_hwpt(Hwpt& hwpt) {
  if (--hwpt.users == 0 && hwpt.automatic) {
    destroy_hwpt(hwpt);
  }
}

// iommufd_device_attach with a PASID; in place of another HWPT if the PASID has one.
Result<> Iommufd::State::attach_pasid(Device& device, std::uint32_t pasid, Hwpt& target) {
  const bool compatible =
      target.pasid_compat && (device.hwpt == nullptr || device.hwpt->pasid_compat);
  if (!compatible || target.domain == nullptr) {
    return fail(Errno::kInval);
  }
  if (auto may = device.attachment.check(AttachEvent::kAttachPasid); !may) {
    return may;
  }
  if (auto attached = shared.iommu.attach_pasid(device.dev, pasid, *target.domain); !attached) {
    return attached;
  }
  ++target.users;
  Hwpt* old = std::exchange(device.pasids[pasid], &target);
  if (old != nullptr) {
    put_hwpt(*old);
  }
  return {};
}

void Iommufd::State::detach_pasid(Device& device, std::uint32_t pasid) {
  const auto attached = device.pasids.find(pasid);
  shared.iommu.detach_pasid(device.dev, pasid);
  Hwpt& old = *attached->second;
  device.pasids.erase(attached);
  put_hwpt(old);
}

Result<> Iommufd::attach(std::uint32_t device_id, std::uint32_t& pt_id, std::uint32_t pasid) {
  Device* device = state_->device(device_id);
  if (device == nullptr) {
    return fail(Errno::kNoEnt);
  }
  const Result<Hwpt*> target = state_->attach_target(*device, pt_id);
  if (!target) {
    return fail(target.error());
  }
  const auto known = device->pasids.find(pasid);
  Hwpt* now = pasid == 0 ? device->hwpt : known == device->pasids.end() ? nullptr : known->second;
  if (*target != now) {
    auto attached = pasid == 0 ? state_->attach_hwpt(*device, **target)
                               : state_->attach_pasid(*device, pasid, **target);
    if (!attached) {
      if ((*target)->automatic && (*target)->users == 0) {
        state_->destroy_hwpt(**target);
      }
      return attached;
    }
  }
  pt_id = (*target)->id;
  return {};
}

void Iommufd::State::detach_hwpt(Device& device) {
  device.attachment.commit(AttachEvent::kDetach);
  shared.iommu.detach(device.dev);
  Hwpt* old = std::exchange(device.hwpt, nullptr);
  old->ioas.unreserve(&device);
  put_hwpt(*old);
}

Result<> Iommufd::detach(std::uint32_t device_id, std::uint32_t pasid) {
  Device* device = state_->device(device_id);
  // Nothing to take away is no error, as the VFIO request has it.
  if (device == nullptr || (pasid != 0 && !device->pasids.contains(pasid))) {
    return {};
  }
  if (pasid == 0 && device->hwpt == nullptr) {
    return device->attachment.apply(AttachEvent::kDetach);
  }
  if (state_->shared.locks_down()) {
    if (auto may = device->attachment.check(AttachEvent::kChange); !may) {
      return may;
    }
  }
  if (pasid == 0) {
    state_->detach_hwpt(*device);
  } else {
    state_->detach_pasid(*device, pasid);
  }
  return {};
}

Co<> Iommufd::settle() { return state_->shared.iommu.settle(); }

std::optional<std::uint32_t> Iommufd::attached_hwpt(std::uint32_t device_id) const {
  const Device* device = state_->device(device_id);
  return device == nullptr || device->hwpt == nullptr ? std::nullopt
                                                      : std::optional(device->hwpt->id);
}

}  // namespace baton::iommufd
