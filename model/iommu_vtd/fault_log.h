// Primary fault logging and the fault event [VT-d 7.2, 7.3]. Advanced (in-memory) logging is not
// modelled: CAP.AFL=0.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "model/iommu_vtd/core.h"
#include "model/iommu_vtd/event_message.h"
#include "model/pci/request.h"

namespace baton::iommu_vtd {

struct FaultRecord {
  Bdf source{};
  std::uint64_t info = 0;  // page address, or interrupt index << 48
  Reason reason{};
  bool write = false;
  bool page_request = false;
  std::optional<Pasid> pasid{};
  bool privileged = false;  // with a PASID
  bool execute = false;
  pci::AddressType type = pci::AddressType::kUntranslated;
};

class FaultLog {
 public:
  FaultLog(Core& core, EventMessage& event) : core_(core), event_(event) {}

  // False: the log had no room for it, or holds one of this requester already.
  bool record(const FaultRecord& fault);
  // FSTS.IQE with its reason; FSTS.ITE and FSTS.ICE with the requester id.
  void queue_error(unsigned info);
  void invalidation_timed_out(Bdf function);
  void invalidation_completion_error(Bdf function);

  // After software cleared F bits or status bits.
  void refresh();

 private:
  std::uint64_t status() const;
  void set_status(const Field& bit);
  bool has_record_of(Bdf source) const;
  bool occupied(unsigned index) const;

  Core& core_;
  EventMessage& event_;
  unsigned next_ = 0;
};

}  // namespace baton::iommu_vtd
