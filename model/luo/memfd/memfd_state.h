// What is behind a memfd: inode and page cache. Private to this folder.
//
// The page cache is kept as runs: folios of one order that follow each other in the file and in
// memory are one entry, so a guest's memory costs nothing here for each page of it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "model/linux/base/kernel_services.h"
#include "model/linux/base/observations.h"
#include "model/luo/memfd/memfd.h"

namespace baton::luo {

inline constexpr unsigned kHugeOrder = 9;  // HPAGE_PMD_ORDER

class Memfd::State {
 public:
  State(linux::KernelServices& kernel, std::string file_name, std::uint64_t inode_number,
        ShmemHuge huge_pages, bool is_hugetlb)
      : services(kernel),
        name(std::move(file_name)),
        inode(inode_number),
        huge(huge_pages),
        hugetlb(is_hugetlb) {}

  std::uint64_t page_count() const { return (size + sim::kPageSize - 1) / sim::kPageSize; }

  // The page at this index, PhysAddr() for a hole.
  PhysAddr find(std::uint64_t index) const;
  unsigned order_at(std::uint64_t index) const;  // of the folio there
  // As find, but a hole is filled with zeroes. ENOMEM.
  linux::Result<PhysAddr> get(std::uint64_t index);
  // Enters a folio of the caller's, at an index that is a multiple of its pages: EEXIST.
  linux::Result<> insert(std::uint64_t index, PhysAddr folio, unsigned order);
  // Drops all pages from this index on.
  void drop_from(std::uint64_t index);

  // Folios in the order of the file.
  struct Folio {
    std::uint64_t index;
    PhysAddr start;
    unsigned order;
    std::uint64_t pages() const { return std::uint64_t{1} << order; }
  };
  std::uint64_t folio_count() const { return folio_count_; }
  // `visit` returns false to stop.
  void each_folio(const std::function<bool(const Folio&)>& visit) const;
  // The first page of the file that is a hole, from `index` on and before the end of the file.
  std::optional<std::uint64_t> next_hole(std::uint64_t index) const;

  linux::KernelServices& services;
  std::string name;
  std::uint64_t inode;
  ShmemHuge huge;
  bool hugetlb;  // MFD_HUGETLB: no shmem, and the pool of huge pages is empty
  std::uint64_t size = 0;
  std::uint64_t pos = 0;
  std::uint32_t seals = 0;
  bool frozen = false;  // SHMEM_F_MAPPING_FROZEN: preserved
  unsigned writable_areas = 0;

 private:
  struct Run {
    PhysAddr start;
    std::uint64_t pages = 0;
    unsigned order = 0;
  };
  using Runs = std::map<std::uint64_t, Run>;  // by index of the first page

  unsigned wanted_order(std::uint64_t index) const;
  bool is_hole(std::uint64_t index, std::uint64_t pages) const;
  void enter(std::uint64_t index, PhysAddr folio, unsigned order);
  void drop_run_from(std::uint64_t first, Run run, std::uint64_t index);
  void drop_tail(std::uint64_t first, PhysAddr folio, unsigned order, std::uint64_t keep);

  Runs runs_;
  std::uint64_t folio_count_ = 0;
};

}  // namespace baton::luo
