// The way of a memory request through the unit [VT-d 3.4, 3.6, 7.1.3]: what comes before the
// tables, legacy mode, and the record of a refusal. scalable_remapping.h has the other mode.
//
// Translation requests and translated requests of device-TLBs are served where TT or DTE allows
// them. Not modelled: page requests.
#pragma once

#include "model/iommu_vtd/fault_log.h"
#include "model/iommu_vtd/request_progress.h"
#include "model/iommu_vtd/scalable_remapping.h"

namespace baton::iommu_vtd {

class DmaRemapping {
 public:
  DmaRemapping(Core& core, FaultLog& log) : core_(core), log_(log), scalable_(core) {}

  struct Outcome {
    Translation translation;
    bool recorded = false;  // of a refusal
  };
  Outcome process(const pci::MemoryRequest& request);

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
