// Replays one conformance vector on a remapping unit of its own, in memory of its own.
//
// Memory is one range of 6 GiB; what lies beyond is backed by nothing. CPU stores there vanish and
// loads read zero.
#pragma once

#include "harness/conform/vtd_vectors.h"

namespace baton::harness {

struct VtdOutcome {
  std::vector<VtdFacts> steps;
  VtdFacts end;
  std::string bug;  // a failed assumption inside the model; empty: none
};

VtdOutcome replay_vtd_vector(const VtdVector& vector, const iommu_vtd::Profile& profile);

// The same unit as one that caches nothing.
iommu_vtd::Profile without_caches(iommu_vtd::Profile profile);

}  // namespace baton::harness
