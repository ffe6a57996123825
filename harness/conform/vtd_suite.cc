#include "harness/conform/vtd_suite.h"

#include <fmt/format.h>

#include "harness/conform/vtd_reviewed_json.h"
#include "sim/check.h"

namespace baton::harness {

namespace {

bool is_reason(const std::string& fact) { return fact == "value.FR" || fact.ends_with("].FR"); }

std::string value_in(const VtdFacts& facts, const std::string& fact, const char* absent) {
  const auto found = facts.find(fact);
  return found == facts.end() ? std::string(absent) : found->second;
}

// Compares the facts of one place.
struct Comparison {
  const VtdVector& vector;
  std::vector<VtdDifference> differences;

  void compare(const std::string& where, const VtdFacts& seen, const VtdFacts& recorded,
               const VtdFacts& alternative) {
    for (const auto& [fact, value] : seen) {
      // A step that records no interrupt had none; a record that is not there has no fields.
      VtdDifference difference{where, fact, value, value_in(recorded, fact, ""),
                               value_in(alternative, fact, "-")};
      if (!accepted(difference, alternative.contains(fact))) {
        differences.push_back(std::move(difference));
      }
    }
  }

  bool accepted(const VtdDifference& d, bool has_alternative) const {
    const bool deviates = vector.level == VtdLevel::kDeviates;
    if (has_alternative && d.seen == d.alternative) {
      return true;
    }
    if (deviates && is_reason(d.fact) && vector.expect && vector.expect->reasons.contains(d.seen)) {
      return true;
    }
    return d.seen == d.recorded && !(deviates && has_alternative);
  }
};

std::vector<VtdDifference> differences_of(const VtdVector& vector, const VtdOutcome& outcome) {
  Comparison comparison{vector, {}};
  for (std::size_t index = 0; index < vector.steps.size(); ++index) {
    const VtdStep& step = vector.steps[index];
    comparison.compare(fmt::format("step {} ({})", index, step.words), outcome.steps[index],
                       step.recorded, step.alternative);
  }
  comparison.compare("end", outcome.end, vector.recorded, vector.alternative);
  return std::move(comparison.differences);
}

// A vector that deviates without alternative results: only what spec_expect names.
std::vector<VtdDifference> against_expectation(const VtdVector& vector, const VtdOutcome& outcome) {
  std::vector<VtdDifference> differences;
  const VtdSpecExpect& expect = *vector.expect;
  const auto found = outcome.end.find("FRCD[0].F");
  const std::string recorded = found == outcome.end.end() ? "0" : found->second;
  if (expect.recorded && recorded != (*expect.recorded ? "1" : "0")) {
    differences.push_back(
        {"end", "FRCD[0].F", recorded, *expect.recorded ? "1" : "0 (specification)", "-"});
  }
  const auto reason = outcome.end.find("FRCD[0].FR");
  if (reason != outcome.end.end() && !expect.reasons.empty() &&
      !expect.reasons.contains(reason->second)) {
    differences.push_back({"end", "FRCD[0].FR", reason->second,
                           fmt::format("{} (specification)", fmt::join(expect.reasons, " or ")),
                           "-"});
  }
  bool delivered = false;
  bool asked = false;
  for (std::size_t index = 0; index < vector.steps.size(); ++index) {
    const bool message = vector.steps[index].op == VtdStep::Op::kDeviceMessage;
    asked = asked || message;
    delivered = delivered || (message && !outcome.steps[index].at("irqs").empty());
  }
  if (expect.delivered && asked && delivered != *expect.delivered) {
    differences.push_back({"steps", "delivered", delivered ? "yes" : "no",
                           *expect.delivered ? "yes (specification)" : "no (specification)", "-"});
  }
  return differences;
}

bool binds(VtdLevel level) {
  return level == VtdLevel::kMust || level == VtdLevel::kMay || level == VtdLevel::kDeviates;
}

}  // namespace

std::expected<std::vector<ReviewedVector>, std::string> read_reviewed(
    const std::string& file, const boost::json::value& document) {
  std::string error;
  std::vector<ReviewedVector> result;
  for (const JsonField& item : JsonField(document, error).at("reviewed").items()) {
    result.push_back(
        {item.at("vector").text(), item.at("section").text(), item.at("reason").text()});
  }
  if (!error.empty()) {
    return std::unexpected(fmt::format("{}: {}", file, error));
  }
  return result;
}

std::vector<ReviewedVector> reviewed_vtd_vectors() {
  constexpr const char* kFile = "harness/conform/vtd_reviewed.json";
  const auto document = parse_json(kFile, kVtdReviewedJson);
  BATON_CHECK(document.has_value(), document ? "" : document.error());
  auto list = read_reviewed(kFile, *document);
  BATON_CHECK(list.has_value(), list ? "" : list.error());
  return std::move(*list);
}

VtdResult judge_vtd_vector(const VtdVector& vector, const iommu_vtd::Profile& profile,
                           std::span<const ReviewedVector> reviewed) {
  VtdResult result{vector.name, vector.category, vector.level, VtdVerdict::kPassed, "", {}};
  const VtdOutcome outcome = replay_vtd_vector(vector, profile);
  if (!outcome.bug.empty()) {
    result.verdict = VtdVerdict::kFailed;
    result.note = outcome.bug;
    return result;
  }
  const bool only_words =
      vector.level == VtdLevel::kDeviates && !vector.has_alternative && vector.expect;
  result.differences =
      only_words ? against_expectation(vector, outcome) : differences_of(vector, outcome);
  const auto review = std::ranges::find(reviewed, vector.name, &ReviewedVector::vector);
  if (!binds(vector.level)) {
    result.verdict = VtdVerdict::kNotBinding;
  } else if (review != reviewed.end()) {
    const bool stale = result.differences.empty();
    result.verdict = stale ? VtdVerdict::kStaleReview : VtdVerdict::kReviewed;
    result.note = stale ? "is in the reviewed list, and agrees: take it out"
                        : fmt::format("[VT-d {}] {}", review->section, review->reason);
  } else if (!result.differences.empty()) {
    result.verdict = VtdVerdict::kFailed;
    // What a `may` leaves open is what is cached.
    if (vector.level == VtdLevel::kMay && vector.has_prose && !vector.has_alternative) {
      const VtdOutcome bare = replay_vtd_vector(vector, without_caches(profile));
      if (bare.bug.empty() && differences_of(vector, bare).empty()) {
        result.verdict = VtdVerdict::kPassed;
        result.note = "as recorded by a unit without caches; the alternative is words alone";
        result.differences.clear();
      }
    }
  }
  return result;
}

void VtdReport::add(VtdResult result) { results_.push_back(std::move(result)); }

bool VtdReport::failed() const {
  return std::ranges::any_of(results_, [](const VtdResult& result) {
    return result.verdict == VtdVerdict::kFailed || result.verdict == VtdVerdict::kStaleReview;
  });
}

namespace {

std::string_view words(VtdVerdict verdict) {
  switch (verdict) {
    case VtdVerdict::kPassed:
      return "passed";
    case VtdVerdict::kFailed:
      return "FAILED";
    case VtdVerdict::kNotBinding:
      return "not binding";
    case VtdVerdict::kReviewed:
      return "reviewed";
    case VtdVerdict::kStaleReview:
      return "FAILED, stale review";
  }
  return "";
}

std::string details(const VtdResult& result) {
  std::string text = fmt::format("{}: {} ({}, {})\n", words(result.verdict), result.name,
                                 result.category, name(result.level));
  if (!result.note.empty()) {
    text += fmt::format("  {}\n", result.note);
  }
  for (const VtdDifference& d : result.differences) {
    text += fmt::format("  {}: {}\n    seen         {}\n    recorded     {}\n", d.where, d.fact,
                        d.seen, d.recorded);
    if (d.alternative != "-") {
      text += fmt::format("    alternative  {}\n", d.alternative);
    }
  }
  return text;
}

}  // namespace

std::string VtdReport::text(bool verbose) const {
  std::map<std::string, std::array<std::size_t, 4>> rows;  // passed, failed, not binding, reviewed
  std::array<std::size_t, 4> sum{};
  std::string failures;
  for (const VtdResult& result : results_) {
    const bool stale = result.verdict == VtdVerdict::kStaleReview;
    const auto column = static_cast<std::size_t>(stale ? VtdVerdict::kFailed : result.verdict);
    ++rows[result.category][column];
    ++sum[column];
    const bool wrong = result.verdict == VtdVerdict::kFailed || stale;
    if (verbose && (!result.differences.empty() || !result.note.empty())) {
      failures += details(result);
    } else if (wrong) {
      failures +=
          fmt::format("{}: {} ({}, {}){}{}\n", words(result.verdict), result.name, result.category,
                      name(result.level), result.note.empty() ? "" : ": ", result.note);
    }
  }
  std::string text = fmt::format("{:<16} {:>7} {:>7} {:>12} {:>9}\n", "category", "passed",
                                 "failed", "not binding", "reviewed");
  const auto line = [&](const std::string& title, const std::array<std::size_t, 4>& row) {
    text += fmt::format("{:<16} {:>7} {:>7} {:>12} {:>9}\n", title, row[0], row[1], row[2], row[3]);
  };
  for (const auto& [category, row] : rows) {
    line(category, row);
  }
  line("sum", sum);
  return failures.empty() ? text : text + "\n" + failures;
}

}  // namespace baton::harness
