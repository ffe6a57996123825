// What the owner of a device sees of its configuration space: vconfig [linux
// drivers/vfio/pci/vfio_pci_config.c].
//
// The header is virtual where the owner must not reach the hardware: ids, BARs (sizing happens
// here, the real BAR is never touched), capability pointer, interrupt line and pin, INTx disable.
// COMMAND decode and bus master go to the hardware. Reads of everything else come from the
// hardware.
//
// Thinner than Linux: outside the header the only writes with an effect are the FLR bit of the PCI
// Express capability, which becomes a reset by the kernel, and the power state; MSI, VPD and
// extended capabilities are read only; bytes between capabilities are not hidden. A reset that VFIO
// did not make is noticed by memory decode that is off although the owner has it on, not also by
// BARs that differ from what they were.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "model/linux/pci/pci_core.h"

namespace baton::vfio {

inline constexpr std::size_t kHeaderBytes = 64;
using VirtualHeader = std::array<std::uint8_t, kHeaderBytes>;
using RealBars = std::array<std::uint32_t, 7>;  // BAR 0 to 5 and ROM; 0: there is none

// What a write asks the kernel to do.
struct ConfigRequest {
  bool reset = false;                           // a function level reset
  std::optional<linux::pci::PowerState> power;  // pci_set_power_state
};

class ConfigView {
 public:
  ConfigView(linux::pci::PciCore& core, linux::pci::PciDev& dev) : core_(core), dev_(dev) {}

  // vfio_config_init(): from the hardware, as the first open finds it.
  void init();
  // Takes over what another kernel's owner saw.
  void adopt(const VirtualHeader& header) { header_ = header; }
  const VirtualHeader& header() const { return header_; }
  // Where the BARs are in hardware: what a reset that VFIO did not make takes away is put back.
  void set_real_bars(const RealBars& bars) { real_bars_ = bars; }
  const RealBars& real_bars() const { return real_bars_; }

  // COMMAND.MSE as the owner has set it, and D0; gates every access to BARs.
  bool memory_enabled() const;

  // A naturally aligned access of 1, 2 or 4 bytes inside config space.
  std::uint32_t read(std::uint16_t offset, unsigned width) const;
  ConfigRequest write(std::uint16_t offset, unsigned width, std::uint32_t value);

 private:
  void init_virtual_function();
  std::uint32_t virtual_bits(std::uint16_t offset, unsigned width) const;
  std::uint32_t from_header(std::uint16_t offset, unsigned width) const;
  void write_command(std::uint16_t value);
  void restore_bars();
  void write_bar(unsigned index, std::uint32_t value, std::uint32_t mask);

  linux::pci::PciCore& core_;
  linux::pci::PciDev& dev_;
  VirtualHeader header_{};
  RealBars real_bars_{};
};

}  // namespace baton::vfio
