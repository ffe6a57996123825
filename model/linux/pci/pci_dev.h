// struct pci_dev and struct pci_bus: what one kernel knows of a function and of a bus after
// enumeration [linux include/linux/pci.h]. Everything here was read from the hardware by this
// kernel.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/address.h"

namespace baton::linux::pci {

class PciDev;

enum class PowerState : std::uint8_t { kD0, kD1, kD2, kD3Hot, kD3Cold, kUnknown };

// A BAR or ROM as sized by this kernel.
struct Resource {
  PhysAddr start;
  std::uint64_t size = 0;  // 0: the function has none here
  bool memory = true;      // false: I/O ports
  bool is_64bit = false;
  bool prefetchable = false;
};

struct PciBus {
  std::uint32_t segment = 0;
  std::uint8_t number = 0;    // secondary
  std::uint8_t busn_end = 0;  // subordinate
  PciDev* bridge = nullptr;   // null for a root bus
  PciBus* parent = nullptr;
  std::vector<std::unique_ptr<PciDev>> devices;  // by devfn
  std::vector<std::unique_ptr<PciBus>> children;
};

class Driver;

class PciDev {
 public:
  Sbdf address;
  PciBus* bus = nullptr;
  PciBus* subordinate = nullptr;  // for bridges
  std::uint16_t vendor = 0;
  std::uint16_t device = 0;
  std::uint32_t class_code = 0;  // 24 bits
  std::uint8_t header_type = 0;  // without the multi-function bit
  std::uint8_t pcie_cap = 0;     // 0: none
  std::uint8_t pcie_type = 0;
  std::uint8_t msix_cap = 0;
  std::uint8_t msi_cap = 0;
  std::uint8_t pm_cap = 0;
  std::uint16_t config_size = 256;    // 256 or 4096
  std::array<Resource, 7> resources;  // BAR0..5, ROM
  PowerState current_state = PowerState::kUnknown;
  unsigned enable_count = 0;
  bool is_busmaster = false;
  std::string driver_override;
  Driver* driver = nullptr;
  bool has_flr = false;
  bool multi_function = false;
  bool ari_enabled = false;  // of a port: ARI forwarding below it
  bool ltr_path = false;
  bool msix_enabled = false;
  bool msi_enabled = false;
  std::uint8_t interrupt_pin = 0;
  std::uint8_t pcie_version = 0;
  std::uint8_t mps_supported = 0;  // 128 << n bytes
  std::uint16_t aer_cap = 0;
  std::uint16_t acs_cap = 0;
  std::uint16_t subsystem_vendor = 0;
  std::uint16_t subsystem_device = 0;
  std::uint16_t bridge_control = 0;  // as read at scan
  // Windows that a bridge has: I/O, prefetchable, prefetchable with 64-bit addresses.
  bool io_window = false;
  bool pref_window = false;
  bool pref_64_window = false;

  // Live update [linux drivers/pci/liveupdate.c, posted v9].
  bool incoming = false;
  bool was_incoming = false;
  bool frozen = false;
  bool outgoing = false;

  // A port with a link below it, on which only device 0 can be.
  bool is_downstream_port() const {
    return pcie_cap != 0 && (pcie_type == 4 || pcie_type == 6 || pcie_type == 8);
  }
  bool is_bridge() const { return header_type == 1; }
  PciDev* upstream_bridge() const { return bus->bridge; }
};

}  // namespace baton::linux::pci
