#include "model/iommu_vtd/common_walk.h"

namespace baton::iommu_vtd {

namespace {

// Four levels down to a page of 4 KiB. What the entries permit and reserve is looked at once, at
// the end: an entry that is not good leads nowhere, or to bytes that mean nothing then.
template <unsigned kLevel>
bool descend(const WalkTerms& terms, std::uint64_t unusual, std::uint64_t table, std::uint64_t all,
             std::uint64_t any, Mapping& mapping) {
  std::uint64_t entry = 0;
  if (!read_entry(terms, table, kLevel, entry)) {
    return false;
  }
  table = entry & paging_entry::kAddress.mask();
  all &= entry;
  if constexpr (kLevel > 0) {
    return descend<kLevel - 1>(terms, unusual, table, all, any | entry, mapping);
  }
  mapping.frame = PhysAddr(table);
  mapping.readable = (all & kRead) != 0;
  mapping.writable = (all & kWrite) != 0;
  return (all & terms.wanted) != 0 && ((any & unusual) | (entry & terms.rules.leaf[0])) == 0;
}

}  // namespace

CommonRequests::CommonRequests(Core& core) : core_(core), unusual_(paging_entry::kPs.mask()) {
  for (const std::uint64_t reserved : core.second_stage_rules.table) {
    unusual_ |= reserved;
  }
}

bool CommonRequests::learn(Bdf requester, KnownContext& known) {
  const Profile& profile = core_.profile;
  if (!core_.status(gcmd::kTe) || (core_.root & rtaddr::kTtm.mask()) != 0 ||
      !profile.has(Erratum::kNone)) {
    return false;
  }
  const Entry128* context = core_.contexts.find({0, requester.value()});
  if (context == nullptr || (context->words[0] & 8) != 0) {  // TT=10, 11
    return false;
  }
  const SecondStage tables = second_stage_of(*context);
  const DomainId domain = domain_of(profile, *context);
  // A bounded cache remembers who used its entries: it is asked each time.
  known = {.changes = profile.caches == Caches::kExact ? core_.changes : 0,
           .table = tables.table.value(),
           .beyond = ~((std::uint64_t{1} << input_bits(profile, tables.width)) - 1),
           .tag = make_tag(domain),
           .domain = domain,
           .requester = requester,
           .levels = static_cast<std::uint8_t>(tables.levels()),
           .plain = tables.levels() == 4 && !core_.second_stage.enabled()};
  return true;
}

bool CommonRequests::translate(const pci::MemoryRequest& request, Translation& result) {
  const std::uint64_t iova = request.address;
  if (request.type != pci::AddressType::kUntranslated || request.pasid || request.length == 0 ||
      is_interrupt_address(iova)) {
    return false;
  }
  const Bdf requester = request.requester;
  KnownContext& known = known_[requester.devfn() >> 3];
  if ((known.changes != core_.changes || known.requester != requester) &&
      !learn(requester, known)) {
    return false;
  }
  if ((iova & known.beyond) != 0) {
    return false;
  }
  const UnitTiming& timing = core_.profile.timing;
  const Iotlb::Place place = core_.iotlb.place(known.tag, iova);
  if (const Mapping* hit = core_.iotlb.find(place, known.tag, iova)) {
    const PhysAddr address = hit->translate(iova);
    if (!(request.write ? hit->writable && hit->dirty : hit->readable) ||
        is_interrupt_address(address.value())) {
      return false;
    }
    answer(result, *hit, address, known.domain);
    result.latency = timing.context_hit + timing.iotlb_hit;
    return true;
  }
  const WalkTerms terms = terms_of(core_, request);
  Mapping mapping;
  if (known.plain && descend<3>(terms, unusual_, known.table, kRead | kWrite, 0, mapping)) {
    return keep<true>(core_, known, place, iova, mapping, 4, result);
  }
  return walk_from_any_level(request, known, result);
}

}  // namespace baton::iommu_vtd
