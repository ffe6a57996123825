// The tracker of preserved blocks: a radix tree of pages linked by physical address, handed over in
// place [linux kernel/liveupdate/kexec_handover.c, include/linux/kho_radix_tree.h; kho-v2 to v4].
//
// One key per block: bit 52 - order set above the block's number. Levels 5 to 1 are tables of 512
// addresses, level 0 is a bitmap of 32768 bits. One bit per key, no counting; tables are never
// freed. The tree's own pages are no keys.
#pragma once

#include <cstdint>
#include <functional>

#include "model/linux/base/errno.h"
#include "model/linux/base/page_alloc.h"
#include "sim/memory.h"

namespace baton::kho {

constexpr std::uint64_t radix_key(PhysAddr block, unsigned order) {
  return std::uint64_t{1} << (52 - order) | block.value() >> (12 + order);
}

class RadixTree {
 public:
  RadixTree(sim::PhysicalMemory& ram, linux::PageAllocator& pages) : ram_(ram), pages_(pages) {}

  // An empty root page: ENOMEM. At `place`, if one is given.
  linux::Result<> create(PhysAddr place = PhysAddr());
  PhysAddr root() const { return root_; }

  linux::Result<> add(PhysAddr block, unsigned order);  // EINVAL without root, ENOMEM
  // False when no table leads to the key (the kernel warns).
  bool remove(PhysAddr block, unsigned order);
  bool contains(PhysAddr block, unsigned order) const;

 private:
  sim::PhysicalMemory& ram_;
  linux::PageAllocator& pages_;
  PhysAddr root_;
};

// Visits every block of an inherited tree, highest order first, then by address. The tree is
// whatever bytes the previous kernel left: false for a table outside RAM, a key that names no RAM,
// or a tree larger than memory; blocks visited until then stay visited. `visit_table`, if any, gets
// each page of the tree.
bool walk_preserved(sim::PhysicalMemory& ram, PhysAddr root,
                    const std::function<void(PhysAddr block, unsigned order)>& visit,
                    const std::function<void(PhysAddr table)>& visit_table = nullptr);

}  // namespace baton::kho
