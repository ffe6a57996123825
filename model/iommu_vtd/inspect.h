// Looking at the tables as they are in memory, for observers: no caches, faults or registers are
// touched.
#pragma once

#include <functional>

#include "model/iommu_vtd/core.h"
#include "model/iommu_vtd/remapping_unit.h"

namespace baton::iommu_vtd {

RemappingUnit::Walk inspect(const Core& core, Bdf requester, Iova address);

std::optional<RemappingUnit::Attachment> attachment(const Core& core, Bdf requester);

using TableVisitor = std::function<void(PhysAddr page, const char* what)>;
using LeafVisitor =
    std::function<void(Iova from, PhysAddr to, std::uint64_t length, bool writable)>;

// In scalable mode: what requests without PASID go through. Stops after 2^20 page tables: tables
// that contain themselves have no end.
void inspect_tables(const Core& core, Bdf requester, const TableVisitor& table,
                    const LeafVisitor& leaf);

}  // namespace baton::iommu_vtd
