// What an iommufd's table holds [linux drivers/iommu/iommufd/iommufd_private.h].
#pragma once

#include <cstdint>
#include <map>
#include <memory>

#include "model/iommufd/state_machine.h"
#include "model/linux/iommu/iommu.h"

namespace baton::iommufd {

enum class ObjectType : std::uint8_t { kIoas, kHwpt, kDevice };

struct Object {
  Object(ObjectType object_type, std::uint32_t object_id) : type(object_type), id(object_id) {}
  virtual ~Object() = default;

  const ObjectType type;
  const std::uint32_t id;
  unsigned users = 0;  // DESTROY is EBUSY while not 0
};

class Ioas;

// A hardware page table. Paging: one domain that mirrors one IOAS. Nested: a table that user space
// keeps in its own memory, over such a one.
struct Hwpt final : Object {
  Hwpt(std::uint32_t object_id, Ioas& address_space, HwptState initial = HwptState::kPlain)
      : Object(ObjectType::kHwpt, object_id), ioas(address_space), state(hwpt_table(), initial) {}
  Hwpt(std::uint32_t object_id, Hwpt& below)
      : Object(ObjectType::kHwpt, object_id),
        ioas(below.ioas),
        parent(&below),
        state(hwpt_table(), HwptState::kPlain) {}

  // find_hwpt_paging(): itself, or what it lies over.
  Hwpt& paging() { return parent == nullptr ? *this : *parent; }
  bool is_marked() const { return state.value() != HwptState::kPlain; }

  Ioas& ioas;              // of the paging one
  Hwpt* parent = nullptr;  // of a nested one
  bool nest_parent = false;
  bool pasid_compat = false;                     // IOMMU_HWPT_ALLOC_PASID
  std::unique_ptr<linux::iommu::Domain> domain;  // null: restored, but no device brought it back
  bool automatic = false;                        // made by attaching a device to the IOAS
  linux::StateOf<HwptState, HwptEvent> state;
  std::uint64_t token = 0;  // of a marked one
};

struct Device final : Object {
  Device(std::uint32_t object_id, linux::pci::PciDev& pci_dev)
      : Object(ObjectType::kDevice, object_id), dev(pci_dev) {
    users = 1;  // VFIO's, until unbind
  }

  linux::pci::PciDev& dev;
  Hwpt* hwpt = nullptr;
  std::map<std::uint32_t, Hwpt*> pasids;  // attachments of PASIDs
  linux::StateOf<AttachState, AttachEvent> attachment{attach_table(), AttachState::kBound};

  bool is_preserved() const {
    return attachment.value() == AttachState::kPreserved ||
           attachment.value() == AttachState::kPreservedLoose;
  }
};

}  // namespace baton::iommufd
