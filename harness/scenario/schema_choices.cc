#include "harness/scenario/schema_choices.h"

#include "harness/scenario/invariant_rows.h"
#include "model/iommu_vtd/profiles.h"
#include "model/linux/base/config.h"

namespace baton::harness::choices {

std::vector<Choice> presets() {
  return {{"v7.2", true, "mainline: memfds alone are handed over"},
          {"next", true, "the series of September 2026: a device is stopped and comes back"},
          {"vision", true, "the design target: a device never stops; no such kernel exists"},
          {"v6.19", false}};
}
std::vector<Choice> pci_live_updates() {
  return {{"none", true, "no list of preserved functions"},
          {"v9", true, "the posted series of September 2026"}};
}
std::vector<Choice> iommu_live_updates() {
  return {{"none", true, "no translation is handed over"},
          {"v1", false},
          {"v5", true, "phase 1 as posted: domains come back, no iommufd does"},
          {"phase2", true, "the design target: iommufd, address spaces and page tables come back"}};
}
std::vector<Choice> vfio_live_updates() {
  return {{"none", true, "no handler takes its files"},
          {"v2", false},
          {"v5", true, "as posted: the identity is handed over, freeze resets the device"},
          {"running", true, "the design target: the device never stops; needs pci v9"}};
}
std::vector<Choice> prepared_lockdowns() {
  return {{"none", true, "its owner may do with it what it likes (vfio v5)"},
          {"vfio", true,
           "VFIO answers EBUSY: writes to configuration space, SET_IRQS, RESET, ATTACH, DETACH"},
          {"all", true, "sysfs too: reset, unbind, sriov_numvfs"}};
}
std::vector<Choice> restore_failures() {
  return {{"panic", true, "the kernel stops: the device cannot be stopped any more (iommu v5)"},
          {"continue", true, "a warning, and the default domain (as iommu v1 and pci v6 did)"}};
}
std::vector<Choice> cancels_after_freeze() {
  return {{"unfreeze", true, "the device works on (vfio running)"},
          {"fd-dead", true, "its descriptor answers EIO until it is closed (vfio v5)"}};
}
std::vector<Choice> booleans() { return {{"true"}, {"false"}}; }
std::vector<Choice> iommu_modes() { return {{"legacy"}, {"scalable"}}; }
std::vector<Choice> iommu_kinds() { return {{"vtd"}, {"amd-vi", false}, {"smmuv3", false}}; }
std::vector<Choice> iommu_profiles() {
  std::vector<Choice> choices;
  for (const iommu_vtd::ProfileRow& row : iommu_vtd::profile_rows()) {
    choices.push_back({row.name, true, row.what});
  }
  return choices;
}
std::vector<Choice> iommu_caches() { return {{"exact"}, {"hardware"}}; }
std::vector<Choice> added_kinds() {
  return {{"dsa"}, {"nvme"}, {"vmd"}, {"nic", false}, {"virtio-net", false}, {"watchdog", false}};
}
std::vector<Choice> interrupts() {
  return {{"disable-in-freeze", true, "one write in the freeze clears MSI-X Enable"},
          {"require-disabled", true,
           "the VMM takes them down before the reboot, which is refused otherwise (vfio v5)"},
          {"irte-drop", true, "their remapping entries drop them in silence (P=0, FPD=1)"},
          {"posted-capture", true,
           "posted-interrupt descriptors in preserved memory collect them, and the next kernel "
           "finds them"},
          {"remember", true, "the next kernel notes which vectors fired, and replays them"},
          {"keep", true, "nothing is done about them"}};
}
std::vector<Choice> reinject() {
  return {
      {"spurious", true, "one completion interrupt, so that the guest looks itself"},
      {"none", true, "nothing: what the device signalled in the gap stays lost"},
      {"pending-only", true, "one interrupt for each vector that a kernel knows to have fired"}};
}
std::vector<Choice> msi_at_boot() {
  return {{"leave", true, "they stay as they are until the driver sets interrupts up"},
          {"clear", true, "MSI and MSI-X are switched off in enumeration, as at a cold boot"},
          {"adopt", true, "the driver takes table, entries and vectors over, and writes nothing"}};
}
std::vector<Choice> interrupt_replay() {
  return {{"after-iommu", true, "when the owner has set its interrupts up again"},
          {"before-iommu", true, "in early boot, before the IOMMU is initialised"}};
}
std::vector<Choice> completions() {
  return {
      {"interrupts-and-timer", true, "by interrupts; its timer finds what they do not announce"},
      {"polling", true, "it asks for no interrupts and looks at each turn of its timer"},
      {"every-edge", true, "by interrupts alone: for one that is lost it may wait for ever"},
      {"timeout-resets", true,
       "by interrupts; its driver resets the device when none comes for the time of its timer"}};
}
std::vector<Choice> workloads() {
  return {{"copy", true, "memory to memory, for a dsa"},
          {"disk", true, "writes and reads of blocks, for an nvme"}};
}
std::vector<Choice> bus_numbers() {
  return {{"inherit", true, "bridges keep their numbers, whatever the command line says (pci v9)"},
          {"reassign", true, "pci=assign-busses is followed, although devices are running"},
          {"inherit-preserved", true,
           "as long as something waits to be finished; one without valid numbers gets none (pci "
           "v6, v7)"}};
}
std::vector<Choice> severities() {
  return {{"nonfatal", true, "ERR_NONFATAL: the default of the specification"},
          {"fatal", true, "ERR_FATAL: ports with containment (DPC) take the link down"}};
}
std::vector<Choice> traits() {
  return {{"no-flr", true, "it has no function level reset"},
          {"forgets-in-d3", true, "its registers are lost on the way from D3hot to D0"},
          {"no-acs", true, "functions of its card have no ACS: they are in one IOMMU group"}};
}
std::vector<Choice> pci_cores() {
  return {{"7.x", true, "BARs are sized in one batch; ACS is written when the IOMMU probes"},
          {"6.1", true, "each BAR in a window of its own; measured (docs/models.md)"}};
}
std::vector<Choice> memfds() {
  return {{"v2", true, "with their seals (v7.2)"}, {"none", true, "no handler takes them"}};
}
std::vector<Choice> acs() {
  return {{"adopt", true, "the register stays as the previous kernel left it (pci v9)"},
          {"rewrite", true, "it is written as at a cold boot"}};
}
std::vector<Choice> ari() {
  return {{"adopt", true, "ARI forwarding above running functions is taken over (pci v9)"},
          {"rewrite", true, "it is decided as at a cold boot; pci=noari does without it"}};
}
std::vector<Choice> device_keys() {
  return {{"sbdf", true, "domain, bus, device and function (pci v9)"},
          {"device-path", true,
           "host bridge and hops from it, and what the function says it is (no upstream series)"}};
}
std::vector<Choice> driver_bindings() {
  return {
      {"userspace-preserved", true,
       "user space gives it one; no driver takes it by itself (posted vfio v2 to v5, and what "
       "they need)"},
      {"userspace-all", true,
       "user space gives one to every function, once anything was handed over"},
      {"first-match", true, "the first driver that matches, as for any function"},
      {"driver-override", true, "only one that driver_override names (posted vfio v1)"},
      {"saved-name", true, "the driver whose name was handed over (posted PCI/LUO v2)"},
      {"guid", true, "a driver that knows the format of what was handed over (no upstream series)"},
      {"refuse-incompatible", true,
       "the first driver that matches; its probe fails when it does not know the format (no "
       "upstream series)"}};
}
std::vector<Choice> builtin_drivers() {
  return {
      {"idxd", true, "of DSAs: resets what it finds"},
      {"nvme", true, "of NVMe controllers: disables and sets up what it finds"},
      {"pci-lu-stub", true,
       "of any device that user space gives it: marks it for live update; and pci-lu-stub-pf, of "
       "physical functions: keeps the number of virtual ones"}};
}
std::vector<Choice> sriov() {
  return {
      {"refuse", true, "virtual functions cannot be preserved, and end with enumeration (pci v9)"},
      {"adopt", true,
       "their physical function is preserved with them and stays as it is (no upstream series)"}};
}
std::vector<Choice> ats() {
  return {{"off", true, "every request is translated by the remapping unit"},
          {"on", true, "functions on root buses ask for translations and keep them"}};
}
std::vector<Choice> interrupt_tables() {
  return {{"new", true, "a new kernel makes its own; remapping is off for a moment"},
          {"preserve", true, "handed over and left in use (no upstream series)"}};
}
std::vector<Choice> interrupt_uses() {
  return {{"release", true, "down before the reboot when the kernel's policy demands it"},
          {"hold", true, "left configured, whatever the kernel demands"}};
}
std::vector<Choice> verifications() { return {{"full"}, {"sampled"}}; }
std::vector<Choice> changes() {
  return {{"move", true, "a card goes into the empty slot below another port"},
          {"exchange", true, "two cards change places"},
          {"remove", true, "a device is gone, or switched off by firmware"},
          {"insert", true, "a card that was in no slot until then comes into its own"},
          {"lose-buses", true, "a bridge loses its bus numbers, as in a reset of its own"},
          {"break-buses", true, "the primary bus number of a bridge becomes a wrong one"},
          {"renumber", true, "firmware gives a function another number on its bus; it runs on"},
          {"swap-segments", true, "firmware numbers two PCI segments the other way round"},
          {"insert-bridge", false}};
}
std::vector<Choice> actions() {
  return {{"live-update"}, {"cold-reboot"}, {"create-session"}, {"preserve"},
          {"cancel"},      {"kexec"},       {"retrieve"},       {"finish"}};
}
std::vector<Choice> refusals() { return {{"stop"}, {"go-on-without"}, {"shut-down-vm"}}; }
std::vector<Choice> live_updates() { return {{"carry"}, {"leave"}}; }
std::vector<Choice> ones() { return {{"1"}}; }

std::vector<Choice> defects() {
  std::vector<Choice> result;
  for (const linux::DefectRow& row : linux::defect_rows()) result.push_back({row.id});
  return result;
}
std::vector<Choice> invariants() {
  std::vector<Choice> result;
  for (const InvariantRow& row : invariant_rows()) result.push_back({row.id});
  return result;
}
std::vector<Choice> invariants_or_all() {
  std::vector<Choice> result = invariants();
  result.insert(result.begin(), Choice{"all"});
  return result;
}
std::vector<Choice> measures() {
  std::vector<Choice> result;
  for (const MeasureRow& row : measure_rows()) result.push_back({row.id});
  return result;
}

}  // namespace baton::harness::choices
