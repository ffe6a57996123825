#include "model/iommu_vtd/first_stage.h"

#include <algorithm>

namespace baton::iommu_vtd {

namespace {

using namespace first_stage_entry;

bool is_canonical(std::uint64_t address, unsigned levels) {
  const unsigned sign = 12 + 9 * levels - 1;
  const std::uint64_t top = address >> sign;
  return top == 0 || top == ~std::uint64_t{0} >> sign;
}

bool is_leaf_entry(std::uint64_t entry, unsigned level) {
  return level == 0 || get(kPs, entry) != 0;
}

std::optional<Reason> check_rights(const FirstStage& tables, std::uint64_t entry, Rights wanted) {
  if (get(kP, entry) == 0) {
    return Reason::kFirstStageNotPresent;
  }
  if (!wanted.privileged && get(kUs, entry) == 0) {
    return Reason::kUserBlocked;
  }
  const bool write_checked = !wanted.privileged || tables.write_protect;
  if (wanted.write && write_checked && get(kRw, entry) == 0) {
    return Reason::kScalableNoWrite;
  }
  if (wanted.execute && tables.execute_disable && get(kXd, entry) != 0) {
    return Reason::kExecuteBlocked;
  }
  return std::nullopt;
}

std::optional<Reason> check_reserved(const Profile& profile, const FirstStage& tables,
                                     std::uint64_t entry, unsigned level) {
  std::uint64_t reserved = above_host_width(profile) & kAddress.mask();
  if (!tables.execute_disable) {
    reserved |= kXd.mask();
  }
  if (level > 2 || (level == 2 && !profile.first_stage_1gib())) {
    reserved |= kPs.mask();
  }
  if (level > 0 && is_leaf_entry(entry, level)) {
    // The frame is aligned to its size; bit 12 is PAT.
    reserved |= kAddress.mask() & ~kPat.mask() & ((sim::kPageSize << (9 * level)) - 1);
  }
  return (entry & reserved) != 0 ? std::optional(Reason::kFirstStageReserved) : std::nullopt;
}

// What the second stage meets while it finds a first-stage entry [VT-d 7.1.3: SFS.5 to 8].
Reason entry_reason(Reason reason, bool top, bool update) {
  switch (reason) {
    case Reason::kBeyondAddressWidth:
      return Reason::kFirstStageEntryBeyondWidth;
    case Reason::kNoReadPermission:
      return top ? Reason::kFirstStageTopNotReadable : Reason::kFirstStageEntryNotReadable;
    case Reason::kNoWritePermission:
      return update
                 ? Reason::kFirstStageEntryNotWritable
                 : (top ? Reason::kFirstStageTopNotReadable : Reason::kFirstStageEntryNotReadable);
    default:
      return scalable(reason);
  }
}

// ... and while it translates the final address.
Reason output_reason(Reason reason) {
  return reason == Reason::kNoReadPermission || reason == Reason::kNoWritePermission
             ? Reason::kSecondStagePermission
             : scalable(reason);
}

class Walker {
 public:
  Walker(WalkContext& walk, WalkContext& nested, const FirstStage& tables, Rights wanted)
      : walk_(walk), nested_(nested), tables_(tables), wanted_(wanted) {}

  std::expected<Mapping, Reason> run(std::uint64_t iova);

 private:
  std::expected<PagingStep, Reason> start(std::uint64_t iova);
  std::expected<Mapping, Reason> through_second(PhysAddr guest, Rights wanted);
  std::expected<PhysAddr, Reason> table_at(PhysAddr guest, Rights wanted, bool top);
  std::expected<std::uint64_t, Reason> mark(PhysAddr at, std::uint64_t entry, bool dirty, bool top);
  std::expected<Mapping, Reason> finish(const Mapping& first, std::uint64_t iova);

  // Nested tables are looked up again at each walk: only their second stage is cached.
  bool cached() const { return walk_.cache != nullptr && !tables_.second; }

