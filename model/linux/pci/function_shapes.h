// FLB "baton-pci-v1": the BAR sizes and the kinds of bridge window of every function that is handed
// over, so that the next kernel needs no sizing write. A design target: no upstream series has it.
//
// struct of the FLB, one page, 16 bytes used:
//    0  u32  version, 1
//    4  u32  number of entries in use
//    8  u64  physical address of the first KHO block, 0 without entries
// entry of the blocks, 64 bytes, 63 in a block:
//    0  u32  PCI domain
//    4  u16  bus, device, function
//    6  u8   windows of a bridge: 1 I/O, 2 prefetchable, 4 prefetchable with 64-bit addresses
//    7  u8   1: in use; 0: free, to be skipped
//    8  u64  sizes of BAR 0 to 5, 0 for none; the upper half of a 64-bit BAR has 0
//   56  u64  size of the expansion ROM, 0 for none
// Addresses are not in it: the registers hold them.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>

#include "model/kho/block_set.h"
#include "model/linux/pci/pci_dev.h"
#include "model/luo/file_handler.h"

namespace baton::linux::pci {

inline constexpr std::uint8_t kShapeIoWindow = 1;
inline constexpr std::uint8_t kShapePrefWindow = 2;
inline constexpr std::uint8_t kShapePref64Window = 4;

struct FunctionShape {
  std::uint32_t domain = 0;
  std::uint16_t bdf = 0;
  std::uint8_t windows = 0;
  std::uint8_t in_use = 0;
  std::array<std::uint64_t, 6> bar_sizes{};
  std::uint64_t rom_size = 0;
};
static_assert(sizeof(FunctionShape) == 64);

class FunctionShapes final : public luo::Flb {
 public:
  FunctionShapes(KernelServices& services, kho::Kho& kho);

  // Old kernel: adds or drops the function's entry. ENOENT when the FLB does not exist, ENOMEM.
  Result<> add(const PciDev& dev);
  void drop(const PciDev& dev);

  // New kernel: null when the previous kernel left none.
  const FunctionShape* find(Sbdf address) const;

  // luo::Flb
  std::string_view compatible() const override { return "baton-pci-v1"; }
  Co<Result<std::uint64_t>> preserve() override;
  Co<> unpreserve(std::uint64_t data) override;
  Co<Result<>> retrieve(std::uint64_t data) override;
  Co<> finish() override;

 private:
  void write_entry(std::size_t index, const FunctionShape& shape);
  void write_header();

  KernelServices& services_;
  kho::Kho& kho_;
  PhysAddr outgoing_;  // 0: none
  kho::BlockSet outgoing_blocks_;
  std::vector<FunctionShape> outgoing_entries_;
  PhysAddr incoming_;
  kho::BlockSet incoming_blocks_;
  std::map<Sbdf, FunctionShape> shapes_;
};

}  // namespace baton::linux::pci
