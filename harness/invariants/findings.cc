#include "harness/invariants/findings.h"

#include <utility>

namespace baton::harness {

void Findings::report(Violation violation) {
  ++counts_[violation.id];
  if (!wants_detail(violation.id)) return;
  ++kept_of_[violation.id];
  kept_.push_back(std::move(violation));
}

bool Findings::wants_detail(std::string_view id) const {
  const auto found = kept_of_.find(id);
  return found == kept_of_.end() || found->second < kKept;
}

std::uint64_t Findings::count(std::string_view id) const {
  const auto found = counts_.find(id);
  return found == counts_.end() ? 0 : found->second;
}

}  // namespace baton::harness
