// Wait descriptors that were fetched and are not complete: each waits for the device-TLB
// invalidations that were sent before it, and for requests to drain [VT-d 6.5.2.8].
//
// They complete in their order. The queue goes on behind one that has no fence (FN=0), as it may;
// behind a fence, or when hardware has no room for more, it does not.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "model/iommu_vtd/tables.h"
#include "sim/check.h"
#include "sim/time.h"

namespace baton::iommu_vtd {

struct PendingWait {
  Entry256 descriptor;
  std::uint64_t sent = 0;  // device-TLB invalidations before it
  sim::Time drained;       // when the requests before it have arrived
  sim::Time since;         // when it was fetched
  bool fence = false;
};

class PendingWaits {
 public:
  bool empty() const { return count_ == 0; }
  // May the queue fetch what follows?
  bool blocks() const { return count_ == kMost || (count_ != 0 && newest().fence); }
  const PendingWait& oldest() const { return waits_[first_]; }
  void push(const PendingWait& wait) {
    BATON_CHECK(count_ < kMost, "a wait descriptor too many");
    waits_[(first_ + count_++) % kMost] = wait;
  }
  void pop() {
    first_ = (first_ + 1) % kMost;
    --count_;
  }
  void clear() { count_ = 0; }

 private:
  static constexpr std::size_t kMost = 32;  // assumed: the specification names no number
  const PendingWait& newest() const { return waits_[(first_ + count_ - 1) % kMost]; }

  std::array<PendingWait, kMost> waits_{};
  std::size_t first_ = 0;
  std::size_t count_ = 0;
};

}  // namespace baton::iommu_vtd
