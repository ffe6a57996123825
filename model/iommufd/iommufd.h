// /dev/iommu: IOAS, HWPT, devices, and their live update [linux drivers/iommu/iommufd/].
#pragma once

#include <cstdint>
#include <memory>

#include "model/linux/base/process.h"
#include "model/linux/iommu/iommu.h"
#include "model/luo/luo.h"
#include "model/luo/memfd/memfd.h"

namespace baton::iommufd {

// One open /dev/iommu: the object table behind it.
class Iommufd final : public linux::File {
 public:
  // Its ioctls are those of model/linux/uapi/iommufd.h; requests and errno as there.
  std::string name() const override;
  Co<linux::Result<std::int64_t>> ioctl(linux::Process& process, std::uint32_t command,
                                        std::span<std::byte> argument) override;
  Co<> release() override;

  // For VFIO. bind: EPERM when the group has another owner; returns the device object's id.
  linux::Result<std::uint32_t> bind(linux::pci::PciDev& dev);
  void unbind(std::uint32_t device_id);
  // attach: `pt_id` in: IOAS or HWPT; out: the HWPT really attached. ENOENT, EBUSY, EINVAL.
  linux::Result<> attach(std::uint32_t device_id, std::uint32_t& pt_id);
  void detach(std::uint32_t device_id);

  // Live update of a bound device [facts 3.6]: ENOENT, EINVAL, or the core's errno.
  linux::Result<> preserve_device(luo::Session& session, std::uint32_t device_id);
  void unpreserve_device(std::uint32_t device_id);

  ~Iommufd() override;

 private:
  friend class IommufdSubsystem;
  class State;
  std::unique_ptr<State> state_;
};

// The misc device and the LUO handler "iommufd-v1".
class IommufdSubsystem final : public luo::FileHandler {
 public:
  IommufdSubsystem(linux::KernelServices& services, kho::Kho& kho, luo::Luo& luo,
                   luo::MemfdSubsystem& memfd, linux::iommu::IommuCore& iommu);
  ~IommufdSubsystem() override;

  // module init: registers handler and FLBs.
  void init();
  linux::Result<linux::File*> open_device();
  // The iommufd behind a file, null for any other file.
  Iommufd* from_file(linux::File& file);

  std::string_view compatible() const override;
  bool can_preserve(linux::File& file) override;
  Co<linux::Result<>> preserve(luo::FileArgs& args) override;
  Co<> unpreserve(luo::FileArgs& args) override;
  Co<linux::Result<linux::File*>> retrieve(luo::FileArgs& args) override;
  Co<bool> can_finish(luo::FileArgs& args) override;
  Co<> finish(luo::FileArgs& args) override;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace baton::iommufd
