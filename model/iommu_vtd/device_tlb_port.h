// The way from a remapping unit to the device-TLBs of the functions below it, as messages routed by
// id. Implemented by whoever owns the fabric.
#pragma once

#include <optional>

#include "model/pci/ats.h"
#include "sim/time.h"

namespace baton::iommu_vtd {

class DeviceTlbPort {
 public:
  virtual ~DeviceTlbPort() = default;

  // One way to the function that this id routes to now; nullopt: it routes to nobody.
  virtual std::optional<sim::Duration> distance(Bdf function) = 0;
  // An Invalidate Request arrives. False: nobody takes it, so nobody will answer.
  virtual bool invalidate(Bdf function, const pci::AtsInvalidation& invalidation) = 0;
  // A page request group response arrives.
  virtual void respond(Bdf function, const pci::PageResponse& response) = 0;
};

}  // namespace baton::iommu_vtd