  WalkContext& walk_;
  WalkContext& nested_;
  const FirstStage& tables_;
  const Rights wanted_;
  PhysAddr guest_table_;  // of the level being read; where the right to update A and D is checked
};

std::expected<Mapping, Reason> Walker::through_second(PhysAddr guest, Rights wanted) {
  if (guest.value() >> input_bits(walk_.profile, tables_.second->width) != 0) {
    return std::unexpected(Reason::kBeyondAddressWidth);
  }
  return walk_second_stage(nested_, *tables_.second, guest.value(), wanted, wanted.write);
}

// Where the hardware finds a table; its own address when not nested.
std::expected<PhysAddr, Reason> Walker::table_at(PhysAddr guest, Rights wanted, bool top) {
  guest_table_ = guest;
  if (!tables_.second) {
    return guest;
  }
  const auto mapping = through_second(guest, wanted);
  if (!mapping) {
    return std::unexpected(entry_reason(mapping.error(), top, wanted.write));
  }
  return mapping->translate(guest.value());
}

// Sets A (and EA) in an entry that is used, D in a leaf that is written. Memory that is not snooped
// cannot be updated.
std::expected<std::uint64_t, Reason> Walker::mark(PhysAddr at, std::uint64_t entry, bool dirty,
                                                  bool top) {
  const std::uint64_t marked =
      entry | kA.mask() | (dirty ? kD.mask() : 0) | (tables_.extended_accessed ? kEa.mask() : 0);
  if (!walk_.update || marked == entry) {
    return entry;
  }
  if (!tables_.snooped) {
    return std::unexpected(Reason::kFirstStageNotSnooped);
  }
  if (tables_.second) {
    const auto writable = table_at(guest_table_, Rights{.read = true, .write = true}, top);
    if (!writable) {
      return std::unexpected(writable.error());
    }
  }
  walk_.memory.store(at, marked);
  return marked;
}

std::expected<PagingStep, Reason> Walker::start(std::uint64_t iova) {
  PagingStep step{.table = tables_.table, .level = tables_.levels - 1};
  if (cached()) {
    const bool write = wanted_.write && (!wanted_.privileged || tables_.write_protect);
    step = walk_.cache->start(walk_.tag, iova, step, wanted_.read, write, !wanted_.privileged,
                              wanted_.execute);
  }
  if (step.level == tables_.levels - 1) {
    const auto table = table_at(tables_.table, Rights{.read = true}, true);
    if (!table) {
      return std::unexpected(table.error());
    }
    step.table = *table;
  }
  return step;
}

std::expected<Mapping, Reason> Walker::run(std::uint64_t iova) {
  if (!is_canonical(iova, tables_.levels)) {
    return std::unexpected(Reason::kNotCanonical);
  }
  auto started = start(iova);
  if (!started) {
    return std::unexpected(started.error());
  }
  for (PagingStep step = *started;;) {
    const unsigned level = step.level;
    const bool top = level == tables_.levels - 1;
    const PhysAddr at = step.table + (iova >> (12 + 9 * level) & 0x1FF) * 8;
    if (!walk_.memory.contains(at, 8)) {
      return std::unexpected(top ? Reason::kFirstStageTopUnreadable
                                 : Reason::kFirstStageUnreadable);
    }
    const auto entry = walk_.memory.load<std::uint64_t>(at);
    ++walk_.reads;
    auto reason = check_rights(tables_, entry, wanted_);
    reason = reason ? reason : check_reserved(walk_.profile, tables_, entry, level);
    if (reason) {
      return std::unexpected(*reason);
    }
    step.writable = step.writable && get(kRw, entry) != 0;
    step.user = step.user && get(kUs, entry) != 0;
    step.executable = step.executable && get(kXd, entry) == 0;
    const bool leaf = is_leaf_entry(entry, level);
    const auto marked = mark(at, entry, leaf && wanted_.write, top);
    if (!marked) {
      return std::unexpected(marked.error());
    }
    const PhysAddr target(entry & kAddress.mask());
    if (leaf) {
      const PhysAddr frame(target.value() & ~((sim::kPageSize << (9 * level)) - 1));
      const bool writable = step.writable || (wanted_.privileged && !tables_.write_protect);
      const bool executable = step.executable || !tables_.execute_disable;
      return finish({frame, level, true, writable, get(kD, *marked) != 0, executable}, iova);
    }
    const auto table = table_at(target, Rights{.read = true}, false);
    if (!table) {
      return std::unexpected(table.error());
    }
    step.table = *table;
    --step.level;
    if (cached()) {
      walk_.cache->insert(walk_.tag, iova, step);
    }
  }
}

// The final address through the second stage: the smaller page, the rights of both.
std::expected<Mapping, Reason> Walker::finish(const Mapping& first, std::uint64_t iova) {
  if (!tables_.second) {
    return first;
  }
  const PhysAddr guest = first.translate(iova);
  const auto second = through_second(guest, wanted_);
  if (!second) {
    return std::unexpected(output_reason(second.error()));
  }
  Mapping both = first;
  both.level = std::min(first.level, second->level);
  both.frame = PhysAddr(second->translate(guest.value()).value() & ~(both.bytes() - 1));
  both.readable = second->readable;
  both.writable = first.writable && second->writable;
  both.dirty = first.dirty && second->dirty;
  return both;
}

}  // namespace

FirstStage first_stage_of(const Entry512& entry) {
  FirstStage tables{.table = entry.address(pasid_entry::kFsptptr),
                    .levels = entry.get(pasid_entry::kFspm) == 1 ? 5U : 4U,
                    .write_protect = entry.test(pasid_entry::kWpe),
                    .execute_disable = entry.test(pasid_entry::kNxe),
                    .extended_accessed = entry.test(pasid_entry::kEafe),
                    .snooped = entry.test(pasid_entry::kPwsnp),
                    .second = std::nullopt};
  if (entry.get(pasid_entry::kPgtt) == pasid_entry::kNested) {
    tables.second = second_stage_of(entry);
  }
  return tables;
}

std::expected<Mapping, Reason> walk_first_stage(WalkContext& walk, WalkContext& nested,
                                                const FirstStage& tables, std::uint64_t iova,
                                                Rights wanted) {
  return Walker(walk, nested, tables, wanted).run(iova);
}

}  // namespace baton::iommu_vtd
