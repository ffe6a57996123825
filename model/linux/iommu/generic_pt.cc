#include "model/linux/iommu/generic_pt.h"

#include <algorithm>

#include "model/linux/base/observations.h"

namespace baton::linux::iommu {

namespace {

// Second-stage paging entry [VT-d 9.8].
constexpr std::uint64_t kRead = 1 << 0;
constexpr std::uint64_t kWrite = 1 << 1;
constexpr std::uint64_t kPageSizeBit = 1 << 7;
// First-stage paging entry, that of x86-64 [VT-d 9.7]. Accessed and dirty are set from the start:
// hardware need not write to the table.
constexpr std::uint64_t kFirstPresent = 1 << 0;
constexpr std::uint64_t kFirstWrite = 1 << 1;
constexpr std::uint64_t kFirstUser = 1 << 2;
constexpr std::uint64_t kFirstAccessed = 1 << 5;
constexpr std::uint64_t kFirstDirty = 1 << 6;
constexpr std::uint64_t kAddressMask = 0x000F'FFFF'FFFF'F000;
constexpr std::uint64_t kEntries = 512;
constexpr unsigned kLevelOf2M = 1;
constexpr unsigned kLevelOf1G = 2;

constexpr unsigned shift_of(unsigned level) { return 12 + 9 * level; }
constexpr std::uint64_t size_of(unsigned level) { return std::uint64_t{1} << shift_of(level); }
constexpr bool present(std::uint64_t entry, bool first_stage) {
  return (entry & (first_stage ? kFirstPresent : kRead | kWrite)) != 0;
}

// PS means "leaf" in 1 GiB and 2 MiB entries alone; above it is reserved, below ignored.
constexpr bool is_leaf(std::uint64_t entry, unsigned level) {
  return level == 0 ||
         ((level == kLevelOf2M || level == kLevelOf1G) && (entry & kPageSizeBit) != 0);
}

constexpr PhysAddr target(std::uint64_t entry) { return PhysAddr(entry & kAddressMask); }
constexpr PhysAddr leaf_target(std::uint64_t entry, unsigned level) {
  return PhysAddr(entry & kAddressMask & ~(size_of(level) - 1));
}
constexpr PhysAddr slot(PhysAddr table, std::uint64_t iova, unsigned level) {
  return table + (iova >> shift_of(level)) % kEntries * 8;
}

}  // namespace

bool walk_tables(sim::PhysicalMemory& ram, PhysAddr top, unsigned level, bool first_stage,
                 const std::function<bool(PhysAddr table, unsigned level)>& visit) {
  if (!ram.contains(top, sim::kPageSize) || top.page_offset() != 0 || !visit(top, level)) {
    return false;
  }
  if (level == 0) {
    return true;
  }
  for (std::uint64_t i = 0; i < kEntries; ++i) {
    const auto entry = ram.load<std::uint64_t>(top + i * 8);
    if (present(entry, first_stage) && !is_leaf(entry, level) &&
        !walk_tables(ram, target(entry), level - 1, first_stage, visit)) {
      return false;
    }
  }
  return true;
}

Result<PageTable> PageTable::create(KernelServices& services, const PageTableFormat& format) {
  PageTable table(services, format, PhysAddr{});
  const Result<PhysAddr> top = table.allocate_table();
  if (!top) {
    return fail(top.error());
  }
  table.top_ = *top;
  return table;
}

PageTable PageTable::over(KernelServices& services, const PageTableFormat& format, PhysAddr top) {
  return {services, format, top};
}

Iova PageTable::last() const {
  const unsigned bits = format_.address_bits - (format_.first_stage ? 1 : 0);
  return Iova((std::uint64_t{1} << bits) - 1);
}

bool PageTable::is_present(std::uint64_t entry) const {
  return present(entry, format_.first_stage);
}

// First stage has no way to forbid reading.
std::uint64_t PageTable::leaf_bits(Prot prot, unsigned level) const {
  const std::uint64_t size = level > 0 ? kPageSizeBit : 0;
  if (format_.first_stage) {
    return kFirstPresent | kFirstUser | kFirstAccessed |
           (prot.write ? kFirstWrite | kFirstDirty : 0) | size;
  }
  return (prot.read ? kRead : 0) | (prot.write ? kWrite : 0) | size;
}

Result<PhysAddr> PageTable::allocate_table() {
  const Result<PhysAddr> page = services_->pages().allocate(0, "page table");
  if (page) {
    auto& ledger = services_->port().simulation().topic<LedgerEntry>();
    if (ledger.active()) {
      ledger.publish({services_->generation(),
                      LedgerEvent::kCreated,
                      LedgerKind::kTable,
                      "page table",
                      {*page, sim::kPageSize},
                      page->page_number()});
    }
  }
  return page;
}

Result<> PageTable::check_range(Iova iova, std::uint64_t length) const {
  if (length == 0 || ((iova.value() | length) & (sim::kPageSize - 1)) != 0) {
    return fail(Errno::kInval);
  }
  if (iova > last() || length - 1 > last() - iova) {
    return fail(Errno::kRange);
  }
  return {};
}

// The level of the largest page that fits at this place.
unsigned PageTable::leaf_level(Iova iova, PhysAddr physical, std::uint64_t length) const {
  const std::uint64_t alignment = iova.value() | physical.value();
  const auto fits = [&](unsigned level) {
    return level <= format_.top_level && (alignment & (size_of(level) - 1)) == 0 &&
           length >= size_of(level);
  };
  if (format_.pages_1g && fits(kLevelOf1G)) {
    return kLevelOf1G;
  }
  return format_.pages_2m && fits(kLevelOf2M) ? kLevelOf2M : 0;
}

// Maps one page of the largest fitting size; returns its size.
Result<std::uint64_t> PageTable::map_one(Iova iova, PhysAddr physical, std::uint64_t length,
                                         Prot prot) {
  const unsigned wanted = leaf_level(iova, physical, length);
  PhysAddr table = top_;
  for (unsigned level = format_.top_level;; --level) {
    const PhysAddr entry_at = slot(table, iova.value(), level);
    const auto entry = ram().load<std::uint64_t>(entry_at);
    if (is_present(entry) && is_leaf(entry, level)) {
      return fail(Errno::kAddrInUse);
    }
    if (!is_present(entry) && level <= wanted && (level != kLevelOf2M || format_.pages_2m)) {
      // One page of `level`, also when `wanted` was larger and lower tables already exist.
      ram().store(entry_at, physical.value() | leaf_bits(prot, level));
      return size_of(level);
    }
    if (!is_present(entry)) {
      const Result<PhysAddr> below = allocate_table();
      if (!below) {
        return fail(below.error());
      }
      const std::uint64_t rights = format_.first_stage
                                       ? kFirstPresent | kFirstWrite | kFirstUser | kFirstAccessed
                                       : kRead | kWrite;
      ram().store(entry_at, below->value() | rights);
      table = *below;
    } else {
      table = target(entry);
    }
  }
}

Result<> PageTable::map(Iova iova, PhysAddr physical, std::uint64_t length, Prot prot) {
  if (auto range = check_range(iova, length); !range) {
    return range;
  }
  if (physical.page_offset() != 0 || (physical.value() & ~kAddressMask) != 0 ||
      !(prot.read || prot.write)) {
    return fail(Errno::kInval);
  }
  std::uint64_t done = 0;
  while (done < length) {
    const Result<std::uint64_t> size = map_one(iova + done, physical + done, length - done, prot);
    if (!size) {
      std::vector<PhysAddr> freed;
      if (done > 0) {
        clear(top_, format_.top_level, 0, iova.value(), (iova + (done - 1)).value(), freed);
        free_tables(freed);  // nothing of it was ever visible to a device's request
      }
      return fail(size.error());
    }
    done += *size;
  }
  return {};
}

// Clears all leaves in [first, last], which no leaf crosses.
void PageTable::clear(PhysAddr table, unsigned level, std::uint64_t table_start,
                      std::uint64_t first, std::uint64_t last, std::vector<PhysAddr>& freed) {
  const std::uint64_t size = size_of(level);
  std::uint64_t start = std::max(first & ~(size - 1), table_start);
  const std::uint64_t end = std::min(last, table_start + (kEntries * size - 1));
  for (; start <= end; start += size) {
    const PhysAddr entry_at = slot(table, start, level);
    const auto entry = ram().load<std::uint64_t>(entry_at);
    if (!is_present(entry)) {
      continue;
    }
    if (is_leaf(entry, level)) {
      ram().store(entry_at, std::uint64_t{0});
    } else if (start >= first && start + (size - 1) <= last) {
      ram().store(entry_at, std::uint64_t{0});
      walk_tables(ram(), target(entry), level - 1, format_.first_stage,
                  [&](PhysAddr page, unsigned) {
                    freed.push_back(page);
                    return true;
                  });
    } else {
      clear(target(entry), level - 1, start, first, last, freed);
    }
  }
}

Result<> PageTable::unmap(Iova iova, std::uint64_t length, std::vector<PhysAddr>& freed) {
  if (auto range = check_range(iova, length); !range) {
    return range;
  }
  const Iova last_byte = iova + (length - 1);
  const std::optional<Leaf> head = leaf(iova);
  const std::optional<Leaf> tail = leaf(last_byte);
  if ((head && head->start != iova) || (tail && tail->start + (tail->length - 1) != last_byte)) {
    return fail(Errno::kInval);
  }
  clear(top_, format_.top_level, 0, iova.value(), last_byte.value(), freed);
  return {};
}

void PageTable::free_tables(std::span<const PhysAddr> tables) {
  for (const PhysAddr table : tables) {
    services_->pages().free(table);
  }
}

std::optional<PageTable::Leaf> PageTable::leaf(Iova iova) const {
  if (iova > last()) {
    return std::nullopt;
  }
  PhysAddr table = top_;
  for (unsigned level = format_.top_level;; --level) {
    const auto entry = ram().load<std::uint64_t>(slot(table, iova.value(), level));
    if (!is_present(entry)) {
      return std::nullopt;
    }
    if (is_leaf(entry, level)) {
      return Leaf{Iova(iova.value() & ~(size_of(level) - 1)),
                  leaf_target(entry, level),
                  size_of(level),
                  {(entry & (format_.first_stage ? kFirstPresent : kRead)) != 0,
                   (entry & (format_.first_stage ? kFirstWrite : kWrite)) != 0}};
    }
    table = target(entry);
    if (!ram().contains(table, sim::kPageSize)) {
      return std::nullopt;
    }
  }
}

std::optional<PhysAddr> PageTable::lookup(Iova iova) const {
  const std::optional<Leaf> found = leaf(iova);
  if (!found) {
    return std::nullopt;
  }
  return found->physical + (iova - found->start);
}

void PageTable::for_each_table(const std::function<void(PhysAddr, unsigned level)>& visit) const {
  walk_tables(ram(), top_, format_.top_level, format_.first_stage,
              [&](PhysAddr page, unsigned level) {
                visit(page, level);
                return true;
              });
}

void PageTable::release() {
  std::vector<PhysAddr> tables;
  for_each_table([&](PhysAddr page, unsigned) { tables.push_back(page); });
  free_tables(tables);
  top_ = PhysAddr{};
}

}  // namespace baton::linux::iommu
