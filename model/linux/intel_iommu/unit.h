// One remapping unit as the driver knows it: registers, command handshakes, queue, root and context
// tables, domain ids [linux drivers/iommu/intel/iommu.c, legacy mode].
//
// Not modelled: scalable mode, page request queue, write buffer flushing (CAP.RWBF; no profile has
// it), register based invalidation (a unit without ECAP.QI is refused), the fault interrupt: faults
// stay in the hardware's log and are read out at the next boot.
#pragma once

#include <array>
#include <cstdint>
#include <set>
#include <vector>

#include "model/linux/base/kernel_services.h"
#include "model/linux/base/observations.h"
#include "model/linux/intel_iommu/dmar.h"
#include "model/linux/intel_iommu/queued_invalidation.h"
#include "model/linux/intel_iommu/registers.h"

namespace baton::linux::intel_iommu {

// Domain ids that no paging domain gets [linux: 0 for caching mode, 1 for identity].
inline constexpr std::uint16_t kIdentityDomainId = 1;
inline constexpr std::uint16_t kFirstDomainId = 2;

// struct context_entry.
struct ContextEntry {
  std::uint64_t low = 0;
  std::uint64_t high = 0;

  static constexpr std::uint64_t kPresent = 1;
  static constexpr std::uint64_t kPassThrough = 2 << 2;

  bool present() const { return (low & kPresent) != 0; }
  std::uint16_t domain_id() const { return static_cast<std::uint16_t>(high >> 8); }
};

// One bit for each context table: bus * 2 + (devfn >= 0x80). Legacy mode uses the even ones.
using ContextTables = std::array<std::uint64_t, 8>;
constexpr bool has_table(const ContextTables& tables, unsigned bus) {
  return (tables[bus * 2 / 64] >> (bus * 2 % 64) & 1) != 0;
}
constexpr void add_table(ContextTables& tables, unsigned bus) {
  tables[bus * 2 / 64] |= std::uint64_t{1} << (bus * 2 % 64);
}

class Unit {
 public:
  Unit(KernelServices& services, const DrhdUnit& drhd);

  PhysAddr registers() const { return drhd_.registers; }
  const DrhdUnit& drhd() const { return drhd_; }
  const Capabilities& capabilities() const { return capabilities_; }
  PhysAddr root() const { return root_; }

  // Handshakes [VT-d 11.4.4]: one change a write, then poll.
  bool translation_enabled() const;
  void enable_translation();
  void disable_translation();
  void disable_protected_memory();

  // intel_iommu_init_qi(): old faults are read out, a queue found on is drained and switched off, a
  // fresh one switched on. ENOMEM, ENODEV (no queued invalidation).
  Result<> init_queue();
  // ENOMEM.
  Result<> allocate_root();
  void adopt_root(PhysAddr root) { root_ = root; }
  // SRTP, then everything cached goes.
  void set_root();
  void flush_all();
  void submit(std::span<const Descriptor> descriptors);

  // The context table of a bus: 0 if there is none.
  PhysAddr context_table(unsigned bus) const;
  void clear_root_entry(unsigned bus);
  std::optional<ContextEntry> context(Bdf source) const;
  // Writes an entry, P last, over one that is not present. ENOMEM.
  Result<> set_context(Bdf source, const ContextEntry& entry);
  // Clears P, invalidates, then zeroes the rest.
  void clear_context(Bdf source);
  // Without invalidation, for a unit about to be invalidated as a whole.
  void forget_context(Bdf source);

  // ENOSPC.
  Result<std::uint16_t> allocate_domain_id();
  bool reserve_domain_id(std::uint64_t id);  // false: beyond the limit, or one of the reserved
  void free_domain_id(std::uint16_t id) { domain_ids_.erase(id); }
  bool is_domain_id(std::uint64_t id) const;

  // Live update, old kernel: what is preserved of this unit now.
  bool root_preserved = false;
  std::vector<unsigned> preserved_buses;
  ContextTables preserved_tables{};
  std::vector<std::uint16_t> preserved_ids;  // one for each device

  void record(LedgerEvent event, const char* what, PhysAddr table);

 private:
  std::uint32_t read32(std::uint64_t offset) const;
  void command(std::uint32_t bit, bool on);
  void one_shot(std::uint32_t bit);
  void wait_status(std::uint32_t bit, bool on);
  void clear_faults();
  PhysAddr root_entry(unsigned bus) const { return root_ + bus * 16; }

  KernelServices& services_;
  DrhdUnit drhd_;
  Capabilities capabilities_;
  std::uint32_t shadow_ = 0;  // GCMD level bits
  QueuedInvalidation queue_;
  PhysAddr root_;
  std::set<std::uint16_t> domain_ids_;
};

}  // namespace baton::linux::intel_iommu
