// Records of one size that a kernel hands to the next one: a page, and the KHO blocks it leads to.
//
//    0  u32  version
//    4  u32  number of records in use
//    8  u64  physical address of the first block, 0 without records
//
// This is pci_ser of the posted series [linux include/linux/kho/abi/pci.h, v9]; FLBs of baton's own
// have the same head. A record that is dropped is zeroed and its place used again; the blocks never
// shrink. `Record` is a trivially copyable struct with the bytes of the record and
// bool in_use() const. AMBIGUOUS: whether v9 compares the number; here another one is EINVAL.
#pragma once

#include <algorithm>
#include <cstring>
#include <span>
#include <vector>

#include "model/kho/block_set.h"

namespace baton::kho {

template <typename Record>
class RecordTable {
 public:
  // `page_owner` and `block_owner` are for the ledger.
  RecordTable(linux::KernelServices& services, Kho& kho, std::uint32_t version,
              const char* page_owner, const char* block_owner)
      : services_(services),
        kho_(kho),
        version_(version),
        page_owner_(page_owner),
        outgoing_blocks_(services, kho, sizeof(Record), block_owner),
        incoming_blocks_(services, kho, sizeof(Record), block_owner) {}

  // Old kernel. ENOMEM.
  linux::Result<PhysAddr> create() {
    const auto page = kho_.alloc_preserve(kHeadBytes, page_owner_);
    if (!page) return linux::fail(page.error());
    page_ = *page;
    write_head();
    return page_;
  }
  bool exists() const { return page_.value() != 0; }
  // Gives back the blocks; with it the page, unless its owner has done so.
  void destroy(bool with_page = true) {
    outgoing_blocks_.destroy();
    records_.clear();
    used_ = 0;
    lowest_free_ = 0;
    if (with_page) kho_.unpreserve_free(page_);
    page_ = PhysAddr();
  }
  PhysAddr page() const { return page_; }

  // A place for one more record, which stays free until it is written. ENOMEM.
  linux::Result<std::size_t> reserve() {
    while (lowest_free_ < records_.size() && records_[lowest_free_].in_use()) ++lowest_free_;
    if (lowest_free_ == records_.size()) {
      if (const auto grown = outgoing_blocks_.grow(lowest_free_ + 1); !grown)
        return linux::fail(grown.error());
      records_.emplace_back();
    }
    return lowest_free_;
  }
  void write(std::size_t index, const Record& record) {
    used_ -= records_[index].in_use() ? 1 : 0;
    used_ += record.in_use() ? 1 : 0;
    if (!record.in_use()) lowest_free_ = std::min(lowest_free_, index);
    records_[index] = record;
    outgoing_blocks_.write_entry(index, std::as_bytes(std::span(&record, 1)));
    write_head();
  }
  // Null: no record in use is such a one.
  template <typename Predicate>
  const Record* find_if(Predicate is_it) const {
    const auto found = std::ranges::find_if(
        records_, [&](const Record& record) { return record.in_use() && is_it(record); });
    return found == records_.end() ? nullptr : &*found;
  }
  std::size_t index_of(const Record& record) const {
    return static_cast<std::size_t>(&record - records_.data());
  }
  template <typename Predicate>
  void drop_if(Predicate is_it) {
    for (std::size_t i = 0; i < records_.size(); ++i) {
      if (records_[i].in_use() && is_it(records_[i])) write(i, Record{});
    }
  }

  // New kernel: the version that the page names; nothing else of it has been trusted then. EINVAL:
  // there is no page.
  linux::Result<std::uint32_t> version_at(PhysAddr page) const {
    sim::PhysicalMemory& ram = services_.port().ram();
    if (page.page_offset() != 0 || !ram.contains(page, sim::kPageSize))
      return linux::fail(linux::Errno::kInval);
    return ram.load<std::uint32_t>(page);
  }
  // Takes over page and blocks, and returns the records in use. EINVAL, ENOSPC.
  linux::Result<std::vector<Record>> restore(PhysAddr page) {
    const auto version = version_at(page);
    if (!version) return linux::fail(version.error());
    if (*version != version_) return linux::fail(linux::Errno::kInval);
    const PhysAddr head(services_.port().ram().template load<std::uint64_t>(page + kFirstBlock));
    if (const auto blocks = incoming_blocks_.restore(head); !blocks)
      return linux::fail(blocks.error());
    std::vector<Record> result;
    for (const auto& bytes : incoming_blocks_.entries()) {
      Record record;
      std::memcpy(&record, bytes.data(), sizeof record);
      if (record.in_use()) result.push_back(record);
    }
    if (result.size() != services_.port().ram().template load<std::uint32_t>(page + kInUse)) {
      incoming_blocks_.destroy();
      return linux::fail(linux::Errno::kInval);
    }
    incoming_page_ = page;
    return result;
  }
  bool restored() const { return incoming_page_.value() != 0; }
  void free_restored() {
    incoming_blocks_.destroy();
    if (restored()) kho_.restore_free(incoming_page_);
    incoming_page_ = PhysAddr();
  }

 private:
  static constexpr std::uint64_t kHeadBytes = 16;
  static constexpr std::uint64_t kInUse = 4;
  static constexpr std::uint64_t kFirstBlock = 8;

  void write_head() {
    sim::PhysicalMemory& ram = services_.port().ram();
    ram.store(page_, version_);
    ram.store(page_ + kInUse, used_);
    ram.store(page_ + kFirstBlock, outgoing_blocks_.head().value());
  }

  linux::KernelServices& services_;
  Kho& kho_;
  std::uint32_t version_;
  const char* page_owner_;
  PhysAddr page_;  // 0: none
  BlockSet outgoing_blocks_;
  std::vector<Record> records_;
  std::uint32_t used_ = 0;
  std::size_t lowest_free_ = 0;  // every record before it is in use
  PhysAddr incoming_page_;       // 0: none
  BlockSet incoming_blocks_;
};

}  // namespace baton::kho
