// The way of a memory request through the unit [VT-d 3.4, 3.6, 7.1.3]: what comes before the
// tables, legacy mode, and the record of a refusal. scalable_remapping.h has the other mode.
//
// Translation requests and translated requests of device-TLBs are served where TT or DTE allows
// them, page requests where PRE does.
#pragma once

#include "model/iommu_vtd/fault_log.h"
#include "model/iommu_vtd/request_progress.h"
#include "model/iommu_vtd/scalable_remapping.h"
#include "model/pci/ats.h"

namespace baton::iommu_vtd {

class DmaRemapping {
 public:
  DmaRemapping(Core& core, FaultLog& log) : core_(core), log_(log), scalable_(core) {}

  struct Outcome {
    Translation translation;
    bool recorded = false;  // of a refusal
  };
  Outcome process(const pci::MemoryRequest& request);

  // Do mode and tables allow this page request? A refusal is recorded.
  struct Admission {
    bool allowed = false;
    Reason reason = Reason::kUnrecorded;  // of a refusal
    bool recorded = false;
  };
  Admission admit(const pci::PageRequest& request);

 private:
  std::optional<Reason> translate(Progress& progress);
  std::optional<Reason> translate_legacy(Progress& progress);
  std::expected<Entry128, Reason> find_context(Progress& progress);
  std::optional<Reason> check_address(const Progress& progress, const Entry128& context) const;
  std::expected<Mapping, Reason> find_mapping(Progress& progress, const Entry128& context);
  bool is_recorded(const Progress& progress, Reason reason) const;

  Core& core_;
  FaultLog& log_;
  ScalableRemapping scalable_;
};

}  // namespace baton::iommu_vtd
