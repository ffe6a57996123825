// The choices that rows of schema_table.cc name, in the order in which they are documented.
#pragma once

#include <vector>

#include "harness/scenario/schema.h"

namespace baton::harness::choices {

std::vector<Choice> presets();
std::vector<Choice> pci_live_updates();
std::vector<Choice> iommu_live_updates();
std::vector<Choice> vfio_live_updates();
std::vector<Choice> prepared_lockdowns();
std::vector<Choice> restore_failures();
std::vector<Choice> cancels_after_freeze();
std::vector<Choice> booleans();
std::vector<Choice> iommu_modes();
std::vector<Choice> iommu_kinds();
std::vector<Choice> iommu_profiles();
std::vector<Choice> iommu_caches();
std::vector<Choice> added_kinds();
std::vector<Choice> interrupts();
std::vector<Choice> reinject();
std::vector<Choice> msi_at_boot();
std::vector<Choice> interrupt_replay();
std::vector<Choice> completions();
std::vector<Choice> workloads();
std::vector<Choice> bus_numbers();
std::vector<Choice> severities();
std::vector<Choice> traits();
std::vector<Choice> pci_cores();
std::vector<Choice> memfds();
std::vector<Choice> acs();
std::vector<Choice> ari();
std::vector<Choice> device_keys();
std::vector<Choice> driver_bindings();
std::vector<Choice> builtin_drivers();
std::vector<Choice> sriov();
std::vector<Choice> ats();
std::vector<Choice> interrupt_tables();
std::vector<Choice> interrupt_uses();
std::vector<Choice> verifications();
std::vector<Choice> changes();
std::vector<Choice> actions();
std::vector<Choice> refusals();
std::vector<Choice> live_updates();
std::vector<Choice> ones();
std::vector<Choice> defects();
std::vector<Choice> invariants();
std::vector<Choice> invariants_or_all();
std::vector<Choice> measures();

}  // namespace baton::harness::choices
