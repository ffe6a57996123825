#include "model/iommu_vtd/common_request.h"

#include <cstring>

namespace baton::iommu_vtd {

namespace {

// Reads and permits at every level, no reserved bit, down to a page. Returns the entries read; 0:
// something is unusual.
unsigned walk_common(const Core& core, const Entry128& context, std::uint64_t iova,
                     std::uint64_t wanted, Mapping& mapping) {
  const SecondStageRules& rules = core.second_stage_rules;
  std::uint64_t table = context.words[0] & context_entry::kSsptptr.mask();
  const auto levels = static_cast<unsigned>(context.words[1] & context_entry::kAw.mask()) + 2;
  std::uint64_t rights = paging_entry::kR.mask() | paging_entry::kW.mask();
  unsigned shift = 12 + 9 * levels - 9;
  for (unsigned level = levels - 1;; --level, shift -= 9) {
    const std::byte* at =
        core.memory.find<std::uint64_t>(PhysAddr(table | (iova >> shift & 0x1FF) << 3));
    if (at == nullptr) {
      return 0;
    }
    std::uint64_t entry = 0;
    std::memcpy(&entry, at, sizeof entry);
    rights &= entry;
    if ((rights & wanted) == 0) {
      return 0;
    }
    const bool leaf = level == 0 || (entry & paging_entry::kPs.mask()) != 0;
    if ((entry & (leaf ? rules.leaf : rules.table)[level]) != 0) {
      return 0;
    }
    table = entry & paging_entry::kAddress.mask();
    if (leaf) {
      mapping = {.frame = PhysAddr(table),
                 .level = level,
                 .readable = (rights & paging_entry::kR.mask()) != 0,
                 .writable = (rights & paging_entry::kW.mask()) != 0};
      return levels - level;
    }
  }
}

}  // namespace

bool translate_common(Core& core, const pci::MemoryRequest& request, Translation& result) {
  const std::uint64_t iova = request.address;
  if (request.type != pci::AddressType::kUntranslated || request.pasid || request.length == 0 ||
      is_interrupt_address(iova) || !core.status(gcmd::kTe) ||
      (core.root & rtaddr::kTtm.mask()) != 0 || !core.profile.has(Erratum::kNone)) {
    return false;
  }
  const Entry128* context = core.contexts.find({0, request.requester.value()});
  if (context == nullptr || (context->words[0] & 8) != 0) {  // TT=10, 11
    return false;
  }
  if (iova >> input_bits(core.profile, static_cast<unsigned>(context->words[1] & 7)) != 0) {
    return false;
  }
  const DomainId domain = domain_of(core.profile, *context);
  const std::uint64_t tag = make_tag(domain);
  Mapping mapping;
  unsigned reads = 0;
  if (const Mapping* hit = core.iotlb.find(tag, iova)) {
    if (!(request.write ? hit->writable && hit->dirty : hit->readable)) {
      return false;
    }
    mapping = *hit;
  } else {
    const std::uint64_t wanted = request.write ? paging_entry::kW.mask() : paging_entry::kR.mask();
    reads = core.second_stage.enabled() ? 0 : walk_common(core, *context, iova, wanted, mapping);
    if (reads == 0) {
      return false;
    }
  }
  const PhysAddr address = mapping.translate(iova);
  if (is_interrupt_address(address.value())) {
    return false;
  }
  const UnitTiming& timing = core.profile.timing;
  if (reads != 0) {
    core.iotlb.insert_new(tag, iova, mapping);
  }
  result.allowed = true;
  result.address = address;
  result.domain = domain;
  result.latency = timing.context_hit + (reads != 0 ? timing.table_read * reads : timing.iotlb_hit);
  result.misses = reads;
  result.readable = mapping.readable;
  result.writable = mapping.writable;
  result.page_bytes = mapping.bytes();
  return true;
}

}  // namespace baton::iommu_vtd
