// Interrupt remapping [VT-d 5.1]: compatibility and remappable format, source check, entries in
// remapped format and, where the unit has CAP.PI, in posted format (interrupt_posting.h).
//
// Not modelled: IO-APIC request format (no IO-APIC in the model).
#pragma once

#include <cstdint>
#include <expected>
#include <optional>

#include "model/iommu_vtd/core.h"
#include "model/iommu_vtd/fault_log.h"
#include "model/iommu_vtd/interrupt_posting.h"
#include "model/iommu_vtd/remapping_unit.h"

namespace baton::iommu_vtd {

class InterruptRemapping {
 public:
  InterruptRemapping(Core& core, FaultLog& log) : core_(core), log_(log) {}

  struct Outcome {
    RemappedInterrupt interrupt;
    std::uint64_t index = 0;
    bool recorded = false;
    bool silenced = false;  // a fault that FPD kept out of the log
    std::optional<Posting> posting;
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
    std::optional<Posting> posting;
  };

  std::optional<Reason> remap(Progress& progress);
  std::optional<Reason> check_message(const Progress& progress) const;
  std::expected<Entry128, Reason> find_entry(Progress& progress);
  bool has_reserved_bits(const Entry128& entry) const;
  void remapped(const Entry128& entry, RemappedInterrupt& result) const;
  std::optional<Reason> posted(const Entry128& entry, Progress& progress);
  bool extended() const;  // IRTA.EIME

  Core& core_;
  FaultLog& log_;
};

}  // namespace baton::iommu_vtd
