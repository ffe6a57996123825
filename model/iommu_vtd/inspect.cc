#include "model/iommu_vtd/inspect.h"

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
  unsigned tables = 0;

  void visit(PhysAddr page, unsigned level, std::uint64_t iova, bool writable) {
    if (tables++ >= kTablesMax || !core.memory.contains(page, sim::kPageSize)) {
      return;
    }
    table(page, "page table");
    for (std::uint64_t index = 0; index < 512; ++index) {
      const auto entry = core.memory.load<std::uint64_t>(page + index * 8);
      if (check_paging_entry(core.profile, entry, level, {}, false)) {
        continue;
      }
      const std::uint64_t from = iova + (index << (12 + 9 * level));
      const PhysAddr target(entry & paging_entry::kAddress.mask());
      const bool may_write = writable && get(paging_entry::kW, entry) != 0;
      if (is_leaf(entry, level)) {
        runs.add(from, target, sim::kPageSize << (9 * level), may_write);
      } else {
        visit(target, level - 1, from, may_write);
      }
    }
  }
};

}  // namespace

RemappingUnit::Walk inspect(const Core& core, Bdf requester, Iova address) {
  RemappingUnit::Walk walk;
  const auto identity = [&] {
    walk.mapped = walk.readable = walk.writable = true;
    walk.address = PhysAddr(address.value());
    return walk;
  };
  if (!core.status(gcmd::kTe)) {
    return identity();
  }
  Entry128 root;
  const std::optional<Entry128> context = context_of(core, requester, root);
  if (!context || check_context_entry(core.profile, *context)) {
    return walk;
  }
  walk.domain = domain_of(core.profile, *context);
  if (context->get(context_entry::kTt) == context_entry::kPassThrough) {
    return identity();
  }
  if (address.value() >> input_bits(core.profile, *context) != 0) {
    return walk;
  }
  unsigned reads = 0;
  const auto mapping =
      walk_second_stage(core.memory, core.profile, *context, address.value(), {}, false, reads);
  if (mapping) {
    walk.mapped = true;
    walk.address = mapping->translate(address.value());
    walk.readable = mapping->readable;
    walk.writable = mapping->writable;
  }
  return walk;
}

void inspect_tables(const Core& core, Bdf requester, const TableVisitor& table,
                    const LeafVisitor& leaf) {
  if (!core.memory.contains(core.root_table(), sim::kPageSize)) {
    return;
  }
  table(core.root_table(), "root table");
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
