// The defects of handing devices over in stages (VFIO v5, phase 1 of the IOMMU series) and of the
// parts of what VFIO knows of a device, each with a
// scenario that shows it and the invariant that catches it there.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "harness/run/host_builder.h"
#include "tests/support/source_dir.h"

namespace baton::testing {

struct StageDefect {
  std::string_view defect;
  std::string_view scenario;  // below scenarios/
  std::string_view invariant;
};

inline constexpr StageDefect kStageDefects[] = {
    {"iommu-forget-owner", "selftests/iommufd-kexec", "process-calls"},
    {"iommufd-ignore-seals", "stages/iommufd-alone", "process-calls"},
    {"iommufd-keep-immutable", "selftests/iommufd-kexec", "process-calls"},
    {"iommufd-finish-early", "stages/iommufd-alone", "process-calls"},
    {"vfio-stale-state", "stages/prepared-lockdown-none", "process-calls"},
    {"vfio-ignore-interrupts", "selftests/freeze-refused", "process-calls"},
    {"vfio-skip-freeze-reset", "roadmap/next", "freeze-stops"},
    {"vfio-forget-frozen", "stages/frozen-for-good", "process-calls"},
    {"vfio-open-incoming", "selftests/vfio-pci-kexec", "process-calls"},
    {"vfio-lose-vconfig", "vfio/driver-state", "process-calls"},
    {"vfio-lose-reset-works", "vfio/driver-state", "process-calls"},
    {"vfio-lose-saved-state", "vfio/driver-state", "process-calls"},
    {"vfio-lose-real-bars", "vfio/asleep-forgotten", "process-calls"},
    {"vfio-lose-vectors", "interrupts/captured", "irq-accounted"},
};

inline const StageDefect* stage_defect(std::string_view defect) {
  const auto* found = std::ranges::find(kStageDefects, defect, &StageDefect::defect);
  return found == std::end(kStageDefects) ? nullptr : found;
}

inline harness::Loaded load_stage(const StageDefect& row) {
  return harness::check_scenario(fmt::format("{}/scenarios/{}.yaml", source_dir(), row.scenario),
                                 {fmt::format("defects=[{}]", row.defect)});
}

}  // namespace baton::testing
