// What the parts of the PCI core share. Private to this folder: the files enumerate.cc, setup.cc,
// sizing.cc, capabilities.cc, resources.cc and enable.cc are one class in the source's own
// division.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "model/linux/pci/pci_core.h"
#include "model/linux/pci/registers.h"

namespace baton::linux::pci {

struct FunctionShape;

class PciCore::State {
 public:
  explicit State(KernelServices& services) : services_(services) {}

  // enumerate.cc: drivers/pci/probe.c, the walk.
  struct HostBridge {
    std::uint32_t segment = 0;
    std::uint8_t first = 0;
    std::uint8_t last = 0;
  };
  std::vector<HostBridge> host_bridges();
  void scan_root(const HostBridge& host);
  unsigned scan_child_bus(PciBus& bus, unsigned available);
  void scan_slot(PciBus& bus, unsigned device);
  unsigned scan_bridge(PciBus& bus, PciDev& bridge, unsigned max, unsigned available, bool second);
  unsigned number_bridge(PciBus& bus, PciDev& bridge, unsigned max, unsigned available,
                         std::uint32_t buses);
  // Whether bridges get new numbers although theirs are in order.
  bool renumbers() const;
  PciBus& add_child_bus(PciBus& parent, PciDev& bridge, unsigned number, unsigned end);
  void register_bus(const PciBus& bus);

  // setup.cc: pci_setup_device.
  std::unique_ptr<PciDev> setup_device(PciBus& bus, unsigned devfn);
  void set_pcie_port_type(PciDev& dev);
  void read_config_size(PciDev& dev);
  void toggle_intx(PciDev& dev);
  void read_header(PciDev& dev);

  // sizing.cc: __pci_size_bars, pci_read_bases, pci_read_bridge_windows.
  void read_bases(PciDev& dev, unsigned count, std::uint16_t rom);
  void read_resource(PciDev& dev, unsigned index, std::uint16_t offset, unsigned& next,
                     const std::array<std::uint32_t, 7>& sizes);
  void adopt_bases(PciDev& dev, unsigned count, std::uint16_t rom, const FunctionShape& shape);
  void read_bridge_windows(PciDev& dev);

  // capabilities.cc: pci_configure_device, pci_init_capabilities.
  void configure(PciDev& dev);
  void configure_mps(PciDev& dev);
  void configure_ltr(PciDev& dev);
  void configure_rcb(PciDev& dev);
  void init_capabilities(PciDev& dev);
  void init_msi(PciDev& dev);
  void init_pm(PciDev& dev);
  void configure_ari(PciDev& dev);
  void init_ptm(PciDev& dev);
  void init_aer(PciDev& dev);
  void enable_acs(PciDev& dev);

  // resources.cc: pci_assign_unassigned_resources, pci_setup_bridge.
  void assign_resources(PciBus& bus);
  void setup_bridge(PciDev& bridge);

  // enable.cc
  Result<> enable_resources(PciDev& dev);
  void enable_bridge(PciDev& dev);
  Result<> enable_device(PciDev& dev);
  void set_master(PciDev& dev, bool enable);

  std::uint32_t read(const PciDev& dev, unsigned offset, unsigned width, const char* by);
  void write(const PciDev& dev, unsigned offset, unsigned width, std::uint32_t value,
             const char* by);
  // A read-modify-write whose value is `value`. For a function that the previous kernel handed over
  // a write that changes nothing is left out; `old` is what was just read
  // [policy config_writes: three-stage-from-folio].
  void update(const PciDev& dev, unsigned offset, unsigned width, std::uint32_t old,
              std::uint32_t value, const char* by);
  // Sets and clears bits of a PCI Express capability register; always reads.
  void change(const PciDev& dev, unsigned offset, std::uint32_t clear, std::uint32_t set,
              const char* by);
  std::uint8_t find_capability(const PciDev& dev, std::uint8_t id, const char* by);
  std::uint16_t find_extended(const PciDev& dev, std::uint16_t id, const char* by);
  // pcie_capability_reg_implemented().
  static bool has_pcie_register(const PciDev& dev, unsigned offset);

  KernelServices& services_;
  PciLiveUpdate* live_update_ = nullptr;
  bool assign_busses_ = false;
  std::vector<std::unique_ptr<PciBus>> roots_;
  std::vector<PciDev*> devices_;
};

}  // namespace baton::linux::pci
