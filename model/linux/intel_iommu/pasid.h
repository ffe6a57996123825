// The PASID directory and tables of one device in scalable mode [linux
// drivers/iommu/intel/pasid.c; VT-d 9.5, 9.6].
//
// A table page has 64 entries of 64 bytes and comes when its first entry does. Requests without
// PASID go through the entry of PASID 0.
//
// Not modelled: page requests at tear-down (they are off), supervisor requests.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>

#include "model/linux/intel_iommu/unit.h"

namespace baton::linux::intel_iommu {

inline constexpr std::uint32_t kNoPasid = 0;  // IOMMU_NO_PASID

// struct pasid_entry.
struct PasidEntry {
  std::array<std::uint64_t, 8> words{};

  enum class Type : std::uint8_t {
    kFirstStage = 1,
    kSecondStage = 2,
    kNested = 3,
    kPassThrough = 4
  };

  // The first stage of a nested entry, which its owner keeps.
  struct UserStage {
    std::uint64_t table = 0;
    bool five_levels = false;
    bool supervisor_requests = false;
    bool write_protect = false;
    bool extended_accessed = false;
  };

  // pasid_set_*(): what each type needs. `top_level` is that of the page table, 0-based.
  static PasidEntry first_stage(const Capabilities& capabilities, std::uint16_t domain,
                                PhysAddr table, unsigned top_level);
  static PasidEntry second_stage(const Capabilities& capabilities, std::uint16_t domain,
                                 PhysAddr table, unsigned top_level);
  static PasidEntry nested(const Capabilities& capabilities, std::uint16_t domain, PhysAddr table,
                           unsigned top_level, const UserStage& user);
  static PasidEntry pass_through(const Capabilities& capabilities);

  bool present() const { return (words[0] & 1) != 0; }
  Type type() const { return static_cast<Type>(words[0] >> 6 & 7); }
  std::uint16_t domain_id() const { return static_cast<std::uint16_t>(words[1]); }
};

class PasidTable {
 public:
  // intel_pasid_alloc_table(): room for `pasids`, at least one page of directory. ENOMEM.
  static Result<PasidTable> create(KernelServices& services, std::uint64_t pasids);
  // Over a directory of a previous kernel. Nullopt when it cannot be one.
  static std::optional<PasidTable> over(KernelServices& services, PhysAddr directory,
                                        std::uint64_t max_pasid);

  PhysAddr directory() const { return directory_; }
  unsigned order() const { return order_; }
  // A count: PASIDs below it have a directory entry.
  std::uint64_t max_pasid() const { return std::uint64_t{1} << (order_ + kPasidsOfAPage); }
  // What create() makes of `pasids`.
  static std::uint64_t rounded(std::uint64_t pasids);
  // PDTS of a context entry.
  std::uint64_t size_field() const { return order_ + 2; }

  std::optional<PasidEntry> entry(std::uint32_t pasid) const;

  // Over one that is not present: EBUSY; EINVAL (no such PASID), ENOMEM.
  Result<> install(Unit& unit, Bdf source, std::uint32_t pasid, const PasidEntry& entry);
  // intel_pasid_replace_*(): one present entry over another. AMBIGUOUS: the kernel copies 64 bytes
  // over an entry that hardware may be reading; here no request falls between two stores.
  // EINVAL: the old one is not present.
  Result<> replace(Unit& unit, std::uint32_t pasid, const PasidEntry& entry);
  // intel_pasid_tear_down_entry(): P first, caches, the function's own last, then the rest.
  void tear_down(Unit& unit, std::uint32_t pasid,
                 const std::optional<DeviceTlb>& device = std::nullopt);

  // Stores the words of an entry, the one with P last, and nothing else.
  void store(std::uint32_t pasid, const PasidEntry& entry);

  // Directory, then every table that it leads to. Stops and returns false when `visit` does, or at
  // an entry that points outside RAM.
  bool for_each_page(const std::function<bool(PhysAddr page, unsigned order)>& visit) const;
  // Frees all pages.
  void release();

 private:
  static constexpr unsigned kPasidsOfAPage = 15;  // log2: 512 directory entries of 64 PASIDs
  PasidTable(KernelServices& services, PhysAddr directory, unsigned order)
      : services_(&services), directory_(directory), order_(order) {}

  PhysAddr slot(std::uint32_t pasid) const;  // 0: no table
  Result<PhysAddr> ensure_slot(std::uint32_t pasid);
  void flush(Unit& unit, std::uint32_t pasid, const PasidEntry& old) const;

  KernelServices* services_;
  PhysAddr directory_;
  unsigned order_ = 0;
};

}  // namespace baton::linux::intel_iommu
