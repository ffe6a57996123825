// What the walks of the short cut (common_request.h) share. Private to it.
#pragma once

#include "model/iommu_vtd/common_request.h"

namespace baton::iommu_vtd {

inline constexpr std::uint64_t kRead = paging_entry::kR.mask();
inline constexpr std::uint64_t kWrite = paging_entry::kW.mask();

// What stays the same on the way.
struct WalkTerms {
  const sim::PhysicalMemory& memory;
  const SecondStageRules& rules;
  std::uint64_t iova;
  std::uint64_t wanted;
};

inline WalkTerms terms_of(const Core& core, const pci::MemoryRequest& request) {
  return {.memory = core.memory,
          .rules = core.second_stage_rules,
          .iova = request.address,
          .wanted = request.write ? kWrite : kRead};
}

inline bool read_entry(const WalkTerms& terms, std::uint64_t table, unsigned level,
                       std::uint64_t& entry) {
  return terms.memory.peek(PhysAddr(table + (terms.iova >> (12 + 9 * level) & 0x1FF) * 8), entry);
}

inline void answer(Translation& result, const Mapping& mapping, PhysAddr address, DomainId domain) {
  result.allowed = true;
  result.address = address;
  result.domain = domain;
  result.readable = mapping.readable;
  result.writable = mapping.writable;
  result.page_bytes = mapping.bytes();
}

// The end of a walk; `kPage`: at a page of 4 KiB.
template <bool kPage>
bool keep(Core& core, const KnownContext& known, const Iotlb::Place& place, std::uint64_t iova,
          Mapping mapping, unsigned reads, Translation& result) {
  if constexpr (kPage) {
    mapping.level = 0;
  }
  const PhysAddr address = mapping.translate(iova);
  if (is_interrupt_address(address.value())) {
    return false;
  }
  core.iotlb.insert_new(place, iova, mapping);
  answer(result, mapping, address, known.domain);
  result.misses = reads;
  result.latency = core.profile.timing.context_hit + core.profile.timing.table_read * reads;
  return true;
}

}  // namespace baton::iommu_vtd
