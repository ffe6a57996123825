#include "harness/invariants/findings.h"

#include <utility>

namespace baton::harness {

void Findings::report(Violation violation) {
  if (++counts_[violation.id] <= kKept) kept_.push_back(std::move(violation));
}

std::uint64_t Findings::count(std::string_view id) const {
  const auto found = counts_.find(id);
  return found == counts_.end() ? 0 : found->second;
}

}  // namespace baton::harness
