// Interrupt posting [VT-d 5.2]: what an entry in posted format does to the posted-interrupt
// descriptor that it names.
//
// The descriptor is changed in one locked update of its 64 bytes: nothing comes between the reading
// and the writing of it. Not modelled: that a second unit's or a CPU's locked access has to wait.
#pragma once

#include <expected>

#include "model/iommu_vtd/profile.h"
#include "model/iommu_vtd/reasons.h"
#include "model/iommu_vtd/tables.h"
#include "sim/memory.h"

namespace baton::iommu_vtd {

struct Posting {
  PhysAddr descriptor;
  Vector vector;                  // whose request bit is set
  bool merged = false;            // it was set already
  bool notifies = false;          // ON was clear, and SN is clear or the entry is urgent
  std::uint32_t destination = 0;  // of the notification: an APIC id
  Vector notification;
};

// `extended`: NDST is a 32-bit id (IRTA.EIME). The reasons are 27h and 28h.
std::expected<Posting, Reason> post(sim::PhysicalMemory& memory, const Profile& profile,
                                    const Entry128& entry, bool extended);

}  // namespace baton::iommu_vtd
