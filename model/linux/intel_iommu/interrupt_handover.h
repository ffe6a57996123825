// FLB "baton-irq-v1": the interrupt remapping tables of all units, handed to the next kernel
// [policy interrupt_table: preserve]. No upstream series.
//
// One page: 0 u32 version = 1; 4 u32 number of units; 8 entries of 24 bytes: 0 u64 register base of
// the unit; 8 u64 IRTA as the unit has it (table, EIME, size); 16 u64 number of entries. The tables
// themselves are preserved in place, one block each.
//
// Version 2, where entries capture [policy interrupts: posted-capture]: 200 u64 address of a page
// of posted-interrupt descriptors, 64 bytes each, one for a device that froze: PIR bit n is its
// MSI-X entry n, SN is set, NV and NDST are zero. Which descriptor belongs to which device the
// entries say: source id, and the address that they post to.
//
// The next kernel finds remapping on with that very table and leaves both alone: no message ever
// meets a unit that does not remap. Entries that are present stay as they are, for a device may use
// them; their vectors go to nobody. They are cleared when the FLB is finished.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "model/kho/kho.h"
#include "model/linux/base/kernel_services.h"
#include "model/luo/luo.h"

namespace baton::linux::intel_iommu {

// A table that is to be handed over, or was.
struct HandedTable {
  PhysAddr registers;
  std::uint64_t irta = 0;
  std::uint64_t entries = 0;

  PhysAddr table() const { return PhysAddr(irta & ~std::uint64_t{0xFFF}); }
};

class InterruptHandover final : public luo::Flb {
 public:
  static constexpr unsigned kTableOrder = 8;  // 1 MiB: 65536 entries

  // `own`: the tables in use now; `finished`: what was taken over may go.
  InterruptHandover(KernelServices& services, kho::Kho& kho,
                    std::function<std::vector<HandedTable>()> own, std::function<void()> finished)
      : services_(services), kho_(kho), own_(std::move(own)), finished_(std::move(finished)) {}

  // New kernel: the table that this unit was handed, whose memory is ours now; once. Null: none.
  const HandedTable* incoming(PhysAddr registers) const;

  // Old kernel, while preserved: the descriptor that interrupts of this device are captured in.
  // ENOSPC: 64 devices have one; EOPNOTSUPP: the policy is another.
  Result<PhysAddr> descriptor_for(Sbdf device);
  // New kernel: the page of descriptors.
  std::optional<PhysAddr> incoming_descriptors() const { return incoming_descriptors_; }

  std::string_view compatible() const override { return "baton-irq-v1"; }
  Co<Result<std::uint64_t>> preserve() override;
  Co<> unpreserve(std::uint64_t data) override;
  Co<Result<>> retrieve(std::uint64_t data) override;
  Co<> finish() override;

 private:
  void unpreserve_tables();
  Result<> preserve_descriptors(PhysAddr page);
  Result<> retrieve_descriptors(PhysAddr page);

  KernelServices& services_;
  kho::Kho& kho_;
  std::function<std::vector<HandedTable>()> own_;
  std::function<void()> finished_;
  PhysAddr outgoing_;
  std::vector<PhysAddr> preserved_;
  PhysAddr descriptors_;        // zero: none
  std::vector<Sbdf> captured_;  // devices, by descriptor
  std::optional<PhysAddr> incoming_descriptors_;
  PhysAddr incoming_page_;
  std::map<PhysAddr, HandedTable> incoming_;
};

}  // namespace baton::linux::intel_iommu
