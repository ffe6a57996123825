#include "model/iommu_vtd/inspect.h"

#include "model/iommu_vtd/first_stage.h"

namespace baton::iommu_vtd {

namespace {

constexpr unsigned kTablesMax = 1U << 20;

std::optional<Entry128> context_of(const Core& core, Bdf requester, Entry128& root) {
  const auto found = read_root_entry(core.memory, core.profile, core.root_table(), requester.bus());
  if (!found) {
    return std::nullopt;
  }
  root = *found;
  const auto context = read_context_entry(core.memory, root, requester.devfn());
  return context ? std::optional(*context) : std::nullopt;
}

// Collects runs of leaves that are contiguous on both sides.
class Runs {
 public:
  explicit Runs(const LeafVisitor& leaf) : leaf_(leaf) {}

  void add(std::uint64_t iova, PhysAddr frame, std::uint64_t bytes, bool writable) {
    if (length_ != 0 && iova == from_ + length_ && frame == to_ + length_ &&
        writable == writable_) {
      length_ += bytes;
      return;
    }
    flush();
    from_ = iova;
    to_ = frame;
    length_ = bytes;
    writable_ = writable;
  }
  void flush() {
    if (length_ != 0) {
      leaf_(Iova(from_), to_, length_, writable_);
    }
    length_ = 0;
  }

 private:
  const LeafVisitor& leaf_;
  std::uint64_t from_ = 0;
  PhysAddr to_;
  std::uint64_t length_ = 0;
  bool writable_ = false;
};

struct TableWalk {
  const Core& core;
  const TableVisitor& table;
  Runs runs;
  bool first_stage = false;
  unsigned tables = 0;

  // A leaf or a table that hardware would follow.
  bool usable(std::uint64_t entry, unsigned level) const {
    return first_stage ? get(first_stage_entry::kP, entry) != 0
                       : !check_paging_entry(core.second_stage_rules, entry, level, {}, false);
  }

