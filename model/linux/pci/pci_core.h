// The PCI core of one kernel: enumeration, drivers' services, shutdown [linux drivers/pci/].
//
// A function that the previous kernel handed over is enumerated without a write: its BAR sizes and
// window kinds come from the folio of FLB "baton-pci-v1", tests of what can be written are left
// out, and a read-modify-write that would change nothing is not made [policy config_writes:
// three-stage-from-folio]. All other functions get the writes of a 7.x kernel, in its order.
//
// Every configuration access of the walk takes simulated time (state.h). Accesses that drivers ask
// for happen at once; their time passes with the next access of the core.
#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "model/linux/base/kernel_services.h"
#include "model/linux/pci/pci_dev.h"

namespace baton::linux::pci {

class PciLiveUpdate;

enum class ResetMethod : std::uint8_t { kFlr, kAfFlr, kPm, kBus };
std::string_view name(ResetMethod method);  // as sysfs spells it

class PciCore {
 public:
  explicit PciCore(KernelServices& services);
  ~PciCore();

  // Called once per function during pci_setup_device, right after the class was read, so that live
  // update can mark it incoming. Set before enumerate().
  void set_live_update(PciLiveUpdate* live_update);

  // acpi_pci_root_add for every host bridge of the ACPI namespace, in its order [acpi_init], and
  // pcibios_resource_survey [pci_subsys_init].
  Co<> enumerate();
  // pcibios_assign_resources [fs_initcall]: addresses for what has none, windows of all bridges.
  Co<> assign_resources();
  // A card in the slot below `port` has been powered on: pciehp_configure_device. ENODEV: nothing
  // answers there; EEXIST: the slot had been occupied already.
  Co<Result<>> hot_add(PciDev& port);

  // pci_scan_child_bus of a root bus that `owner`'s driver made: a domain reached through a
  // function. The functions are registered behind all others.
  Co<PciBus*> scan_domain(PciDev& owner, std::uint32_t domain, std::uint8_t first,
                          std::uint8_t last);

  const std::vector<std::unique_ptr<PciBus>>& root_buses() const;
  std::vector<PciDev*> devices() const;  // in registration order
  PciDev* find(Sbdf address) const;

  // Configuration access; `by` names the kernel function.
  std::uint32_t read(const PciDev& dev, std::uint16_t offset, unsigned width, const char* by);
  void write(const PciDev& dev, std::uint16_t offset, unsigned width, std::uint32_t value,
             const char* by);

  // pci=assign-busses: bus numbers are given out afresh. Set before enumerate().
  void set_assign_busses(bool assign);
  // pci=noari: ARI forwarding is not used. Set before enumerate().
  void set_no_ari(bool no_ari);
  // pci=realloc: what hotplug ports get beyond their need counts as a need.
  void set_realloc(bool realloc);
  // pci_request_acs, by an IOMMU driver before enumeration. A 6.1 kernel then writes ACS control
  // while it enumerates.
  void request_acs();
  // pci_enable_acs, by pci_dma_configure before the IOMMU core probes the function. A 6.1 kernel
  // has done it by then.
  Co<> enable_acs(PciDev& dev);

  // Whatever was below this port is gone without warning (surprise_removal.cc). Returns when the
  // drivers have let go of it.
  Co<> hot_remove(PciDev& port);

  // pci_enable_device, pci_disable_device, pci_set_master, pci_clear_master.
  Result<> enable_device(PciDev& dev);
  void disable_device(PciDev& dev);
  void set_master(PciDev& dev);
  void clear_master(PciDev& dev);

  // What can reset the function, first choice first: sysfs reset_method.
  std::vector<ResetMethod> reset_methods(PciDev& dev);
  // pci_reset_function by the first of them, its state saved before and restored after. ENOTTY:
  // there is none.
  Co<Result<>> reset_function(PciDev& dev);

  // pci_set_power_state between D0 and D3hot; D1 and D2, which no function here has, count as D0.
  // The hardware forgets its registers on the way up unless No_Soft_Reset is set: whoever wants
  // them saves and restores them.
  Co<> set_power_state(PciDev& dev, PowerState state);
  bool needs_pm_restore(const PciDev& dev);  // No_Soft_Reset is clear

