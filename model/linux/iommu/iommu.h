// The IOMMU core of one kernel: domains, groups and their DMA owners, and live update of both
// [linux drivers/iommu/iommu.c, drivers/iommu/liveupdate.c (posted v5), generic_pt].
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "model/kho/kho.h"
#include "model/linux/base/kernel_services.h"
#include "model/linux/iommu/generic_pt.h"
#include "model/linux/pci/pci_dev.h"
#include "model/luo/luo.h"

namespace baton::linux::pci {
class PciCore;
}

namespace baton::linux::iommu {

// A paging domain: one I/O page table. A domain goes through release(), a call; destruction by
// kernel death frees nothing.
class Domain {
 public:
  virtual ~Domain() = default;
  // iommu_domain_free: frees the tables and what the driver holds for the domain (ids).
  virtual void release() = 0;
  virtual Result<> map(Iova iova, PhysAddr physical, std::uint64_t length,
                       Prot prot) = 0;  // ENOMEM, EADDRINUSE
  virtual Result<> unmap(Iova iova, std::uint64_t length) = 0;
  virtual std::optional<PhysAddr> lookup(Iova iova) const = 0;
  virtual Iova last() const = 0;  // highest usable IOVA
  // Every page of the table with its level (0: leaf table), top first.
  virtual void for_each_table(const std::function<void(PhysAddr, unsigned level)>& visit) const = 0;
  virtual PhysAddr top_table() const = 0;
  virtual unsigned top_level() const = 0;  // 0-based
  virtual unsigned address_bits() const = 0;
  virtual bool sign_extend() const { return false; }  // a first-stage table
  // cache_invalidate_user: the owner changed a table of its own. EOPNOTSUPP: it has none.
  virtual Result<> invalidate_user(Iova, std::uint64_t) { return fail(Errno::kOpNotSupp); }
};

// What a paging domain is to be good for [IOMMU_HWPT_ALLOC_NEST_PARENT, _PASID].
struct DomainUse {
  bool nest_parent = false;
  bool pasid = false;
};

// A first-stage table in the memory of its owner [struct iommu_hwpt_vtd_s1].
struct UserTable {
  std::uint64_t flags = 0;
  std::uint64_t top_table = 0;  // an address of the second stage
  std::uint32_t address_bits = 0;
};

// What the hardware of a device can do [struct iommu_hw_info_vtd, iommu_hw_info].
struct HardwareInfo {
  std::uint64_t cap = 0;
  std::uint64_t ecap = 0;
  std::uint32_t max_pasids = 0;      // 0: none
  std::uint16_t pasid_features = 0;  // of the function: execute 2, privileged 4
};

// A table that another kernel made.
struct TableShape {
  PhysAddr top_table;
  unsigned top_level = 0;  // 0-based
  unsigned bits = 0;       // of the input address
  bool first_stage = false;
};

// The PASID table of a device in scalable mode; 0: it has none.
struct PasidState {
  PhysAddr table;
  std::uint64_t max_pasid = 0;  // a count
};

// What a hardware driver (model/linux/intel_iommu) implements.
class HardwareDriver {
 public:
  virtual ~HardwareDriver() = default;
  // EOPNOTSUPP: not for that use.
  virtual Result<std::unique_ptr<Domain>> alloc_paging(pci::PciDev& dev, DomainUse use) = 0;
  // A table of its owner over a paging domain that is a nest parent. EOPNOTSUPP, EINVAL.
  virtual Result<std::unique_ptr<Domain>> alloc_nested(pci::PciDev& dev, Domain& parent,
                                                       const UserTable& table) = 0;
  // A domain over a preserved table, whose pages have been restored.
  virtual Result<std::unique_ptr<Domain>> restore_paging(pci::PciDev& dev,
                                                         const TableShape& shape) = 0;
  // Before the first attach of a device; `preserved` for one that a previous kernel left running.
  virtual Result<> probe_device(pci::PciDev& dev, const PasidState* preserved) = 0;
  // The device goes on with what a crashed kernel gave it until a driver asks for its DMA.
  virtual bool attach_deferred(pci::PciDev& dev) const = 0;
  virtual Result<> attach(pci::PciDev& dev, Domain& domain) = 0;
  // For requests with this PASID, which is not 0; in place of another domain if need be. EINVAL,
  // EOPNOTSUPP, EBUSY (a crashed kernel's table is in use), ENOMEM.
  virtual Result<> attach_pasid(pci::PciDev& dev, std::uint32_t pasid, Domain& domain) = 0;
  virtual void detach_pasid(pci::PciDev& dev, std::uint32_t pasid) = 0;
  virtual HardwareInfo hardware_info(pci::PciDev& dev) const = 0;
  virtual void attach_blocking(pci::PciDev& dev) = 0;
  virtual void attach_identity(pci::PciDev& dev) = 0;
  // Live update. `attachment_id`: the domain id on this device's unit.
  virtual Result<std::uint64_t> attachment_id(pci::PciDev& dev, Domain& domain) = 0;
  virtual PhysAddr unit_of(pci::PciDev& dev) const = 0;  // register base; 0: none
  struct UnitState {
    PhysAddr root_table;
    std::array<std::uint64_t, 8> context_tables{};  // bit = bus * 2 + (devfn >= 0x80)
    PasidState pasids;                              // of the device
  };
  virtual Result<UnitState> preserve_unit(PhysAddr unit) = 0;
  virtual Result<UnitState> preserve_device(pci::PciDev& dev) = 0;  // contexts may have grown
  virtual void unpreserve_device(pci::PciDev& dev) = 0;
  virtual void unpreserve_unit(PhysAddr unit) = 0;
  // Attach without writing tables: takes the preserved domain id.
  virtual Result<> attach_restored(pci::PciDev& dev, Domain& domain,
                                   std::uint64_t attachment_id) = 0;
  // Until all that was asked of caches so far is done, those of functions included. Before memory
  // that a device could reach is given back, and before user space is told that it cannot any more.
  virtual Co<> settle() = 0;
  // The two halves of a replacement that is not atomic, for the defect of that name.
  virtual void tear_restored_entry(pci::PciDev& dev, bool half) = 0;
};

// The records of the previous kernel, read once at boot [abi: iommu_flb_ser and its arrays].
struct IncomingUnit {
  PhysAddr unit;
  PhysAddr root_table;
  std::array<std::uint64_t, 8> context_tables{};
  std::vector<std::uint64_t> attachment_ids;  // of all its devices
};

class IommuCore final : public luo::Flb {
 public:
  IommuCore(KernelServices& services, kho::Kho& kho, luo::Luo& luo);
  ~IommuCore() override;
  void set_driver(HardwareDriver& driver);
  // Whom functions share a group with depends on ACS; without a PCI core each is alone.
  void set_pci(pci::PciCore& core);