  void visit(PhysAddr page, unsigned level, std::uint64_t iova, bool writable) {
    if (tables++ >= kTablesMax || !core.memory.contains(page, sim::kPageSize)) {
      return;
    }
    table(page, "page table");
    for (std::uint64_t index = 0; index < 512; ++index) {
      const auto entry = core.memory.load<std::uint64_t>(page + index * 8);
      if (!usable(entry, level)) {
        continue;
      }
      const std::uint64_t from = iova + (index << (12 + 9 * level));
      // Bit 12 of a large first-stage leaf is no address.
      const std::uint64_t below = is_leaf(entry, level) ? (sim::kPageSize << (9 * level)) - 1 : 0;
      const PhysAddr target(entry & paging_entry::kAddress.mask() & ~below);
      const bool may_write = writable && get(paging_entry::kW, entry) != 0;
      if (is_leaf(entry, level)) {
        runs.add(from, target, sim::kPageSize << (9 * level), may_write);
      } else {
        visit(target, level - 1, from, may_write);
      }
    }
  }
};

// The entry that requests of this requester without PASID go through.
std::optional<Entry512> pasid_entry_of(const Core& core, Bdf requester,
                                       const TableVisitor& table = nullptr) {
  const auto seen = [&](PhysAddr page, const char* what) {
    if (table && core.memory.contains(page, sim::kPageSize)) {
      table(page, what);
    }
  };
  const auto root = read_scalable_root(core.memory, core.profile, core.root_table(), requester);
  const auto context =
      root ? read_scalable_context(core.memory, *root, requester) : std::unexpected(root.error());
  if (!context) {
    return std::nullopt;
  }
  seen(root->address(scalable_root::kCtp), "context table");
  if (check_scalable_context(core.profile, *context)) {
    return std::nullopt;
  }
  seen(context->address(scalable_context::kPasidDirPtr), "PASID directory");
  const Pasid pasid = rid_pasid(core.profile, *context);
  if (!has_directory_entry(*context, pasid)) {
    return std::nullopt;
  }
  const auto directory = read_directory_entry(core.memory, *context, pasid);
  if (!directory || check_directory_entry(core.profile, *directory)) {
    return std::nullopt;
  }
  seen(directory->address(pasid_directory::kTable), "PASID table");
  const auto entry = read_pasid_entry(core.memory, *directory, pasid);
  return entry && !check_pasid_entry(core.profile, *entry) ? std::optional(*entry) : std::nullopt;
}

void fill(RemappingUnit::Walk& walk, const std::expected<Mapping, Reason>& mapping,
          std::uint64_t iova) {
  if (mapping) {
    walk.mapped = true;
    walk.address = mapping->translate(iova);
    walk.readable = mapping->readable;
    walk.writable = mapping->writable;
  }
}

RemappingUnit::Walk identity(RemappingUnit::Walk walk, Iova address) {
  walk.mapped = walk.readable = walk.writable = true;
  walk.address = PhysAddr(address.value());
  return walk;
}

RemappingUnit::Walk inspect_scalable(const Core& core, Bdf requester, Iova address) {
  RemappingUnit::Walk walk;
  const std::optional<Entry512> entry = pasid_entry_of(core, requester);
  if (!entry) {
    return walk;
  }
  walk.domain = domain_of(core.profile, *entry);
  WalkContext second{.memory = core.memory,
                     .profile = core.profile,
                     .rules = core.second_stage_rules,
                     .update = false};
  const std::uint64_t iova = address.value();
  switch (entry->get(pasid_entry::kPgtt)) {
    case pasid_entry::kPassThrough:
      return identity(walk, address);
    case pasid_entry::kSecondStage: {
      const SecondStage tables = second_stage_of(*entry);
      if (iova >> input_bits(core.profile, tables.width) == 0) {
        fill(walk, walk_second_stage(second, tables, iova, {}, false), iova);
      }
      return walk;
    }
    default: {
      WalkContext first = second;
      fill(walk, walk_first_stage(first, second, first_stage_of(*entry), iova, {}), iova);
      return walk;
    }
  }
}

bool is_scalable(const Core& core) { return get(rtaddr::kTtm, core.root) == 1; }

}  // namespace

RemappingUnit::Walk inspect(const Core& core, Bdf requester, Iova address) {
  RemappingUnit::Walk walk;
  if (!core.status(gcmd::kTe)) {
    return identity(walk, address);
  }
  if (is_scalable(core)) {
    return inspect_scalable(core, requester, address);
  }
  Entry128 root;
  const std::optional<Entry128> context = context_of(core, requester, root);
  if (!context || check_context_entry(core.profile, *context)) {
    return walk;
  }
  walk.domain = domain_of(core.profile, *context);
  if (context->get(context_entry::kTt) == context_entry::kPassThrough) {
    return identity(walk, address);
  }
  const SecondStage tables = second_stage_of(*context);
  if (address.value() >> input_bits(core.profile, tables.width) != 0) {
    return walk;
  }
  WalkContext second{.memory = core.memory,
                     .profile = core.profile,
                     .rules = core.second_stage_rules,
                     .update = false};
  fill(walk, walk_second_stage(second, tables, address.value(), {}, false), address.value());
  return walk;
}

std::optional<RemappingUnit::Attachment> attachment(const Core& core, Bdf requester) {
  using Attachment = RemappingUnit::Attachment;
  if (!core.status(gcmd::kTe)) {
    return std::nullopt;
  }
  if (is_scalable(core)) {
    const std::optional<Entry512> entry = pasid_entry_of(core, requester);
    const std::uint64_t type = entry ? entry->get(pasid_entry::kPgtt) : 0;
    if (type == pasid_entry::kFirstStage) {
      return Attachment{domain_of(core.profile, *entry), first_stage_of(*entry).table};
    }
    const bool nested = type == pasid_entry::kNested;
    if (!nested && type != pasid_entry::kSecondStage) {
      return std::nullopt;
    }
    return Attachment{domain_of(core.profile, *entry), second_stage_of(*entry).table, nested};
  }
  Entry128 root;
  const std::optional<Entry128> context = context_of(core, requester, root);
  if (!context || check_context_entry(core.profile, *context) ||
      context->get(context_entry::kTt) == context_entry::kPassThrough) {
    return std::nullopt;
  }
  return Attachment{domain_of(core.profile, *context), second_stage_of(*context).table};
}

namespace {

// Nested tables are not visited, nor the upper half of first-stage addresses.
void inspect_scalable_tables(const Core& core, Bdf requester, const TableVisitor& table,
                             const LeafVisitor& leaf) {
  const std::optional<Entry512> entry = pasid_entry_of(core, requester, table);
  if (entry && entry->get(pasid_entry::kPgtt) == pasid_entry::kFirstStage) {
    TableWalk walk{core, table, Runs(leaf), true};
    const FirstStage tables = first_stage_of(*entry);
    walk.visit(tables.table, tables.levels - 1, 0, true);
    walk.runs.flush();
  }
  if (!entry || entry->get(pasid_entry::kPgtt) != pasid_entry::kSecondStage) {
    return;
  }
  TableWalk walk{core, table, Runs(leaf)};
  const SecondStage tables = second_stage_of(*entry);
  walk.visit(tables.table, tables.levels() - 1, 0, true);
  walk.runs.flush();
}

}  // namespace

void inspect_tables(const Core& core, Bdf requester, const TableVisitor& table,
                    const LeafVisitor& leaf) {
  if (!core.memory.contains(core.root_table(), sim::kPageSize)) {
    return;
  }
  table(core.root_table(), "root table");
  if (is_scalable(core)) {
    inspect_scalable_tables(core, requester, table, leaf);
    return;
  }
  Entry128 root;
  const std::optional<Entry128> context = context_of(core, requester, root);
  if (!context) {
    return;
  }
  table(root.address(root_entry::kCtp), "context table");
  if (check_context_entry(core.profile, *context) ||
      context->get(context_entry::kTt) == context_entry::kPassThrough) {
    return;
  }
  TableWalk walk{core, table, Runs(leaf)};
  const unsigned top = static_cast<unsigned>(context->get(context_entry::kAw)) + 1;
  walk.visit(context->address(context_entry::kSsptptr), top, 0, true);
  walk.runs.flush();
}

}  // namespace baton::iommu_vtd
