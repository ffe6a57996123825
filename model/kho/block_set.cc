#include "model/kho/block_set.h"

#include <algorithm>

namespace baton::kho {

namespace {

using linux::Errno;

constexpr std::size_t kHeader = 16;
constexpr std::size_t kMostBlocks = 10000;
constexpr std::uint64_t kCountOffset = 8;

}  // namespace

BlockSet::BlockSet(linux::KernelServices& services, Kho& kho, std::size_t entry_size,
                   const char* owner)
    : services_(services), kho_(kho), entry_size_(entry_size), owner_(owner) {}

std::size_t BlockSet::capacity_per_block() const {
  return (sim::kPageSize - kHeader) / entry_size_;
}
std::size_t BlockSet::capacity() const { return blocks_.size() * capacity_per_block(); }
PhysAddr BlockSet::head() const { return blocks_.empty() ? PhysAddr() : blocks_.front(); }

void BlockSet::drop_last() {
  kho_.unpreserve_free(blocks_.back());
  blocks_.pop_back();
  if (!blocks_.empty()) {
    services_.port().ram().store(blocks_.back(), std::uint64_t{0});
  }
}

linux::Result<> BlockSet::grow(std::size_t entries) {
  if (incoming_) {
    return linux::fail(Errno::kInval);
  }
  const std::size_t before = blocks_.size();
  while (capacity() < entries) {
    const auto page = blocks_.size() < kMostBlocks ? kho_.alloc_preserve(sim::kPageSize, owner_)
                                                   : linux::fail(Errno::kNoSpc);
    if (!page) {
      while (blocks_.size() > before) {
        drop_last();
      }
      return linux::fail(page.error());
    }
    if (!blocks_.empty()) {
      services_.port().ram().store(blocks_.back(), page->value());
    }
    blocks_.push_back(*page);
  }
  return {};
}

void BlockSet::shrink(std::size_t entries) {
  while (!blocks_.empty() && capacity() - capacity_per_block() >= entries) {
    drop_last();
  }
}

void BlockSet::clear() {
  for (const PhysAddr block : blocks_) {
    const auto bytes = services_.port().ram().page(block).subspan(kCountOffset);
    std::ranges::fill(bytes, std::byte{0});
  }
}

void BlockSet::write_entry(std::size_t index, std::span<const std::byte> bytes) {
  BATON_CHECK(index < capacity() && bytes.size() == entry_size_, "no such entry in a block set");
  const PhysAddr block = blocks_[index / capacity_per_block()];
  const std::size_t slot = index % capacity_per_block();
  sim::PhysicalMemory& ram = services_.port().ram();
  ram.write(block + kHeader + slot * entry_size_, bytes);
  const auto count = ram.load<std::uint64_t>(block + kCountOffset);
  ram.store(block + kCountOffset, std::max<std::uint64_t>(count, slot + 1));
}

linux::Result<> BlockSet::restore(PhysAddr head) {
  sim::PhysicalMemory& ram = services_.port().ram();
  incoming_ = true;
  // A chain that outgrows the limit with every block seen only once is long; one that comes back
  // to a block is a cycle, and freeing its blocks would free one twice.
  std::vector<PhysAddr> chain;
  Errno error{};
  for (PhysAddr block = head; block.value() != 0;) {
    if (block.page_offset() != 0 || !ram.contains(block, sim::kPageSize)) {
      error = Errno::kInval;
      break;
    }
    if (chain.size() > kMostBlocks) {
      break;
    }
    chain.push_back(block);
    block = PhysAddr(ram.load<std::uint64_t>(block));
  }
  std::vector<PhysAddr> sorted = chain;
  std::ranges::sort(sorted);
  if (std::ranges::adjacent_find(sorted) != sorted.end()) {
    return linux::fail(Errno::kInval);
  }
  if (chain.size() > kMostBlocks) {
    error = Errno::kNoSpc;
  }
  for (const PhysAddr block : chain) {
    const auto count = ram.load<std::uint64_t>(block + kCountOffset);
    if (error == Errno{} && (count == 0 || count > capacity_per_block())) {
      error = Errno::kInval;
    }
  }
  blocks_ = std::move(chain);
  if (error != Errno{}) {
    destroy();
    return linux::fail(error);
  }
  return {};
}

std::vector<std::vector<std::byte>> BlockSet::entries() const {
  sim::PhysicalMemory& ram = services_.port().ram();
  std::vector<std::vector<std::byte>> result;
  for (const PhysAddr block : blocks_) {
    const auto count = std::min<std::uint64_t>(ram.load<std::uint64_t>(block + kCountOffset),
                                               capacity_per_block());
    for (std::uint64_t slot = 0; slot < count; ++slot) {
      std::vector<std::byte> entry(entry_size_);
      ram.read(block + kHeader + slot * entry_size_, entry);
      result.push_back(std::move(entry));
    }
  }
  return result;
}

void BlockSet::destroy() {
  for (const PhysAddr block : blocks_) {
    if (incoming_) {
      kho_.restore_free(block);
    } else {
      kho_.unpreserve_free(block);
    }
  }
  blocks_.clear();
}

}  // namespace baton::kho
