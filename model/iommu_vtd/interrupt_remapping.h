// Interrupt remapping [VT-d 5.1]: compatibility and remappable format, source check.
//
// Not modelled: posted interrupts (CAP.PI=0), IO-APIC request format (no IO-APIC in the model).
#pragma once

#include <cstdint>
#include <expected>

#include "model/iommu_vtd/core.h"
#include "model/iommu_vtd/fault_log.h"
#include "model/iommu_vtd/remapping_unit.h"

namespace baton::iommu_vtd {

class InterruptRemapping {
 public:
  InterruptRemapping(Core& core, FaultLog& log) : core_(core), log_(log) {}

  struct Outcome {
    RemappedInterrupt interrupt;
    std::uint64_t index = 0;
    bool recorded = false;
  };
  Outcome process(Bdf requester, std::uint64_t address, std::uint32_t data);

 private:
  struct Progress {
    Bdf requester;
    std::uint64_t address;
    std::uint32_t data;
    RemappedInterrupt result;
    std::uint64_t index = 0;
    bool fault_processing_disabled = false;
  };

  std::optional<Reason> remap(Progress& progress);
  std::optional<Reason> check_message(const Progress& progress) const;
  std::expected<Entry128, Reason> find_entry(Progress& progress);

  Core& core_;
  FaultLog& log_;
};

}  // namespace baton::iommu_vtd
