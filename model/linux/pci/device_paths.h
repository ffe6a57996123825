// FLB "baton-pci-path-v1": where every function that is handed over sits, as the way that a request
// takes to it, and which function it is. Written with policy device_key: device-path. A design
// target: no upstream series has it (Lukas Wunner asked for paths as those of EFI in the review of
// the posted series; the kernel parses such paths and does not generate them).
//
// A table as kho/record_table.h has it, version 1; record, 64 bytes, 63 in a block:
//    0  u32  PCI domain
//    4  u16  bus, device, function: with the domain the key of all other records of the function
//    6  u8   number of hops, 1 to 40
//    7  u8   1: in use; 0: free, to be skipped
//    8  u32  _UID of the host bridge in the ACPI namespace
//   12  u16  vendor id
//   14  u16  device id
//   16  u64  serial number [PCIe 7.9.3], 0 for none
//   24  u8   device << 3 | function of each hop, from the host bridge down
// A function behind a VMD has the VMD among its hops; the number of its domain is not part of the
// way.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "model/kho/record_table.h"
#include "model/linux/pci/pci_core.h"
#include "model/luo/file_handler.h"

namespace baton::linux::pci {

inline constexpr std::size_t kPathHopsMax = 40;

struct DevicePath {
  std::uint32_t host_bridge = 0;
  std::uint8_t hops = 0;
  std::array<std::uint8_t, kPathHopsMax> devfn{};
  friend bool operator==(const DevicePath&, const DevicePath&) = default;
};

// None: more bridges than an entry has room for.
std::optional<DevicePath> path_of(const PciDev& dev);
// "PciRoot(0x1)/Pci(0x1c,0x0)/Pci(0x0,0x0)", as UEFI writes device paths.
std::string to_string(const DevicePath& path);

struct PathEntry {
  std::uint32_t domain = 0;
  std::uint16_t bdf = 0;
  std::uint8_t hops = 0;
  std::uint8_t used = 0;
  std::uint32_t host_bridge = 0;
  std::uint16_t vendor = 0;
  std::uint16_t device = 0;
  std::uint64_t serial = 0;
  std::array<std::uint8_t, kPathHopsMax> devfn{};

  bool in_use() const { return used != 0; }
};
static_assert(sizeof(PathEntry) == 64);

class DevicePaths final : public luo::Flb {
 public:
  DevicePaths(KernelServices& services, kho::Kho& kho, PciCore& core);

  // Old kernel: adds or drops the function's entry, when the FLB exists. EOPNOTSUPP: no path to it
  // fits. ENOMEM.
  Result<> add(const PciDev& dev);
  void drop(const PciDev& dev);

  // New kernel: whether the previous one left paths at all.
  bool handed_over() const { return table_.restored() || !entries_.empty(); }
  // The key under which its records know the function at this place. None: it handed over nothing
  // that sat here, or another function than the one that is here now.
  std::optional<Sbdf> key_of(const PciDev& dev) const;

  // luo::Flb
  std::string_view compatible() const override { return "baton-pci-path-v1"; }
  Co<Result<std::uint64_t>> preserve() override;
  Co<> unpreserve(std::uint64_t data) override;
  Co<Result<>> retrieve(std::uint64_t data) override;
  Co<> finish() override;

 private:
  std::uint64_t serial_of(const PciDev& dev) const;

  KernelServices& services_;
  PciCore& core_;
  kho::RecordTable<PathEntry> table_;
  std::vector<PathEntry> entries_;  // of the previous kernel; kept after its FLB is finished
};

}  // namespace baton::linux::pci
