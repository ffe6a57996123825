// Serialization blocks (kho-v4): chains of preserved pages with fixed-size entries
// [linux kernel/liveupdate/kho_block.c, include/linux/kho/abi/block.h].
//
// Page layout: 0 u64 next, 8 u64 count, 16 entries.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/kho/kho.h"

namespace baton::kho {

class BlockSet {
 public:
  // An outgoing, empty set. `owner` is for the ledger.
  BlockSet(linux::KernelServices& services, Kho& kho, std::size_t entry_size, const char* owner);

  std::size_t capacity_per_block() const;
  std::size_t capacity() const;
  PhysAddr head() const;  // 0 when there is no block
  const std::vector<PhysAddr>& blocks() const { return blocks_; }

  // Outgoing. ENOMEM, ENOSPC (10000 blocks).
  linux::Result<> grow(std::size_t entries);
  void shrink(std::size_t entries);
  // Zeroes all counts and entries, keeps the links.
  void clear();
  // Writes entry `index` and sets its block's count to cover it.
  void write_entry(std::size_t index, std::span<const std::byte> bytes);

  // Incoming: takes over a chain. EINVAL (cycle, count), ENOSPC; on those all blocks are freed
  // except after a cycle.
  linux::Result<> restore(PhysAddr head);
  // All entries in use, in order.
  std::vector<std::vector<std::byte>> entries() const;

  // Frees all pages: unpreserve when outgoing, restore and free when incoming.
  void destroy();

 private:
  void drop_last();

  linux::KernelServices& services_;
  Kho& kho_;
  std::size_t entry_size_;
  const char* owner_;
  bool incoming_ = false;
  std::vector<PhysAddr> blocks_;
};

}  // namespace baton::kho
