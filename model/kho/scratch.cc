#include "model/kho/scratch.h"

#include <algorithm>
#include <array>
#include <set>

#include "model/kho/radix_tree.h"

namespace baton::kho {

namespace {

constexpr std::uint64_t kLowLimit = std::uint64_t{4} << 30;
constexpr std::uint64_t kAnywhere = UINT64_MAX;

// What a kernel has reserved when it sizes scratch: its image and early allocations, all low, and
// struct page (64 bytes for 4096), anywhere [assumed: no published figure; the image size is that
// of a distribution kernel].
std::uint64_t reserved_low(const host::MemoryMap& map) {
  return std::min<std::uint64_t>(std::uint64_t{48} << 20, map.ram_bytes() / 16);
}
std::uint64_t reserved_total(const host::MemoryMap& map) {
  return reserved_low(map) + map.ram_bytes() / 64;
}

constexpr std::uint64_t round_up(std::uint64_t size) {
  return (size + kScratchAlignment - 1) / kScratchAlignment * kScratchAlignment;
}

// lowmem, global, node.
std::array<std::uint64_t, 3> sizes_of(const host::MemoryMap& map, const ScratchSizing& sizing) {
  if (sizing.scale_percent == 0) {
    return {round_up(sizing.lowmem), round_up(sizing.global), round_up(sizing.per_node)};
  }
  const auto scaled = [&](std::uint64_t bytes) { return bytes * sizing.scale_percent / 100; };
  const std::uint64_t low = round_up(scaled(reserved_low(map)));
  const std::uint64_t all = round_up(scaled(reserved_total(map)));
  return {low, all > low ? all - low : 0, all};
}

bool overlaps(const sim::PhysRange& a, const sim::PhysRange& b) {
  return a.start < b.end() && b.start < a.end();
}

// The highest aligned free place below `limit`, as memblock allocates top-down.
std::optional<sim::PhysRange> place(const host::MemoryMap& map, std::uint64_t size,
                                    std::uint64_t limit,
                                    const std::vector<sim::PhysRange>& others) {
  const auto is_free = [&](const sim::PhysRange& range) {
    for (const sim::PhysRange& other : others) {
      if (overlaps(range, other)) return false;
    }
    return true;
  };
  for (auto entry = map.entries.rbegin(); entry != map.entries.rend(); ++entry) {
    const std::uint64_t end = std::min(entry->range.end().value(), limit);
    if (entry->type != host::MemoryType::kRam || end < size) {
      continue;
    }
    std::uint64_t start = (end - size) / kScratchAlignment * kScratchAlignment;
    for (; start >= entry->range.start.value(); start -= kScratchAlignment) {
      const sim::PhysRange candidate{PhysAddr(start), size};
      if (start != 0 && is_free(candidate)) {
        return candidate;
      }
      if (start < kScratchAlignment) {
        break;
      }
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::vector<sim::PhysRange>> choose_scratch(const host::MemoryMap& map,
                                                          const ScratchSizing& sizing) {
  const auto sizes = sizes_of(map, sizing);
  std::vector<sim::PhysRange> areas;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] == 0) {
      // AMBIGUOUS: what the table holds for a size of zero; read as an empty entry.
      areas.push_back({PhysAddr(0), 0});
      continue;
    }
    const auto area = place(map, sizes[i], i == 0 ? kLowLimit : kAnywhere, areas);
    if (!area) {
      return std::nullopt;
    }
    areas.push_back(*area);
  }
  return areas;
}

std::vector<sim::PhysRange> extended_scratch(sim::PhysicalMemory& ram, const host::MemoryMap& map,
                                             PhysAddr tree_root) {
  constexpr unsigned kBusyShift = 30;
  std::set<std::uint64_t> busy;
  const auto mark = [&](std::uint64_t first, std::uint64_t last) {
    for (std::uint64_t block = first >> kBusyShift; block <= last >> kBusyShift; ++block) {
      busy.insert(block);
    }
  };
  const bool whole = walk_preserved(
      ram, tree_root,
      [&](PhysAddr block, unsigned order) {
        mark(block.value(), block.value() + (sim::kPageSize << order) - 1);
      },
      [&](PhysAddr table) { mark(table.value(), table.value()); });
  std::vector<sim::PhysRange> ranges;
  if (!whole) {
    return ranges;
  }
  for (const host::MemoryMapEntry& entry : map.entries) {
    if (entry.type != host::MemoryType::kRam) {
      continue;
    }
    std::uint64_t start = entry.range.start.value();
    const std::uint64_t end = entry.range.end().value();
    while (start < end) {
      const std::uint64_t stop = std::min(end, ((start >> kBusyShift) + 1) << kBusyShift);
      if (!busy.contains(start >> kBusyShift)) {
        if (!ranges.empty() && ranges.back().end() == PhysAddr(start)) {
          ranges.back().length += stop - start;
        } else {
          ranges.push_back({PhysAddr(start), stop - start});
        }
      }
      start = stop;
    }
  }
  return ranges;
}

}  // namespace baton::kho
