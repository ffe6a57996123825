#include "model/iommu_vtd/tables.h"

namespace baton::iommu_vtd {

namespace {

constexpr std::uint64_t kEntryBytes = 16;

}  // namespace

std::expected<Entry128, Reason> read_root_entry(sim::PhysicalMemory& memory, const Profile& profile,
                                                PhysAddr root_table, unsigned bus) {
  const std::optional<Entry128> root = load_entry(memory, root_table + bus * kEntryBytes);
  if (!root) {
    return std::unexpected(Reason::kRootUnreadable);
  }
  if (!root->test(root_entry::kP)) {
    return std::unexpected(Reason::kRootNotPresent);
  }
  if (root->has_reserved_bits<root_entry::kFields>() ||
      (root->words[0] & above_host_width(profile)) != 0) {
    return std::unexpected(Reason::kRootReserved);
  }
  return *root;
}

std::expected<Entry128, Reason> read_context_entry(sim::PhysicalMemory& memory,
                                                   const Entry128& root, unsigned devfn) {
  const std::optional<Entry128> context =
      load_entry(memory, root.address(root_entry::kCtp) + devfn * kEntryBytes);
  if (!context) {
    return std::unexpected(Reason::kContextUnreadable);
  }
  return *context;
}

std::optional<Reason> check_context_entry(const Profile& profile, const Entry128& context) {
  if (!context.test(context_entry::kP)) {
    return Reason::kContextNotPresent;
  }
  const std::uint64_t type = context.get(context_entry::kTt);
  const bool passes_through = type == context_entry::kPassThrough;
  // The table pointer of a pass-through entry is not looked at.
  const bool pointer_too_wide =
      !passes_through &&
      (context.words[0] & context_entry::kSsptptr.mask() & above_host_width(profile)) != 0;
  if (context.has_reserved_bits<context_entry::kFields>() || pointer_too_wide) {
    return Reason::kContextReserved;
  }
  const auto width = static_cast<unsigned>(context.get(context_entry::kAw));
  const bool type_supported = type == context_entry::kUntranslatedOnly ||
                              (type == context_entry::kWithDeviceTlb && profile.device_tlb()) ||
                              (passes_through && profile.pass_through());
  const bool width_supported = passes_through ? width == profile.largest_address_width()
                                              : profile.supports_address_width(width);
  if (!type_supported || !width_supported) {
    return Reason::kContextInvalid;
  }
  return std::nullopt;
}

SecondStage second_stage_of(const Entry128& context) {
  return {.table = context.address(context_entry::kSsptptr),
          .width = static_cast<unsigned>(context.get(context_entry::kAw))};
}

bool is_leaf(std::uint64_t entry, unsigned level) {
  return level == 0 || get(paging_entry::kPs, entry) != 0;
}

SecondStageRules::SecondStageRules(const Profile& profile) {
  const std::uint64_t too_high = above_host_width(profile) & paging_entry::kAddress.mask();
  const bool tm_allowed = profile.transient_mapping_bit && profile.device_tlb();
  // Units with scalable mode ignore SNP in a leaf when they cannot force snooping.
  const bool snp_allowed = profile.snoop_control() || profile.scalable_mode();
  for (unsigned level = 0; level < kLevels; ++level) {
    table[level] = too_high | paging_entry::kTm.mask() | paging_entry::kSnp.mask();
    leaf[level] = too_high | (tm_allowed ? 0 : paging_entry::kTm.mask()) |
                  (snp_allowed ? 0 : paging_entry::kSnp.mask());
    if (level > 0) {
      // The frame is aligned to its size. Of a size that the unit lacks, PS itself is reserved.
      leaf[level] |= paging_entry::kAddress.mask() & ((sim::kPageSize << (9 * level)) - 1);
      leaf[level] |= profile.superpage(level) ? 0 : paging_entry::kPs.mask();
    }
  }
}

std::optional<Reason> check_paging_entry(const SecondStageRules& rules, std::uint64_t entry,
                                         unsigned level, Rights wanted, bool write) {
  const bool readable = get(paging_entry::kR, entry) != 0;
  const bool writable = get(paging_entry::kW, entry) != 0;
  if ((wanted.write && !writable) || (write && !readable && !writable)) {
    return Reason::kNoWritePermission;
  }
  if ((wanted.read && !readable) || (!readable && !writable)) {
    return Reason::kNoReadPermission;
  }
  const std::uint64_t reserved = is_leaf(entry, level) ? rules.leaf[level] : rules.table[level];
  return (entry & reserved) != 0 ? std::optional(Reason::kPagingEntryReserved) : std::nullopt;
}

namespace {

// Sets A in an entry that is used, D in a leaf that is written [VT-d 3.7.2]. Memory that is not
// snooped cannot be updated. AMBIGUOUS: whether the right to the page or this is looked at first;
// here the right.
std::expected<std::uint64_t, Reason> mark(WalkContext& walk, const SecondStage& tables, PhysAddr at,
                                          std::uint64_t entry, bool dirty) {
  const std::uint64_t marked =
      entry | paging_entry::kA.mask() | (dirty ? paging_entry::kD.mask() : 0);
  if (!tables.accessed_dirty || !walk.update || marked == entry) {
    return entry;
  }
  if (!tables.snooped) {
    return std::unexpected(Reason::kSecondStageNotSnooped);
  }
  walk.memory.store(at, marked);
  return marked;
}

}  // namespace

std::expected<Mapping, Reason> walk_second_stage(WalkContext& walk, const SecondStage& tables,
                                                 std::uint64_t iova, Rights wanted, bool write) {
  const unsigned top = tables.levels() - 1;
  PagingStep step{.table = tables.table, .level = top};
  if (walk.cache != nullptr) {
    step = walk.cache->start(walk.tag, iova, step, wanted.read, wanted.write);
  }
  for (;;) {
    const unsigned level = step.level;
    const PhysAddr at = step.table + (iova >> (12 + 9 * level) & 0x1FF) * 8;
    if (!walk.memory.contains(at, 8)) {
      return std::unexpected(level == top ? Reason::kContextInvalid
                                          : Reason::kPagingEntryUnreadable);
    }
    const auto entry = walk.memory.load<std::uint64_t>(at);
    ++walk.reads;
    if (const auto reason = check_paging_entry(walk.rules, entry, level, wanted, write)) {
      return std::unexpected(*reason);
    }
    step.readable = step.readable && get(paging_entry::kR, entry) != 0;
    step.writable = step.writable && get(paging_entry::kW, entry) != 0;
    const PhysAddr target(entry & paging_entry::kAddress.mask());
    const bool leaf = is_leaf(entry, level);
    const auto marked = mark(walk, tables, at, entry, leaf && wanted.write);
    if (!marked) {
      return std::unexpected(marked.error());
    }
    if (leaf) {
      const bool dirty = !tables.accessed_dirty || get(paging_entry::kD, *marked) != 0;
      return Mapping{target, level, step.readable, step.writable, dirty};
    }
    step.table = target;
    --step.level;
    if (walk.cache != nullptr) {
      walk.cache->insert(walk.tag, iova, step);
    }
  }
}

}  // namespace baton::iommu_vtd
