// The page allocator of one kernel: a buddy allocator over simulated RAM [linux mm/page_alloc.c].
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

// The part of struct page that baton's kernels use. `owner` is a static text for the ledger.
struct Page {
  std::uint64_t private_data = 0;  // KHO stamp of a block's first page
  std::uint32_t refcount = 0;
  std::uint8_t order = 0;
  const char* owner = nullptr;
};

class PageAllocator {
 public:
  // `boot_ranges`: where early allocations may go. Sorted, disjoint, page aligned.
  PageAllocator(host::KernelPort& port, std::vector<sim::PhysRange> boot_ranges);
  ~PageAllocator();

  // Before release_all: takes a range out of what will be released. It keeps its content.
  void reserve(sim::PhysRange range, const char* owner);

  // memblock_free_all: all RAM that is neither reserved nor allocated becomes free and its content
  // lost. Publishes MemoryReleased. `overwrite` is false on a cold boot.
  void release_all(bool overwrite);

  // A zeroed block of 2^order pages, naturally aligned. ENOMEM.
  Result<PhysAddr> allocate(unsigned order, const char* owner);
  // As allocate, but never inside `avoid` ranges set by set_avoid() (KHO scratch: only movable
  // pages may live there).
  void set_unmovable_avoids(std::span<const sim::PhysRange> ranges);

  // Drops one reference; at zero the block is free. Freeing what is not allocated is a bug.
  void free(PhysAddr block);
  void get(PhysAddr block);  // one more reference

  // Memory that KHO restored enters the allocator's books: refcount 1, this order.
  void adopt(PhysAddr block, unsigned order, const char* owner);
  // Splits an adopted or allocated block of order o into 2^o single pages.
  void split(PhysAddr block);

  Page& page(PhysAddr address);
  bool is_allocated(PhysAddr address) const;

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
