// I/O page tables in simulated RAM, the formats of VT-d's two stages [linux
// drivers/iommu/generic_pt/, fmt/vtdss.h, fmt/x86_64.h; VT-d 9.8 second-stage, 9.7 first-stage
// paging entries].
//
// Levels are counted from 0, the table whose entries map 4 KiB: 3 levels have top level 2, 4 have
// 3, 5 have 4. Non-leaf entries are written R|W; leaves carry R, W and the page frame, and PS (bit
// 7) for 2 MiB and 1 GiB. Snoop control, memory types and accessed/dirty bits are not written.
//
// Not modelled: a 2 MiB or 1 GiB page never replaces an existing lower table, even an empty one;
// the range is then mapped with smaller pages.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "model/linux/base/kernel_services.h"

namespace baton::linux::iommu {

// Access rights of a mapping.
struct Prot {
  bool read = true;
  bool write = true;
};

struct PageTableFormat {
  unsigned top_level = 3;
  unsigned address_bits = 48;  // of the input address, the sign bit of first stage included
  bool pages_2m = true;        // CAP.SSLPS
  bool pages_1g = true;
  bool first_stage = false;  // addresses are sign-extended; the lower half is used
};

// Every table page below and including `top`, top first. `visit` gets a page before its entries are
// read and stops the walk by returning false; so does an entry that points outside RAM. The bytes
// may be hostile: the walk never goes deeper than `level`. True when it went to the end.
bool walk_tables(sim::PhysicalMemory& ram, PhysAddr top, unsigned level, bool first_stage,
                 const std::function<bool(PhysAddr table, unsigned level)>& visit);

class PageTable {
 public:
  // An empty table: one page. ENOMEM.
  static Result<PageTable> create(KernelServices& services, const PageTableFormat& format);
  // Over a table of a previous kernel whose pages this kernel has restored.
  static PageTable over(KernelServices& services, const PageTableFormat& format, PhysAddr top);

  const PageTableFormat& format() const { return format_; }
  PhysAddr top_table() const { return top_; }
  unsigned top_level() const { return format_.top_level; }
  Iova last() const;

  // Page by page, the largest pages that alignment allows. EINVAL (alignment, no right), ERANGE,
  // EADDRINUSE, ENOMEM; on an error nothing stays mapped.
  Result<> map(Iova iova, PhysAddr physical, std::uint64_t length, Prot prot);

  // Clears whole leaves; holes are skipped. Tables that the range covers are cut off and put into
  // `freed`: hardware may still hold them in its caches, so the caller invalidates first and then
  // calls free_tables(). EINVAL (alignment, a page would have to be split), ERANGE.
  Result<> unmap(Iova iova, std::uint64_t length, std::vector<PhysAddr>& freed);
  void free_tables(std::span<const PhysAddr> tables);

  struct Leaf {
    Iova start;
    PhysAddr physical;  // of `start`
    std::uint64_t length = 0;
    Prot prot;
  };
  std::optional<Leaf> leaf(Iova iova) const;
  std::optional<PhysAddr> lookup(Iova iova) const;

  void for_each_table(const std::function<void(PhysAddr, unsigned level)>& visit) const;

  // Frees every table page. The table is dead afterwards.
  void release();

 private:
  PageTable(KernelServices& services, const PageTableFormat& format, PhysAddr top)
      : services_(&services), format_(format), top_(top) {}

  sim::PhysicalMemory& ram() const { return services_->port().ram(); }
  bool is_present(std::uint64_t entry) const;
  std::uint64_t leaf_bits(Prot prot, unsigned level) const;
  Result<PhysAddr> allocate_table();
  unsigned leaf_level(Iova iova, PhysAddr physical, std::uint64_t length) const;
  Result<std::uint64_t> map_one(Iova iova, PhysAddr physical, std::uint64_t length, Prot prot);
  void clear(PhysAddr table, unsigned level, std::uint64_t table_start, std::uint64_t first,
             std::uint64_t last, std::vector<PhysAddr>& freed);
  Result<> check_range(Iova iova, std::uint64_t length) const;

  KernelServices* services_;
  PageTableFormat format_;
  PhysAddr top_;
};

}  // namespace baton::linux::iommu
