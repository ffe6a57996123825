// The page allocator of one kernel: a buddy allocator over simulated RAM [linux mm/page_alloc.c],
// deterministic, without zones, per-CPU lists or reclaim. The first MiB is never given out [linux
// arch/x86/realmode/init.c]; blocks above 4 GiB are broken up first, as ZONE_NORMAL goes before
// ZONE_DMA32.
//
// A new kernel owns nothing but its boot ranges (scratch, on a handover) until release_all(), which
// gives every other page of RAM to the allocator, except what was reserved (preserved memory), and
// tells the memory that those pages now count as overwritten.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "model/host/kernel_port.h"
#include "model/linux/base/errno.h"
#include "sim/memory.h"

namespace baton::linux {

inline constexpr unsigned kPageShift = 12;
inline constexpr unsigned kMaxPageOrder = 10;

// The smallest order of pages that holds `bytes` [linux get_order].
unsigned order_of(std::uint64_t bytes);

// The part of struct page that baton's kernels use: the first page of a block speaks for all of it.
// An array of these covers RAM, zero where nobody has looked. `owner` is a static text for reports.
struct Page {
  std::uint64_t private_data = 0;  // KHO stamp of a block's first page
  const char* owner = nullptr;
  std::uint32_t refcount = 0;
  // By the allocator only: links of a free list, 0 for none; what the page is.
  std::uint32_t next = 0;
  std::uint32_t previous = 0;
  std::uint8_t order = 0;
  std::uint8_t state = 0;
};

class PageAllocator {
 public:
  // `boot_ranges`: where early allocations may go. Sorted, disjoint, page aligned.
  PageAllocator(host::KernelPort& port, std::vector<sim::PhysRange> boot_ranges);
  ~PageAllocator();

  // Before release_all: takes a range out of what will be released. It keeps its content. Ranges
  // may overlap; what lies outside RAM is ignored, as memblock_reserve() has no opinion on it.
  void reserve(sim::PhysRange range, const char* owner);

  // memblock_free_all: all RAM that is neither reserved nor allocated becomes free and its content
  // lost. Publishes MemoryReleased. `overwrite` is false on a cold boot.
  void release_all(bool overwrite);

  // A zeroed block of 2^order pages, naturally aligned. ENOMEM.
  Result<PhysAddr> allocate(unsigned order, const char* owner);
  // Before release_all: from then on nothing is allocated inside these ranges (KHO scratch, where
  // Linux admits movable pages alone; baton's kernels have none that they would move).
  void set_unmovable_avoids(std::span<const sim::PhysRange> ranges);

  // Drops one reference of the block that holds the page; at zero it is free. A bug without one.
  void free(PhysAddr page);
  void get(PhysAddr page);  // one more reference of its block

  // Memory that KHO restored enters the allocator's books: refcount 1, this order.
  void adopt(PhysAddr block, unsigned order, const char* owner);
  // Splits an adopted or allocated block of order o into 2^o single pages.
  void split(PhysAddr block);

  Page& page(PhysAddr address);
  bool is_allocated(PhysAddr address) const;

  // Free pages, those of the avoided ranges included.
  std::uint64_t free_pages() const;

 private:
  class State;
  std::unique_ptr<State> state_;
};

// Observations.

// All RAM outside `kept` was given to the page allocator of this generation.
struct MemoryReleased {
  unsigned generation;
  std::span<const sim::PhysRange> kept;
};

struct PagesAllocated {
  unsigned generation;
  sim::PhysRange range;
  const char* owner;
};

struct PagesFreed {
  unsigned generation;
  sim::PhysRange range;
};

}  // namespace baton::linux
