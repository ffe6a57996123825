// The way of a memory request through the unit, legacy mode [VT-d 3.4, 3.6, 7.1.3].
//
// Not modelled: device-TLBs, so translation requests and translated requests are refused as by an
// entry that does not allow them (reason Dh); scalable mode, so a root table of that mode is 30h.
#pragma once

#include "model/iommu_vtd/core.h"
#include "model/iommu_vtd/fault_log.h"
#include "model/iommu_vtd/observations.h"
#include "model/iommu_vtd/remapping_unit.h"
#include "model/pci/request.h"

namespace baton::iommu_vtd {

class DmaRemapping {
 public:
  DmaRemapping(Core& core, FaultLog& log) : core_(core), log_(log) {}

  struct Outcome {
    Translation translation;
    bool recorded = false;  // of a refusal
  };
  Outcome process(const pci::MemoryRequest& request);

 private:
  // A request in progress: what was learned and spent so far.
  struct Progress {
    const pci::MemoryRequest& request;
    Translation result;
    bool fault_processing_disabled = false;
  };

  std::optional<Reason> check_request(const Progress& progress) const;
  std::expected<Entry128, Reason> find_context(Progress& progress);
  std::optional<Reason> check_address(const Progress& progress, const Entry128& context) const;
  std::expected<Mapping, Reason> find_mapping(Progress& progress, const Entry128& context);
  std::optional<Reason> pass_through(Progress& progress) const;
  std::optional<Reason> translate(Progress& progress);
  bool is_protected(const pci::MemoryRequest& request) const;
  void count_read(Progress& progress, unsigned reads = 1) const;

  Core& core_;
  FaultLog& log_;
};

}  // namespace baton::iommu_vtd
