// FLB "baton-vfio-v1": what a running device's next kernel must know beside its identity. A design
// target: no upstream series has it (the first posting of 2025 carried vconfig in its record).
//
// A table as kho/record_table.h has it, version 1; record, 192 bytes, 21 in a block, native endian:
//    0  u32  PCI domain
//    4  u16  bus, device, function
//    6  u8   1: in use; 2: the function is in D3hot, and this second entry has at 112 and 176 what
//            it had before; 0: free, to be skipped
//    7  u8   1: a function level reset works
//    8  u8[64]  vconfig: the header as the owner sees it
//   72  u32[7]  real BAR 0 to 5 and ROM
//  100  u32  MSI-X vectors that were configured when it froze, 0 for none
//  104  u8[8]  zero
//  112  u32[16]  saved state: the header from before the owner
//  176  u16[7]  saved state: PCI Express control registers, in the order of pci_save_pcie_state
//  190  u8[2]  zero
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "model/kho/record_table.h"
#include "model/luo/file_handler.h"
#include "model/vfio/config_view.h"

namespace baton::vfio {

inline constexpr std::uint8_t kSleepingEntry = 2;

struct DeviceState {
  std::uint32_t domain = 0;
  std::uint16_t bdf = 0;
  std::uint8_t used = 0;
  std::uint8_t reset_works = 0;
  VirtualHeader vconfig{};
  RealBars real_bars{};
  std::uint32_t msix_vectors = 0;
  std::array<std::uint8_t, 8> reserved{};
  std::array<std::uint32_t, 16> saved_header{};
  std::array<std::uint16_t, 7> saved_pcie{};
  std::array<std::uint8_t, 2> reserved_end{};

  bool in_use() const { return used != 0; }
};
static_assert(sizeof(DeviceState) == 192);

class DeviceStateFlb final : public luo::Flb {
 public:
  DeviceStateFlb(linux::KernelServices& services, kho::Kho& kho);

  // Old kernel: writes the entry of this function, a new one or over its old one. ENOMEM.
  linux::Result<> put(const DeviceState& state);
  void drop(Sbdf address);

  // New kernel, between retrieve and finish.
  std::optional<DeviceState> find(Sbdf address) const;
  std::optional<DeviceState> find_sleeping(Sbdf address) const;

  // luo::Flb
  std::string_view compatible() const override { return "baton-vfio-v1"; }
  Co<linux::Result<std::uint64_t>> preserve() override;
  Co<> unpreserve(std::uint64_t data) override;
  Co<linux::Result<>> retrieve(std::uint64_t data) override;
  Co<> finish() override;

 private:
  linux::KernelServices& services_;
  kho::Kho& kho_;
  kho::RecordTable<DeviceState> table_;
  std::vector<DeviceState> incoming_;
};

}  // namespace baton::vfio
