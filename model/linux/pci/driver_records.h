// FLB "baton-pci-driver-v1": the driver that had a function that is handed over, and the format of
// what it hands over itself. Written with policies driver_binding: saved-name (the first series
// forced a saved name at boot [posted PCI/LUO v2, 06/10]), guid and refuse-incompatible (proposed
// in its review). A design target: no upstream series keeps such a record.
//
// A table as kho/record_table.h has it, version 1; record, 88 bytes, 46 in a block:
//    0  u32  PCI domain
//    4  u16  bus, device, function
//    6  u16  1: in use; 0: free, to be skipped
//    8  u8   format, a UUID as RFC 9562 writes it; zeroes: none
//   24  u8   name of the driver, 64 bytes with a NUL behind it
#pragma once

#include "model/kho/record_table.h"
#include "model/linux/pci/pci_core.h"
#include "model/luo/file_handler.h"

namespace baton::linux::pci {

struct DriverRecord {
  static constexpr std::size_t kNameBytes = 64;

  std::uint32_t domain = 0;
  std::uint16_t bdf = 0;
  std::uint16_t used = 0;
  DataFormat format{};
  std::array<char, kNameBytes> name{};

  bool in_use() const { return used != 0; }
};
static_assert(sizeof(DriverRecord) == 88);

class DriverRecords final : public luo::Flb {
 public:
  DriverRecords(KernelServices& services, kho::Kho& kho);

  // Policies of this kernel that need what the previous one wrote.
  static bool wanted_by(const Policies& policies);

  // Old kernel: adds or drops the function's record, when the FLB exists; a bridge has none.
  // ENOSPC: the driver's name is longer than 63 bytes. ENOMEM.
  Result<> add(const PciDev& dev);
  void drop(const PciDev& dev);

  // New kernel.
  bool handed_over() const { return table_.restored() || !records_.empty(); }
  // Tells the function who had it.
  void tell(PciDev& dev) const;

  // luo::Flb
  std::string_view compatible() const override { return "baton-pci-driver-v1"; }
  Co<Result<std::uint64_t>> preserve() override;
  Co<> unpreserve(std::uint64_t data) override;
  Co<Result<>> retrieve(std::uint64_t data) override;
  Co<> finish() override;

 private:
  const KernelServices& services_;
  kho::RecordTable<DriverRecord> table_;
  std::vector<DriverRecord> records_;  // of the previous kernel; kept after its FLB is finished
};

}  // namespace baton::linux::pci
