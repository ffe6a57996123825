// What the IOMMU core of one kernel remembers: groups, and both sides of a live update. Private to
// this layer.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "model/linux/base/observations.h"
#include "model/linux/iommu/iommu.h"
#include "model/linux/iommu/records.h"
#include "model/linux/pci/pci_core.h"

namespace baton::linux::iommu {

// Functions that could reach each other past the remapping unit: they have one owner and one
// domain.
struct Group {
  unsigned number = 0;
  std::vector<pci::PciDev*> devices;
  std::optional<std::uint64_t> owner;
  unsigned owner_count = 0;    // users of the owner, or drivers on the default domain
  Domain* attached = nullptr;  // null: default domain, or blocking while owned
  std::set<Sbdf> attachers;    // for whom it is attached
};

// Old kernel: everything the FLB holds.
struct Outgoing {
  struct PreservedDomain {
    Domain* domain;
    PhysAddr record;
    std::vector<PhysAddr> tables;
  };
  struct PreservedUnit {
    PhysAddr unit;
    PhysAddr record;
    std::uint32_t devices = 0;
  };

  Outgoing(KernelServices& services, kho::Kho& kho)
      : units(services, kho, UnitRecord::kBytes),
        domains(services, kho, DomainRecord::kBytes),
        devices(services, kho, DeviceRecord::kBytes) {}

  PhysAddr top;
  RecordArray units;
  RecordArray domains;
  RecordArray devices;
  std::vector<PreservedDomain> preserved_domains;
  std::vector<PreservedUnit> preserved_units;
};

// New kernel: what the previous one left.
struct Incoming {
  struct IncomingDomain {
    DomainRecord record;
    bool has_device = false;
    std::unique_ptr<Domain> held;  // until a HWPT takes it
    Domain* domain = nullptr;      // null until a device brought it back
  };

  std::vector<PhysAddr> pages;  // freed at finish
  std::map<PhysAddr, IncomingDomain> domains;
  std::map<PhysAddr, IncomingUnit> units;
  std::map<PhysAddr, PhysAddr> unit_of_record;
  std::map<Sbdf, DeviceRecord> devices;
};

class IommuCore::State {
 public:
  State(KernelServices& kernel_services, kho::Kho& kernel_kho, luo::Luo& kernel_luo)
      : services(kernel_services), kho(kernel_kho), luo(kernel_luo) {}

  Group* group_of(const pci::PciDev& dev);
  // groups.cc: pci_device_group.
  Group& group_for(pci::PciDev& dev);
  Group* isolated_with(const pci::PciDev& dev) const;
  void leave_group(pci::PciDev& dev);
  bool acs_enabled(const pci::PciDev& dev) const;
  Result<> attach_all(Group& group, Domain& domain);

  void record(LedgerEvent event, LedgerKind kind, const char* what, sim::PhysRange pages,
              std::uint64_t id);

  // Old kernel.
  Outgoing::PreservedDomain* preserved(const Domain& domain);
  Result<> preserve_tables(Outgoing::PreservedDomain& entry);
  void unpreserve_tables(const Outgoing::PreservedDomain& entry);
  Result<Outgoing::PreservedUnit*> preserve_unit(PhysAddr unit);
  void put_unit(PhysAddr unit);
  void delete_record(PhysAddr at);

  // New kernel. What cannot be restored is lost(), and then false: the device may be running.
  bool read_records(PhysAddr top);
  bool restore_chains(PhysAddr units, PhysAddr domains, PhysAddr devices);
  bool restore_domain(Incoming::IncomingDomain& incoming, pci::PciDev& dev);
  std::optional<std::vector<PhysAddr>> restore_tables(const DomainRecord& domain);
  bool restore_device(Group& group, pci::PciDev& dev, const DeviceRecord& device);
  bool restore_group(Group& group, pci::PciDev& dev, const DeviceRecord& device);
  void use_default(pci::PciDev& dev);
  // Policy restore_failure: a panic, or a warning after which the caller goes on without.
  void lost(std::string reason);

  KernelServices& services;
  kho::Kho& kho;
  luo::Luo& luo;
  HardwareDriver* driver = nullptr;
  pci::PciCore* pci = nullptr;
  std::vector<std::unique_ptr<Group>> groups;  // by number
  std::map<Sbdf, Group*> group_by_device;
  std::map<Sbdf, PhysAddr> outgoing_records;  // of preserved devices
  std::map<Sbdf, PhysAddr> outgoing_domains;  // the records of their domains
  std::optional<Outgoing> outgoing;
  Incoming incoming;
};

}  // namespace baton::linux::iommu
