#include "model/iommu_vtd/common_walk.h"

namespace baton::iommu_vtd {

namespace {

// How a walk ended; no reads: something is unusual.
struct Walked {
  unsigned reads = 0;
  Mapping mapping{};
};

// From any level down to a page of any size, with paging-structure caches, which are asked, and
// learn.
Walked walk(Core& core, const WalkTerms& terms, const KnownContext& known) {
  PagingStep step{.table = PhysAddr(known.table), .level = known.levels - 1U};
  const bool cached = core.second_stage.enabled();
  if (cached) {
    step = core.second_stage.start(known.tag, terms.iova, step, terms.wanted == kRead,
                                   terms.wanted == kWrite);
  }
  const unsigned first_level = step.level;
  std::uint64_t rights = (step.readable ? kRead : 0) | (step.writable ? kWrite : 0);
  std::uint64_t table = step.table.value();
  // What the entry of each level said: table, and in its low bits the rights so far.
  std::array<std::uint64_t, SecondStageRules::kLevels> passed{};
  Walked walked;
  for (unsigned level = first_level;; --level) {
    std::uint64_t entry = 0;
    if (!read_entry(terms, table, level, entry)) {
      return {};
    }
    rights &= entry;
    if ((rights & terms.wanted) == 0) {
      return {};
    }
    if (level == 0 || (entry & paging_entry::kPs.mask()) != 0) {
      if ((entry & terms.rules.leaf[level]) != 0) {
        return {};
      }
      walked.mapping.frame = PhysAddr(entry & paging_entry::kAddress.mask());
      walked.mapping.level = level;
      walked.mapping.readable = (rights & kRead) != 0;
      walked.mapping.writable = (rights & kWrite) != 0;
      walked.reads = first_level - level + 1;
      break;
    }
    if ((entry & terms.rules.table[level]) != 0) {
      return {};
    }
    table = entry & paging_entry::kAddress.mask();
    passed[level] = table | rights;
  }
  if (!cached || is_interrupt_address(walked.mapping.translate(terms.iova).value())) {
    return walked;
  }
  for (unsigned level = first_level; level > walked.mapping.level; --level) {
    core.second_stage.insert(known.tag, terms.iova,
                             {.table = PhysAddr(passed[level] & paging_entry::kAddress.mask()),
                              .level = level - 1,
                              .readable = (passed[level] & kRead) != 0,
                              .writable = (passed[level] & kWrite) != 0});
  }
  return walked;
}

}  // namespace

bool CommonRequests::walk_from_any_level(const pci::MemoryRequest& request,
                                         const KnownContext& known, Translation& result) {
  const WalkTerms terms = terms_of(core_, request);
  const Iotlb::Place place = core_.iotlb.place(known.tag, request.address);
  const Walked walked = walk(core_, terms, known);
  return walked.reads != 0 &&
         keep<false>(core_, known, place, terms.iova, walked.mapping, walked.reads, result);
}

}  // namespace baton::iommu_vtd
