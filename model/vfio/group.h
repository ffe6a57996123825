// /dev/vfio/N: an IOMMU group whose devices vfio-pci has, and the way to them that is older than
// character devices [linux drivers/vfio/group.c]. Private to model/vfio.
//
// Not modelled: VFIO_NOIOMMU, groups of drivers other than vfio-pci.
#pragma once

#include <vector>

#include "model/linux/base/argument.h"
#include "model/vfio/container.h"
#include "model/vfio/device.h"

namespace baton::vfio {

class GroupFile;

// struct vfio_group: there while a device of the group is bound to vfio-pci.
class Group {
 public:
  Group(VfioPci::State& owner, unsigned group_number) : vfio(owner), number(group_number) {}

  const std::vector<linux::pci::PciDev*> members() const;
  bool has_iommu() const { return container != nullptr || iommufd != nullptr; }
  std::uint64_t owner_number() const;
  Co<> unset_container();

  VfioPci::State& vfio;
  const unsigned number;
  GroupFile* opened = nullptr;
  unsigned bound_cdevs = 0;  // character devices of it that are bound to an iommufd
  // Where its memory comes from: one of the two, or none yet.
  Container* container = nullptr;
  unsigned container_users = 0;  // open devices
  iommufd::Iommufd* iommufd = nullptr;
};

class GroupFile final : public linux::File {
 public:
  explicit GroupFile(Group& group) : group_(group) { group.opened = this; }

  std::string name() const override { return fmt::format("/dev/vfio/{}", group_.number); }
  Co<linux::Result<std::int64_t>> ioctl(linux::Process& process, std::uint32_t command,
                                        std::span<std::byte> argument) override;
  Co<> release() override;

  Group& group() { return group_; }

 private:
  using Answer = linux::Result<std::int64_t>;
  Answer get_status(std::span<std::byte> argument) const;
  Co<Answer> set_container(linux::Process& process, std::span<std::byte> argument);
  linux::Result<> set_iommufd(iommufd::Iommufd& iommufd);
  Co<Answer> get_device(linux::Process& process, std::span<const std::byte> argument);
  Device* named(std::span<const std::byte> argument) const;
  Co<linux::Result<>> open_device(Device& device);

  Group& group_;
};

}  // namespace baton::vfio
