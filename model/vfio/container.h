// /dev/vfio/vfio: I/O virtual memory that groups share, with the type 1 driver [linux
// drivers/vfio/container.c, drivers/vfio/vfio_iommu_type1.c]. Private to model/vfio.
//
// Memory is pinned when it is mapped, whether a group is there or not. Not modelled: dirty
// tracking, VADDR, the limit of mappings, capabilities of VFIO_IOMMU_GET_INFO, VFIO_NOIOMMU.
#pragma once

#include <memory>
#include <vector>

#include "model/iommufd/ioas.h"
#include "model/linux/uapi/vfio.h"
#include "model/vfio/vfio_pci.h"

namespace baton::vfio {

class Group;

class Container final : public linux::File {
 public:
  explicit Container(VfioPci::State& state);
  ~Container() override;

  std::string name() const override { return "/dev/vfio/vfio"; }
  Co<linux::Result<std::int64_t>> ioctl(linux::Process& process, std::uint32_t command,
                                        std::span<std::byte> argument) override;
  Co<> release() override;

  // VFIO_GROUP_SET_CONTAINER and its opposite, for a group that owns its DMA already.
  linux::Result<> add_group(Group& group);
  Co<> remove_group(Group& group);
  bool has_driver() const { return type_ != 0; }

 private:
  linux::Result<std::int64_t> check_extension(std::uint32_t extension) const;
  linux::Result<std::int64_t> set_iommu(std::uint32_t type);
  linux::Result<> attach(Group& group);
  linux::Result<std::int64_t> get_info(std::span<std::byte> argument) const;
  linux::Result<std::int64_t> map_dma(linux::Process& process, std::span<const std::byte> argument);
  Co<linux::Result<std::int64_t>> unmap_dma(std::span<std::byte> argument);
  linux::Result<> check_unmap(const linux::uapi::VfioIommuType1DmaUnmap& request) const;
  std::uint64_t unmap_last(const linux::uapi::VfioIommuType1DmaUnmap& request) const;

  VfioPci::State& state_;
  std::uint32_t type_ = 0;  // of the driver that SET_IOMMU chose
  std::vector<Group*> groups_;
  iommufd::Ioas space_;
  std::vector<std::unique_ptr<linux::iommu::Domain>> domains_;
};

}  // namespace baton::vfio
