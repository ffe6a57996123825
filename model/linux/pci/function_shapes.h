// FLB "baton-pci-v1": the BAR sizes and the kinds of bridge window of every function that is handed
// over, so that the next kernel needs no sizing write. A design target: no upstream series has it.
//
// A table as kho/record_table.h has it, version 1; record, 64 bytes, 63 in a block:
//    0  u32  PCI domain
//    4  u16  bus, device, function
//    6  u8   windows of a bridge: 1 I/O, 2 prefetchable, 4 prefetchable with 64-bit addresses; 8: a
//            second record of a physical function, for its virtual functions (policy sriov: adopt)
//    7  u8   1: in use; 0: free, to be skipped
//    8  u64  sizes of BAR 0 to 5, 0 for none; the upper half of a 64-bit BAR has 0; of virtual
//            functions the size of one's
//   56  u64  size of the expansion ROM, 0 for none
// Addresses are not in it: the registers hold them.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>

#include "model/kho/record_table.h"
#include "model/linux/pci/pci_dev.h"
#include "model/luo/file_handler.h"

namespace baton::linux::pci {

inline constexpr std::uint8_t kShapeIoWindow = 1;
inline constexpr std::uint8_t kShapePrefWindow = 2;
inline constexpr std::uint8_t kShapePref64Window = 4;
inline constexpr std::uint8_t kShapeVirtual = 8;

struct FunctionShape {
  std::uint32_t domain = 0;
  std::uint16_t bdf = 0;
  std::uint8_t windows = 0;
  std::uint8_t used = 0;
  std::array<std::uint64_t, 6> bar_sizes{};
  std::uint64_t rom_size = 0;

  bool in_use() const { return used != 0; }
};
static_assert(sizeof(FunctionShape) == 64);

class FunctionShapes final : public luo::Flb {
 public:
  FunctionShapes(KernelServices& services, kho::Kho& kho);

  // Old kernel: adds or drops the function's records. ENOENT when the FLB does not exist, ENOMEM.
  Result<> add(const PciDev& dev);
  void drop(const PciDev& dev);

  // New kernel: null when the previous kernel left none.
  const FunctionShape* find(Sbdf address) const;
  // That of the virtual functions of the function at this address.
  const FunctionShape* find_virtual(Sbdf address) const;

  // luo::Flb
  std::string_view compatible() const override { return "baton-pci-v1"; }
  Co<Result<std::uint64_t>> preserve() override;
  Co<> unpreserve(std::uint64_t data) override;
  Co<Result<>> retrieve(std::uint64_t data) override;
  Co<> finish() override;

 private:
  kho::RecordTable<FunctionShape> table_;
  std::map<Sbdf, FunctionShape> incoming_;
  std::map<Sbdf, FunctionShape> incoming_virtual_;  // by physical function
};

}  // namespace baton::linux::pci
