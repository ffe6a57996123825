// A memory request on its way through the unit: what was learned and spent so far. Both table modes
// use it.
#pragma once

#include <optional>

#include "model/iommu_vtd/core.h"
#include "model/iommu_vtd/remapping_unit.h"
#include "model/pci/request.h"

namespace baton::iommu_vtd {

struct Progress {
  const pci::MemoryRequest& request;
  Core& core;
  Translation result;
  bool fault_processing_disabled = false;
  bool without_write = false;  // of a translation request: a second try, for what else is permitted

  void count_reads(unsigned reads = 1);
  void spend(sim::Duration time) { result.latency += time; }

  bool asks_for_translation() const {
    return request.type == pci::AddressType::kTranslationRequest;
  }
  bool is_translated() const { return request.type == pci::AddressType::kTranslated; }
  bool beyond_host_width() const;

  // What the tables must permit. A translation request that asks for write tries that first, so
  // that the page is marked dirty; else it takes what they do permit [VT-d 3.6.2; PCIe 10.2.2, NW].
  // A zero-length read may hit a write-only page [VT-d 3.6.1.1, ZLR].
  Rights rights() const;

  // The end of a translated request, unless `mapping` leads to interrupts. nullopt: arrived.
  std::optional<Reason> arrive(const Mapping& mapping, Reason interrupt_range);
  // The address is the physical address, unless protected [VT-d 3.16].
  std::optional<Reason> pass_through(Reason interrupt_range);
};

// The IOTLB entry that serves the request. One that does not allow it is not final: the tables
// decide [VT-d 6.2.4].
const Mapping* find_cached(Progress& progress, std::uint64_t tag, Rights wanted);

// Lies the request in memory that PMEN protects?
bool is_protected(const Core& core, const pci::MemoryRequest& request);

}  // namespace baton::iommu_vtd
