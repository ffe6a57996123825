// Judges conformance vectors of a remapping unit: what passes, what fails, what does not bind.
//
// must: as recorded. may: each fact as recorded or as its alternative; where the alternative is
// words alone, a unit without caches may stand in for them, because what it leaves open is what is
// cached. deviates: as the alternative, where one exists, else as spec_expect says; another fault
// reason that spec_expect names is accepted. impl and unspecified: no judgement. A failed
// assumption inside the model fails every vector.
#pragma once

#include <expected>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "harness/conform/vtd_replay.h"

namespace baton::harness {

// A vector that the model contradicts with a reason.
struct ReviewedVector {
  std::string vector;
  std::string section;
  std::string reason;
};
// The list of the program, harness/conform/vtd_reviewed.json.
std::vector<ReviewedVector> reviewed_vtd_vectors();
std::expected<std::vector<ReviewedVector>, std::string> read_reviewed(
    const std::string& file, const boost::json::value& document);

enum class VtdVerdict : std::uint8_t { kPassed, kFailed, kNotBinding, kReviewed, kStaleReview };

struct VtdDifference {
  std::string where;  // "step 12 (reg_read FSTS)", "end"
  std::string fact;
  std::string seen;
  std::string recorded;
  std::string alternative;  // "-": none
};

struct VtdResult {
  std::string name;
  std::string category;
  VtdLevel level = VtdLevel::kMust;
  VtdVerdict verdict = VtdVerdict::kPassed;
  std::string note;  // why, where it is not plain
  std::vector<VtdDifference> differences;
};

VtdResult judge_vtd_vector(const VtdVector& vector, const iommu_vtd::Profile& profile,
                           std::span<const ReviewedVector> reviewed);

class VtdReport {
 public:
  void add(VtdResult result);
  const std::vector<VtdResult>& results() const { return results_; }
  bool failed() const;
  // A line for each category and a sum; with `verbose`, every field that differs.
  std::string text(bool verbose) const;

 private:
  std::vector<VtdResult> results_;
};

}  // namespace baton::harness
