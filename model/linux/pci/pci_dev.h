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

#include "model/linux/driver_core/driver.h"
#include "model/linux/pci/address_space.h"
#include "model/linux/pci/tracking.h"
#include "model/luo/lock.h"
#include "sim/address.h"

namespace baton::linux::pci {

class PciDev;

enum class PowerState : std::uint8_t { kD0, kD1, kD2, kD3Hot, kD3Cold, kUnknown };

// A BAR, a ROM or a bridge window as this kernel knows it: struct resource.
struct Resource {
  PhysAddr start;
  std::uint64_t size = 0;  // 0: the function has none here, or a window is closed
  bool memory = true;      // false: I/O ports
  bool is_64bit = false;
  bool prefetchable = false;
  bool claimed = false;  // has its place in the window of the bus above
  // Of a window that is to be opened.
  bool wanted = false;
  std::uint64_t alignment = 0;

  std::uint64_t end() const { return start.value() + size; }  // exclusive
};

// The windows of a bridge, in the order of its registers.
enum BridgeWindow : unsigned { kIoWindow = 0, kMemoryWindow = 1, kPrefetchWindow = 2 };

// What the firmware's namespace says of a root bus [linux drivers/acpi/pci_root.c: _CRS, _OSC].
struct HostBridge {
  std::uint32_t segment = 0;
  std::uint8_t first = 0;
  std::uint8_t last = 0;
  bool io_aperture = true;
  std::uint32_t uid = 0;       // _UID: which one it is, whatever its numbers
  PciDev* owner = nullptr;     // of a domain that is reached through a function: that function
  bool native_hotplug = true;  // native_pcie_hotplug; AER, PME and LTR are always granted
};

struct PciBus {
  std::uint32_t segment = 0;
  std::uint8_t number = 0;    // secondary
  std::uint8_t busn_end = 0;  // subordinate
  PciDev* bridge = nullptr;   // null for a root bus
  PciBus* parent = nullptr;
  HostBridge host;  // of the root bus above
  // What its bridge's windows hold, by BridgeWindow; empty for closed ones and for root buses.
  std::array<std::optional<AddressSpace>, 3> spaces;
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
  // device_lock(): held while a driver probes, lets go or shuts down [linux drivers/base/dd.c].
  luo::Mutex lock;
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
  std::uint16_t dpc_cap = 0;
  std::uint16_t ats_cap = 0;  // known once the IOMMU driver has asked
  bool ats_enabled = false;   // by this kernel, or taken over
  std::uint16_t pasid_cap = 0;
  std::uint16_t pasid_control = 0;  // while enabled
  bool pasid_enabled = false;
  std::uint16_t sriov_cap = 0;
  std::uint16_t bridge_control = 0;  // as read at scan
  // Windows that a bridge has: I/O, prefetchable, prefetchable with 64-bit addresses.
  bool io_window = false;
  bool pref_window = false;
  bool pref_64_window = false;
  std::array<Resource, 3> windows;  // by BridgeWindow
  std::array<Resource, 6> vf_bars;  // of all VFs together; size 0 without SR-IOV
  std::uint32_t slot_capabilities = 0;
  bool is_hotplug_bridge = false;  // Slot Capabilities.Hot-Plug Capable
  std::uint8_t last_vf_bus = 0;    // highest bus that the function's VFs can need
  // SR-IOV. Of a physical function: how many VFs are enabled, and each that ever was.
  std::uint16_t num_vfs = 0;
  std::uint16_t sriov_control = 0;  // Control without VF Enable and VF MSE
  std::uint16_t vf_offset = 0;
  std::uint16_t vf_stride = 0;
  std::vector<std::unique_ptr<PciDev>> virtual_functions;
  PciDev* physical = nullptr;    // of a virtual function: is_virtfn, physfn
  bool grouped = false;          // the IOMMU core knows it
  bool disconnected = false;     // error_state: it is gone for good [pci_dev_is_disconnected]
  bool link_configured = false;  // pcie_aspm_init_link_state() has seen the link below

  // Live update [linux drivers/pci/liveupdate.c, posted v9].
  StateOf<OutgoingState, OutgoingEvent> to_next{outgoing_table(), OutgoingState::kPlain};
  StateOf<IncomingState, IncomingEvent> from_previous{incoming_table(),
                                                      IncomingState::kNotHandedOver};
  bool outgoing() const {
    return to_next.value() == OutgoingState::kOutgoing ||
           to_next.value() == OutgoingState::kOutgoingFrozen;
  }
  bool frozen() const {
    return to_next.value() == OutgoingState::kFrozen ||
           to_next.value() == OutgoingState::kOutgoingFrozen;
  }
  bool incoming() const { return from_previous.value() == IncomingState::kIncoming; }
  bool was_incoming() const { return from_previous.value() != IncomingState::kNotHandedOver; }
  bool inherits_buses = false;  // of a bridge, as decided at its first pass [policy bus_numbers]
  // The address under which records of the previous kernel know it, whatever it is called now
  // [policy device_key]. None: they do not know it.
  std::optional<Sbdf> record_key;
  bool record_key_known = false;  // live update has looked
  // Of what was handed over with it; none: the previous kernel did not say [policy driver_binding].
  std::optional<DataFormat> handed_format;
  // Where no live update of the PCI core has looked, the address is the key.
  std::optional<Sbdf> recorded_as() const {
    return record_key_known ? record_key : std::optional(address);
  }

  // A port with a link below it, on which only device 0 can be.
  bool is_downstream_port() const {
    return pcie_cap != 0 && (pcie_type == 4 || pcie_type == 6 || pcie_type == 8);
  }
  bool is_bridge() const { return header_type == 1; }
  bool is_virtual() const { return physical != nullptr; }
  PciDev* upstream_bridge() const { return bus->bridge; }
};

}  // namespace baton::linux::pci
