// One remapping unit as the driver knows it: registers, command handshakes, queue, root and context
// tables of either table mode, domain ids [linux drivers/iommu/intel/iommu.c, dmar.c].
//
// Not modelled: page request queue, write buffer flushing (CAP.RWBF; no profile has it), register
// based invalidation (a unit without ECAP.QI is refused).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <vector>

#include "model/linux/base/kernel_services.h"
#include "model/linux/base/observations.h"
#include "model/linux/intel_iommu/dmar.h"
#include "model/linux/intel_iommu/queued_invalidation.h"
#include "model/linux/intel_iommu/registers.h"
#include "model/linux/irq/irq.h"

namespace baton::linux::intel_iommu {

// Domain ids that no paging domain gets [linux: 0 for caching mode, 1 for identity].
inline constexpr std::uint16_t kIdentityDomainId = 1;
inline constexpr std::uint16_t kFirstDomainId = 2;

// struct context_entry, the 128 bits of legacy mode, the lower half of scalable mode.
struct ContextEntry {
  std::uint64_t low = 0;
  std::uint64_t high = 0;

  static constexpr std::uint64_t kPresent = 1;
  static constexpr std::uint64_t kPassThrough = 2 << 2;
  static constexpr std::uint64_t kWithDeviceTlb = 1 << 2;    // TT, legacy mode
  static constexpr std::uint64_t kDeviceTlbEnable = 1 << 2;  // DTE, scalable mode
  static constexpr std::uint64_t kPasidEnable = 1 << 3;      // PASIDE

  bool present() const { return (low & kPresent) != 0; }
  // In scalable mode these bits belong to RID_PASID, and no domain id is there.
  std::uint16_t domain_id() const { return static_cast<std::uint16_t>(high >> 8); }
};

// Context tables by index: bus * 2 + (devfn >= 0x80). Legacy mode uses the even ones.
inline constexpr unsigned kContextTables = 512;
using ContextTables = std::array<std::uint64_t, 8>;
constexpr bool has_table(const ContextTables& tables, unsigned index) {
  return (tables[index / 64] >> (index % 64) & 1) != 0;
}
constexpr void add_table(ContextTables& tables, unsigned index) {
  tables[index / 64] |= std::uint64_t{1} << (index % 64);
}

class Unit {
 public:
  // `scalable`: the kernel wants scalable mode, and gets it if the unit has it.
  Unit(KernelServices& services, const DrhdUnit& drhd, bool scalable);

  PhysAddr registers() const { return drhd_.registers; }
  const DrhdUnit& drhd() const { return drhd_; }
  const Capabilities& capabilities() const { return capabilities_; }
  bool scalable() const { return scalable_; }
  PhysAddr root() const { return root_; }

  // Handshakes [VT-d 11.4.4]: one change a write, then poll.
  bool translation_enabled() const;
  void enable_translation();
  void disable_translation();
  void disable_protected_memory();

  // Remapping of interrupts was found on: shadow of GSTS at discovery, and since.
  bool interrupts_remapped() const { return (shadow_ & kGcmdIre) != 0; }
  void disable_interrupt_remapping();
  // IRTA, SIRTP, interrupt-entry cache.
  void set_interrupt_table(PhysAddr table, unsigned size_field);
  PhysAddr hardware_interrupt_table() const;
  std::uint64_t hardware_interrupt_table_word() const;  // all of IRTA
  unsigned hardware_interrupt_table_size() const;
  void enable_interrupt_remapping();

  // dmar_enable_qi(), once: old faults are read out, a queue found on is drained and switched off,
  // a fresh one switched on. ENOMEM, ENODEV (no queued invalidation).
  Result<> init_queue();
  // dmar_set_interrupt(), once: the fault event gets a vector and is unmasked. Without a vector the
  // unit stays silent and its log is read at the next boot.
  void set_fault_interrupt(irq::IrqCore& irqs);
  // enable_drhd_fault_handling(): what happened before the event was on.
  void acknowledge_faults();

  // ENOMEM.
  Result<> allocate_root();
  void adopt_root(PhysAddr root) { root_ = root; }
  // RTADDR, SRTP, then everything cached goes.
  void set_root();
  void flush_all();
  void submit(std::span<const Descriptor> descriptors);
  void submit(const Descriptor& descriptor) { submit(std::span(&descriptor, 1)); }
  // Nothing is asked of device-TLBs while translation is off.
  void flush_device_tlb(const std::optional<DeviceTlb>& device, std::uint32_t pasid = 0);
  bool uses_device_tlbs() const { return (shadow_ & kGcmdTe) != 0; }
  // Until every invalidation so far is complete, device-TLBs included.
  Co<> settle() { return queue_.settle(); }
  bool settled() const { return queue_.settled(); }

  // The table mode and root pointer in RTADDR, as another kernel left them.
  bool hardware_scalable() const;
  PhysAddr hardware_root() const;

  // A context table: 0 if there is none. The place of a source's entry in it.
  PhysAddr context_table(unsigned index) const;
  void set_context_table(unsigned index, PhysAddr table);
  void clear_root_entry(unsigned index);
  unsigned table_index(Bdf source) const;
  PhysAddr context_slot(Bdf source) const;  // 0 without table
  std::optional<ContextEntry> context(Bdf source) const;
  // Writes an entry, P last, over one that is not present. ENOMEM.
  Result<> set_context(Bdf source, const ContextEntry& entry);
  // Clears P, invalidates, then zeroes the rest.
  void clear_context(Bdf source, const std::optional<DeviceTlb>& device = std::nullopt);
  // Without invalidation, for a unit about to be invalidated as a whole.
  void forget_context(Bdf source);

  // copy_translation_tables(): a new root with copies of the context tables that hardware uses
  // [kdump]. False: the tables cannot be taken over.
  bool copy_tables();
  bool is_copied(Bdf source) const { return copied_.contains(source); }
  // The first entry of our own in place of a copied one.
  void drop_copied(Bdf source);

  // ENOSPC.
  Result<std::uint16_t> allocate_domain_id();
  bool reserve_domain_id(std::uint64_t id);  // false: beyond the limit, or one of the reserved
  void free_domain_id(std::uint16_t id) { domain_ids_.erase(id); }
  bool is_domain_id(std::uint64_t id) const;

  // Live update, old kernel: what is preserved of this unit now.
  bool root_preserved = false;
  std::vector<unsigned> preserved_indexes;
  ContextTables preserved_tables{};
  std::vector<std::uint16_t> preserved_ids;  // one for each device

  void record(LedgerEvent event, const char* what, PhysAddr table);
  void step(const char* what, std::uint64_t value = 0);

 private:
  std::uint32_t read32(std::uint64_t offset) const;
  void write32(std::uint64_t offset, std::uint32_t value);
  void command(std::uint32_t bit, bool on);
  void one_shot(std::uint32_t bit);
  void wait_status(std::uint32_t bit, bool on);
  void read_out_faults();
  PhysAddr root_entry(unsigned index) const { return root_ + index * 8; }
  unsigned context_bytes() const { return scalable_ ? 32 : 16; }
  bool copy_table(unsigned index, PhysAddr from);

  KernelServices& services_;
  DrhdUnit drhd_;
  Capabilities capabilities_;
  bool scalable_ = false;
  std::uint32_t shadow_ = 0;  // GCMD level bits
  QueuedInvalidation queue_;
  bool fault_interrupt_ = false;
  PhysAddr root_;
  std::set<std::uint16_t> domain_ids_;
  std::set<Bdf> copied_;
};

}  // namespace baton::linux::intel_iommu