  // pci_reset_bus of the bus that the function is on, with the state of all functions there saved
  // and restored. ENOTTY: it is a root bus.
  Co<Result<>> reset_bus(PciDev& dev);

  // pci_enable_sriov and pci_disable_sriov, by the driver of a physical function. EINVAL: it
  // is none, VFs are enabled, or too many are asked for. EIO: the capability is contradictory.
  // ENOMEM: no addresses, or no bus number, for so many.
  Co<Result<>> enable_sriov(PciDev& dev, unsigned count);
  Co<> disable_sriov(PciDev& dev);
  unsigned total_vfs(const PciDev& dev);  // pci_sriov_get_totalvfs: 0 for other functions
  // Asked for each VF once it is there, and before it goes, as any function that is pulled out. Set
  // by the kernel once it has an IOMMU core.
  void set_virtual_function_hooks(std::function<Co<>(PciDev&)> added,
                                  std::function<Co<>(PciDev&)> removed);

  // The previous kernel handed over some function.
  bool was_handed_over() const;

  // pci_ats_supported: 0 when the function has no device-TLB, else how many invalidations it takes
  // at a time (32 at most).
  unsigned ats_queue_depth(PciDev& dev);
  // pci_enable_ats, with translations of 4 KiB and more; pci_disable_ats. Of a function that an
  // earlier kernel left running: is it on already?
  void enable_ats(PciDev& dev);
  void disable_ats(PciDev& dev);
  bool adopt_ats(PciDev& dev);
  // pci_max_pasids: 0 when the function has none. pci_enable_pasid, with every feature that the
  // function has. Of a function that an earlier kernel left running the control stays as it is.
  std::uint32_t max_pasids(PciDev& dev);
  void enable_pasid(PciDev& dev);
  bool adopt_pasid(PciDev& dev);

  // pci_save_state, pci_restore_state: the 64 header bytes, the PCIe control words, and ATS as this
  // kernel has set it.
  struct SavedState {
    std::array<std::uint32_t, 16> header{};
    std::array<std::uint16_t, 7> pcie{};
  };
  SavedState save_state(PciDev& dev);
  void restore_state(PciDev& dev, const SavedState& state);

  // MSI-X: enable with `count` vectors bound to `vectors` messages; disable.
  struct MsiMessage {
    std::uint64_t address = 0;
    std::uint32_t data = 0;
  };
  Result<> enable_msix(PciDev& dev, std::span<const MsiMessage> messages);
  void disable_msix(PciDev& dev);
  // What the first entries of the table say, as an earlier kernel left it, and whether the function
  // sends them: MSI-X is on, and none of them is masked. Empty: there is no table, or no such
  // entry.
  struct InheritedMsix {
    std::vector<MsiMessage> messages;
    bool on = false;
  };
  InheritedMsix inherited_msix(PciDev& dev, std::size_t count);
  // They are this kernel's from now on: nothing is written.
  void adopt_msix(PciDev& dev);
  // MSI: the vectors of one message, a power of two of which the function uses in any case. EINVAL:
  // no capability, or messages are on already; ERANGE: it has not so many.
  Result<> enable_msi(PciDev& dev, const MsiMessage& message, unsigned vectors = 1);
  void disable_msi(PciDev& dev);
  unsigned msix_table_size(const PciDev& dev);
  unsigned msi_vector_count(const PciDev& dev);  // 0: no capability
  // As inherited_msix(), of the MSI capability.
  InheritedMsix inherited_msi(PciDev& dev, std::size_t count);

  // pci_device_shutdown for every device, last registered first. Bus master of outgoing devices and
  // of the bridges above them stays on.
  Co<> shutdown();

  class State;

 private:
  friend class PciePort;
  void restore_pasid(PciDev& dev, const char* by);
  std::unique_ptr<State> state_;
};

}  // namespace baton::linux::pci
