// What the parts of the PCI core share. Private to this folder: its files are one class in the
// source's own division.
//
// Time: a configuration access stops the CPU, so the walk spends time with each one. What the
// accesses have cost is owed until the next write, which is awaited: everything else on the machine
// happens between two writes, as it does on a real host. Functions that drivers call (pci_core.h)
// write at once.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "model/linux/pci/address_space.h"
#include "model/linux/pci/pci_core.h"
#include "model/linux/pci/registers.h"

namespace baton::linux::pci {

struct FunctionShape;

class PciCore::State {
 public:
  explicit State(KernelServices& services) : services_(services) {}

  // enumerate.cc: drivers/pci/probe.c, the walk.
  Co<> scan_root(HostBridge host);
  Co<unsigned> scan_child_bus(PciBus& bus, unsigned available);
  Co<unsigned> scan_slot(PciBus& bus, unsigned devfn);
  Co<PciDev*> scan_function(PciBus& bus, unsigned devfn);
  unsigned next_function(const PciBus& bus, const PciDev* dev, unsigned function);
  Co<unsigned> scan_bridge(PciBus& bus, PciDev& bridge, unsigned max, unsigned available,
                           bool second);
  Co<unsigned> number_bridge(PciBus& bus, PciDev& bridge, unsigned max, unsigned available,
                             std::uint32_t buses);
  Co<> make_completions_visible(PciDev& port);
  // Whether bridges get new numbers although theirs are in order.
  bool renumbers(const PciDev& bridge) const;
  bool inherits(const PciBus& bus) const;
  bool is_refused(const PciBus& bus, const PciDev& bridge) const;
  Co<> refuse_numbers(PciDev& bridge, std::uint32_t buses, bool second);
  PciBus& add_child_bus(PciBus& parent, PciDev& bridge, unsigned number, unsigned end);
  void register_bus(const PciBus& bus);

  // setup.cc: pci_setup_device.
  Co<std::unique_ptr<PciDev>> setup_device(PciBus& bus, unsigned devfn);
  Co<> set_pcie_port_type(PciDev& dev);
  void read_config_size(PciDev& dev);
  Co<> toggle_intx(PciDev& dev);
  Co<> read_header(PciDev& dev);

  // sizing.cc, windows.cc: pci_read_bases, pci_read_bridge_windows, pci_read_bridge_bases.
  Co<> read_bases(PciDev& dev, unsigned count, std::uint16_t rom);
  Co<> size_in_one_batch(PciDev& dev, unsigned count, std::uint16_t rom);
  Co<> size_one_by_one(PciDev& dev, unsigned count, std::uint16_t rom);
  void adopt_bases(PciDev& dev, unsigned count, std::uint16_t rom, const FunctionShape& shape);
  // One BAR with decode off around it, as before 6.15. The number of registers it takes.
  Co<unsigned> read_base(PciDev& dev, std::uint16_t offset, Resource& resource, bool last);
  Co<> read_bridge_windows(PciDev& dev);
  void read_bridge_bases(PciDev& bridge);

  // configure.cc: pci_configure_device.
  Co<> configure(PciDev& dev);
  Co<> configure_mps(PciDev& dev);
  Co<> configure_ltr(PciDev& dev);
  Co<> configure_rcb(PciDev& dev);

  // capabilities.cc: pci_init_capabilities. iov.cc: pci_iov_init.
  Co<> init_capabilities(PciDev& dev);
  Co<> init_msi(PciDev& dev);
  Co<> init_pm(PciDev& dev);
  Co<> configure_ari(PciDev& dev);
  Co<> init_iov(PciDev& dev);
  Co<> init_ptm(PciDev& dev);
  Co<> init_aer(PciDev& dev);
  Co<> enable_acs(PciDev& dev);

  // aspm.cc: pcie_aspm_init_link_state.
  Co<> init_link(PciDev& port);
  Co<> configure_common_clock(PciDev& port);
  Co<> set_link_states(PciDev& port, std::uint32_t states);

  // claim.cc: pcibios_resource_survey. assign.cc, size_windows.cc: setup-bus.c, setup-res.c.
  void claim_bus(PciBus& bus);
  void claim_functions(PciBus& bus, bool enabled);
  void claim_roms(PciBus& bus);
  Co<> assign_root(PciBus& root);
  void size_windows(PciBus& bus, bool optional);
  void size_window(PciBus& bus, BridgeWindow kind, bool optional);
  std::uint64_t extra_size(const Resource& resource) const;
  struct Wanted {
    PciDev* dev = nullptr;
    Resource* resource = nullptr;
    std::uint16_t offset = 0;  // of its register; 0 for windows
  };
  std::vector<Wanted> unassigned(PciBus& bus);
  Co<bool> assign_bus(PciBus& bus);
  Co<bool> assign_functions(PciBus& bus);
  bool place(const Wanted& wanted, std::uint64_t size);
  void take_back(const Wanted& wanted);
  Co<> update_resource(const Wanted& wanted);
  bool iov_unassigned(const PciBus& bus) const;
  Co<> setup_bridge(PciDev& bridge);
  void open_space(PciDev& bridge, BridgeWindow kind);
  std::vector<AddressSpace*> spaces_of(PciBus& bus, const Resource& resource);

