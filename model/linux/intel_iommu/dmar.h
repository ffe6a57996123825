// The ACPI DMAR table: which remapping units there are and which devices are theirs
// [VT-d 8; linux drivers/iommu/intel/dmar.c].
//
// Read: DRHD and RMRR with their device scopes (endpoints and bridges). Skipped by length: ATSR,
// RHSA, ANDD, SATC, SIDP, and scopes of IO-APICs and HPETs.
#pragma once

#include <cstdint>
#include <vector>

#include "model/host/kernel_port.h"

namespace baton::linux::intel_iommu {

struct DeviceScope {
  Sbdf address;
  bool with_subordinates = false;  // a bridge and everything below
};

struct DrhdUnit {
  PhysAddr registers;
  std::uint16_t segment = 0;
  bool include_pci_all = false;
  std::vector<DeviceScope> scopes;
};

// Memory that firmware reserves for the DMA of some devices, whatever system runs.
struct ReservedRegion {
  std::uint16_t segment = 0;
  PhysAddr first;
  PhysAddr last;
  std::vector<DeviceScope> scopes;
};

struct DmarTable {
  unsigned host_address_width = 0;
  bool interrupt_remapping = false;
  std::vector<DrhdUnit> units;
  std::vector<ReservedRegion> reserved;
};

// RSDP, XSDT, DMAR. No units when there is no such table, or when its lengths make no sense.
DmarTable parse_dmar(host::KernelPort& port);

}  // namespace baton::linux::intel_iommu