  // Before the driver's init: retrieves the FLB. Panics when it cannot be restored.
  Co<> begin_boot();
  // For the driver: the preserved state of the unit at this register base.
  const IncomingUnit* incoming_unit(PhysAddr unit) const;
  // What was handed over cannot be taken over [policy restore_failure]: panics, or warns. Of a
  // unit: what is known of its devices goes.
  void lost(std::string reason);
  void lose_unit(PhysAddr unit, std::string reason);

  // iommu_probe_device: group, default domain or restored domain with its owner.
  Co<Result<>> probe_device(pci::PciDev& dev);

  // /sys/kernel/iommu_groups/<number> of a device, and who is in it.
  std::optional<unsigned> group_number(const pci::PciDev& dev) const;
  std::vector<pci::PciDev*> group_devices(unsigned number) const;

  // DMA ownership of a device's group. EPERM, EBUSY as the facts say. `owner` is an opaque number:
  // an iommufd context's owner id.
  Result<> claim_dma_owner(pci::PciDev& dev, std::uint64_t owner);
  void release_dma_owner(pci::PciDev& dev);
  std::optional<std::uint64_t> dma_owner(const pci::PciDev& dev) const;
  // iommu_group_dma_owner_claimed: an owner, or drivers of the host.
  bool dma_claimed(const pci::PciDev& dev) const;
  // For an ordinary driver's probe: EBUSY when owned; and its remove.
  Result<> use_default_domain(pci::PciDev& dev);
  void unuse_default_domain(pci::PciDev& dev);

  Result<std::unique_ptr<Domain>> alloc_paging(pci::PciDev& dev, DomainUse use = {});
  Result<std::unique_ptr<Domain>> alloc_nested(pci::PciDev& dev, Domain& parent,
                                               const UserTable& table);
  Result<> attach(pci::PciDev& dev, Domain& domain);
  // All of the group, to the blocking domain while owned, once no device of it is attached.
  void detach(pci::PciDev& dev);
  // iommu_attach_device_pasid, or _replace_: EINVAL beyond the device's last PASID. A device
  // without PASIDs cannot send any, so nothing is written for it.
  Result<> attach_pasid(pci::PciDev& dev, std::uint32_t pasid, Domain& domain);
  void detach_pasid(pci::PciDev& dev, std::uint32_t pasid);
  HardwareInfo hardware_info(pci::PciDev& dev) const;
  Domain* attached(const pci::PciDev& dev) const;
  Co<> settle();

  // Live update, old kernel.
  // The address of the domain's record. ENOENT (the FLB is not preserved), EBUSY, ENOMEM.
  Result<PhysAddr> preserve_domain(Domain& domain);
  void unpreserve_domain(Domain& domain);
  // EOPNOTSUPP (no IOMMU, other devices in the group), EINVAL (no DMA owner, domain not preserved),
  // EBUSY, ENOMEM.
  Result<> preserve_device(Domain& domain, pci::PciDev& dev, std::uint64_t owner_token);
  void unpreserve_device(pci::PciDev& dev);
  bool has_preserved_devices(PhysAddr unit) const;
  bool is_preserved(const pci::PciDev& dev) const;

  // Live update, new kernel (phase2): the domain restored from the record at this address, once a
  // device was attached to it at boot.
  Domain* restored_domain(PhysAddr record) const;
  // Hands ownership of a restored group to the reclaiming iommufd: EPERM on another token.
  Result<> reclaim_dma_owner(pci::PciDev& dev, std::uint64_t token, std::uint64_t owner);
  // Gives a restored domain to its new holder (a HWPT).
  std::unique_ptr<Domain> take_restored_domain(PhysAddr record);

  // luo::Flb, compatible "iommu-liveupdate".
  std::string_view compatible() const override;
  Co<Result<std::uint64_t>> preserve() override;
  Co<> unpreserve(std::uint64_t data) override;
  Co<Result<>> retrieve(std::uint64_t data) override;
  Co<> finish() override;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace baton::linux::iommu
