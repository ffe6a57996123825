#include "model/kho/radix_tree.h"

#include <bit>

namespace baton::kho {

namespace {

constexpr unsigned kTopLevel = 5;
constexpr unsigned kLeafBits = 15;
constexpr unsigned kTableBits = 9;
constexpr std::uint64_t kEntries = std::uint64_t{1} << kTableBits;

constexpr unsigned shift_of(unsigned level) { return kLeafBits + kTableBits * (level - 1); }

PhysAddr entry_of(PhysAddr table, std::uint64_t key, unsigned level) {
  return table + (key >> shift_of(level) & (kEntries - 1)) * 8;
}

PhysAddr word_of(PhysAddr leaf, std::uint64_t key) {
  return leaf + (key & ((std::uint64_t{1} << kLeafBits) - 1)) / 64 * 8;
}

constexpr std::uint64_t bit_of(std::uint64_t key) { return std::uint64_t{1} << key % 64; }

class Walk {
 public:
  Walk(sim::PhysicalMemory& ram, const std::function<void(PhysAddr, unsigned)>& visit,
       const std::function<void(PhysAddr)>& visit_table)
      : ram_(ram), visit_(visit), visit_table_(visit_table) {}

  bool table(PhysAddr address, unsigned level, std::uint64_t key) {
    if (!usable(address)) {
      return false;
    }
    for (std::uint64_t i = 0; i < kEntries; ++i) {
      const PhysAddr child(ram_.load<std::uint64_t>(address + i * 8));
      if (child.value() == 0) {
        continue;
      }
      const std::uint64_t child_key = key | i << shift_of(level);
      if (!(level == 1 ? leaf(child, child_key) : table(child, level - 1, child_key))) {
        return false;
      }
    }
    return true;
  }

 private:
  bool leaf(PhysAddr address, std::uint64_t key) {
    if (!usable(address)) {
      return false;
    }
    for (std::uint64_t word = 0; word < kEntries; ++word) {
      std::uint64_t bits = ram_.load<std::uint64_t>(address + word * 8);
      for (; bits != 0; bits &= bits - 1) {
        if (!block(key | word * 64 | static_cast<unsigned>(std::countr_zero(bits)))) {
          return false;
        }
      }
    }
    return true;
  }

  bool block(std::uint64_t key) {
    if (key == 0 || std::bit_width(key) > 53) {
      return false;
    }
    const unsigned order = 53 - static_cast<unsigned>(std::bit_width(key));
    if (order > 40) {  // no memory is that large; its size would not fit in 64 bits
      return false;
    }
    const PhysAddr start((key ^ std::uint64_t{1} << (52 - order)) << (12 + order));
    if (!ram_.contains(start, sim::kPageSize << order)) {
      return false;
    }
    visit_(start, order);
    return true;
  }

  // Whole tables inside RAM, and never more of them than RAM has pages.
  bool usable(PhysAddr address) {
    if (address.page_offset() != 0 || !ram_.contains(address, sim::kPageSize) ||
        ++tables_ > ram_.size() / sim::kPageSize) {
      return false;
    }
    if (visit_table_) visit_table_(address);
    return true;
  }

  sim::PhysicalMemory& ram_;
  const std::function<void(PhysAddr, unsigned)>& visit_;
  const std::function<void(PhysAddr)>& visit_table_;
  std::uint64_t tables_ = 0;
};

}  // namespace

linux::Result<> RadixTree::create(PhysAddr place) {
  if (place != PhysAddr()) {
    root_ = place;
    ram_.zero_pages({place, sim::kPageSize});
    return {};
  }
  const auto page = pages_.allocate(0, "kho radix tree");
  if (!page) {
    return linux::fail(page.error());
  }
  root_ = *page;
  return {};
}

linux::Result<> RadixTree::add(PhysAddr block, unsigned order) {
  if (root_.value() == 0) {
    return linux::fail(linux::Errno::kInval);
  }
  const std::uint64_t key = radix_key(block, order);
  PhysAddr table = root_;
  PhysAddr anchor;  // the entry that the first table made by this call hangs on
  std::vector<PhysAddr> made;
  for (unsigned level = kTopLevel; level >= 1; --level) {
    const PhysAddr entry = entry_of(table, key, level);
    PhysAddr child(ram_.load<std::uint64_t>(entry));
    if (child.value() == 0) {
      const auto page = pages_.allocate(0, "kho radix tree");
      if (!page) {
        if (!made.empty()) {
          ram_.store(anchor, std::uint64_t{0});
        }
        for (const PhysAddr node : made) {
          pages_.free(node);
        }
        return linux::fail(page.error());
      }
      child = *page;
      if (made.empty()) {
        anchor = entry;
      }
      made.push_back(child);
      ram_.store(entry, child.value());
    }
    table = child;
  }
  const PhysAddr word = word_of(table, key);
  ram_.store(word, ram_.load<std::uint64_t>(word) | bit_of(key));
  return {};
}

bool RadixTree::remove(PhysAddr block, unsigned order) {
  const std::uint64_t key = radix_key(block, order);
  PhysAddr table = root_;
  for (unsigned level = kTopLevel; level >= 1 && table.value() != 0; --level) {
    table = PhysAddr(ram_.load<std::uint64_t>(entry_of(table, key, level)));
  }
  if (table.value() == 0) {
    return false;
  }
  const PhysAddr word = word_of(table, key);
  ram_.store(word, ram_.load<std::uint64_t>(word) & ~bit_of(key));
  return true;
}

bool RadixTree::contains(PhysAddr block, unsigned order) const {
  const std::uint64_t key = radix_key(block, order);
  PhysAddr table = root_;
  for (unsigned level = kTopLevel; level >= 1 && table.value() != 0; --level) {
    table = PhysAddr(ram_.load<std::uint64_t>(entry_of(table, key, level)));
  }
  return table.value() != 0 && (ram_.load<std::uint64_t>(word_of(table, key)) & bit_of(key)) != 0;
}

bool walk_preserved(sim::PhysicalMemory& ram, PhysAddr root,
                    const std::function<void(PhysAddr, unsigned)>& visit,
                    const std::function<void(PhysAddr)>& visit_table) {
  return Walk(ram, visit, visit_table).table(root, kTopLevel, 0);
}

}  // namespace baton::kho
