// /dev/iommu: IOAS, HWPT, devices, and their live update [linux drivers/iommu/iommufd/].
//
// Modelled requests are those of model/linux/uapi/iommufd.h; any other number is ENOTTY. Memory is
// pinned when it is mapped, not when the first domain needs it. Not modelled: accesses of in-kernel
// users, dirty tracking, fault queues, vIOMMU objects, RLIMIT_MEMLOCK,
// the check for isolated MSIs (as with iommufd.allow_unsafe_interrupts=1).
//
// Live update, generation v5 [posted series iommu v5, "phase 1"]: domains, devices and units are
// handed over; no iommufd comes back (EOPNOTSUPP), a device whose group came back belongs to a
// token that no new iommufd has (EPERM), and the session can never be finished (EBUSY).
//
// Live update, generation phase2 (design target: no posted series restores an iommufd): the order
// of retrieval is memfd, iommufd, cdev. A retrieve before its memfds is ENOENT, and LUO keeps that
// answer for ever. The retrieved iommufd has the object ids of before: IOAS with the same areas,
// marked HWPTs that hold the restored domains. BIND of a preserved device to it reclaims the
// device's group and finds it attached to its HWPT; ATTACH to that HWPT writes no table, ATTACH to
// another one replaces. Areas cannot change until the session is finished.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

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

  // For VFIO, which holds a reference to this file while a device is bound. bind: EPERM when the
  // group has another owner; returns the device object's id.
  linux::Result<std::uint32_t> bind(linux::pci::PciDev& dev);
  void unbind(std::uint32_t device_id);  // detaches first if need be
  // attach, or replace when attached: `pt_id` in: IOAS or HWPT; out: the HWPT really attached.
  // ENOENT, EINVAL, EADDRINUSE, ENOMEM; EBUSY when the device is preserved. With a PASID, not 0:
  // only for HWPTs that were made for it, EINVAL otherwise.
  linux::Result<> attach(std::uint32_t device_id, std::uint32_t& pt_id, std::uint32_t pasid = 0);
  // EBUSY when the device is preserved.
  linux::Result<> detach(std::uint32_t device_id, std::uint32_t pasid = 0);
  std::optional<std::uint32_t> attached_hwpt(std::uint32_t device_id) const;
  // As a VFIO container [linux drivers/iommu/iommufd/vfio_compat.c]: makes the IOAS that stands in
  // for the container's memory, if there is none; its id, or ENODEV.
  void create_compat_ioas();
  linux::Result<std::uint32_t> compat_ioas() const;
  // After any of these: until no cache knows what is no more.
  Co<> settle();

  // Live update of a bound device [posted series iommu v5]: ENOENT (not attached, or this iommufd
  // is not in the session), EINVAL (HWPT not marked), or the core's errno.
  linux::Result<> preserve_device(luo::Session& session, std::uint32_t device_id);
  void unpreserve_device(std::uint32_t device_id);

  ~Iommufd() override;

 private:
  friend class IommufdSubsystem;
  class State;
  explicit Iommufd(std::unique_ptr<State> state);
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
  linux::iommu::IommuCore& iommu();

  std::string_view compatible() const override;
  bool can_preserve(linux::File& file) override;
  Co<linux::Result<>> preserve(luo::FileArgs& args) override;
  Co<> unpreserve(luo::FileArgs& args) override;
  Co<linux::Result<>> freeze(luo::FileArgs& args) override;
  Co<linux::Result<linux::File*>> retrieve(luo::FileArgs& args) override;
  Co<bool> can_finish(luo::FileArgs& args) override;
  Co<> finish(luo::FileArgs& args) override;

 private:
  friend class Iommufd;
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace baton::iommufd
