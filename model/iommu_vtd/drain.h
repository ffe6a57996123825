// Requests that have been translated and whose data is on its way, and how long an invalidation
// waits for them [VT-d 6.5.4].
//
// A request moves its data at the instant of its translation; what is left of it is the time until
// that is globally visible (a write) or read. An invalidation with drain is not complete before
// the requests that used what it dropped are. All requests of the unit are waited for, whatever
// they used: hardware may, and no more than their ends are kept here.
#pragma once

#include <algorithm>

#include "sim/time.h"

namespace baton::iommu_vtd {

class Drain {
 public:
  void moves(bool write, sim::Time until) {
    sim::Time& end = write ? writes_ : reads_;
    end = std::max(end, until);
  }
  // When the last of them has arrived.
  sim::Time end(bool reads, bool writes) const {
    return std::max(reads ? reads_ : sim::Time(), writes ? writes_ : sim::Time());
  }

 private:
  sim::Time reads_;
  sim::Time writes_;
};

}  // namespace baton::iommu_vtd