  // iov.cc
  std::uint32_t total_vfs(const PciDev& dev);
  Co<Result<>> enable_sriov(PciDev& dev, unsigned count);
  Co<> disable_sriov(PciDev& dev);
  Result<> check_sriov(PciDev& dev, unsigned count);
  Co<> set_num_vfs(PciDev& dev, unsigned count);
  void read_vf_ids(PciDev& dev);
  Co<> find_vf_buses(PciDev& dev, unsigned total);
  bool keeps_virtual_functions(const PciDev& dev) const;
  Co<> adopt_iov(PciDev& dev, std::uint16_t at);
  static PciDev& new_virtual_function(PciDev& dev, unsigned index);
  static Bdf virtual_address(const PciDev& dev, unsigned index);
  Co<> add_virtual_function(PciDev& dev, unsigned index);
  Co<> setup_virtual_function(PciDev& virtfn, unsigned index);
  // misdeeds.cc: what defects write after the scan.
  Co<> commit_misdeeds();
  Co<> reset_preserved_buses();
  Co<> move_preserved_bars();
  std::optional<PhysAddr> other_place(const PciDev& dev, unsigned index);
  Co<> lower_payload(const PciDev& dev);
  Co<> lower_payloads();
  Co<> enable_preserved_ats();
  Co<> disable_preserved_pasids();
  Co<> clear_acs();

  // surprise_removal.cc
  void disconnect(PciBus& bus);
  Co<> stop_and_remove(PciBus& bus);
  Co<> remove_function(PciDev& dev);

  // enable.cc
  Result<> enable_resources(PciDev& dev);
  void enable_bridge(PciDev& dev);
  Result<> enable_device(PciDev& dev);
  void set_master(PciDev& dev, bool enable);

  // reset.cc
  Co<> wait_for_pending(const PciDev& dev, unsigned at, unsigned width, std::uint32_t bit,
                        const char* by);
  Co<> reset_by(PciDev& dev, ResetMethod method);

  // msi.cc
  void write_msi_message(const PciDev& dev, const MsiMessage& message, unsigned vectors);
  void mask_msi(const PciDev& dev, std::uint32_t bits, bool masked);
  void set_intx(const PciDev& dev, bool enable);

  std::uint32_t read(const PciDev& dev, unsigned offset, unsigned width, const char* by);
  // Writes, and lets the time pass that this and the accesses before it took.
  Co<> write(const PciDev& dev, unsigned offset, unsigned width, std::uint32_t value,
             const char* by);
  void write_now(const PciDev& dev, unsigned offset, unsigned width, std::uint32_t value,
                 const char* by);
  // A read-modify-write whose value is `value`. For a function that the previous kernel handed over
  // a write that changes nothing is left out; `old` is what was just read
  // [policy config_writes: three-stage-from-folio].
  Co<> update(const PciDev& dev, unsigned offset, unsigned width, std::uint32_t old,
              std::uint32_t value, const char* by);
  // Sets and clears bits of a PCI Express capability register; always reads.
  Co<> change(const PciDev& dev, unsigned offset, std::uint32_t clear, std::uint32_t set,
              const char* by);
  Co<> let_time_pass();
  std::uint8_t find_capability(const PciDev& dev, std::uint8_t id, const char* by);
  std::uint16_t find_extended(const PciDev& dev, std::uint16_t id, const char* by);
  // pcie_capability_reg_implemented().
  static bool has_pcie_register(const PciDev& dev, unsigned offset);
  // Functions that run through the jump get no write that can be spared [policy config_writes:
  // three-stage-from-folio]. The posted series v9 alone walks as at a cold boot.
  bool spares(const PciDev& dev) const {
    return dev.incoming() && services_.config().pieces.vfio == VfioLiveUpdate::kRunning;
  }
  bool is_6_1() const { return services_.config().pieces.pci_core == PciCoreVersion::kV6_1; }

  KernelServices& services_;
  PciLiveUpdate* live_update_ = nullptr;
  bool assign_busses_ = false;
  bool realloc_ = false;
  bool acs_requested_ = false;
  sim::Duration owed_;
  bool no_ari_ = false;
  std::vector<std::unique_ptr<PciBus>> roots_;
  std::vector<PciDev*> devices_;  // in registration order
  std::map<Sbdf, PciDev*> by_address_;
  std::vector<std::unique_ptr<PciDev>> gone_;  // removed; who still knows them may look at them
  std::function<Co<>(PciDev&)> added_;
  std::function<Co<>(PciDev&)> removed_;
  // iomem_resource and ioport_resource: what the root buses share.
  AddressSpace memory_{0, UINT64_MAX};
  AddressSpace ports_{0, 0x10000};
  // The list of optional sizes of one round of assignment: realloc_head.
  struct Extra {
    Resource* resource;
    std::uint64_t size;
  };
  std::vector<Extra> extras_;
};

}  // namespace baton::linux::pci
