// Sequences measured on an independent VT-d, and the judge that holds the remapping unit against
// them [tests/conformance/data/README.md].
#include "harness/conform/vtd_suite.h"
#include "tests/support/source_dir.h"

namespace {

using namespace baton;
using harness::VtdVerdict;

harness::VtdVectors measured() {
  auto vectors = harness::load_vtd_vectors(testing::source_dir() +
                                           "/tests/conformance/data/vtd_vectors.json.gz");
  INFO((vectors ? std::string() : vectors.error()));
  REQUIRE(vectors.has_value());
  return std::move(*vectors);
}

const harness::VtdVector& named(const harness::VtdVectors& all, std::string_view name) {
  const auto found = std::ranges::find(all.vectors, name, &harness::VtdVector::name);
  REQUIRE(found != all.vectors.end());
  return *found;
}

harness::VtdResult judge(const harness::VtdVectors& all, const harness::VtdVector& vector,
                         std::span<const harness::ReviewedVector> reviewed = {}) {
  return harness::judge_vtd_vector(vector, all.configs.at(vector.config), reviewed);
}

// What is wrong with a document that is `text`.
std::string problem(std::string_view text) {
  const auto document = harness::parse_json("v.json", text);
  if (!document) return document.error();
  const auto vectors = harness::read_vtd_vectors("v.json", *document);
  return vectors ? "" : vectors.error();
}

constexpr std::string_view kConfigs =
    R"("format":"baton-vtd-vectors-1","configs":{"aw48":{"VER":"0x10",)"
    R"("CAP":"0xd2008c222f0606","ECAP":"0xf42"}})";
constexpr std::string_view kFinal =
    R"("final":{"GSTS":"0x0","FSTS":"0x0","FECTL":"0x80000000","IQH":"0x0","ICS":"0x0",)"
    R"("FRCD":[{"F":0}]})";

std::string document(std::string_view steps, std::string_view conformance = R"({"level":"must"})") {
  return fmt::format(
      R"({{{},"vectors":[{{"name":"n","category":"c","config":"aw48","conformance":{},)"
      R"("memory":[],"steps":[{}],{}}}]}})",
      kConfigs, conformance, steps, kFinal);
}

harness::VtdResult judge_text(const std::string& text) {
  const auto json = harness::parse_json("v.json", text);
  REQUIRE(json.has_value());
  const auto all = harness::read_vtd_vectors("v.json", *json);
  INFO((all ? std::string() : all.error()));
  REQUIRE(all.has_value());
  return judge(*all, all->vectors.at(0));
}

}  // namespace

TEST_CASE("the remapping unit agrees with measured VT-d sequences as far as they bind") {
  const harness::VtdVectors all = measured();
  const std::vector<harness::ReviewedVector> reviewed = harness::reviewed_vtd_vectors();
  harness::VtdReport report;
  for (const harness::VtdVector& vector : all.vectors) {
    report.add(judge(all, vector, reviewed));
  }
  INFO(report.text(true));
  CHECK_FALSE(report.failed());
  const auto count = [&](VtdVerdict verdict) {
    return std::ranges::count(report.results(), verdict, &harness::VtdResult::verdict);
  };
  CHECK(count(VtdVerdict::kPassed) == 239);
  CHECK(count(VtdVerdict::kNotBinding) == 15);
  // Every entry of the list is used.
  CHECK(count(VtdVerdict::kReviewed) == static_cast<std::ptrdiff_t>(reviewed.size()));
}

TEST_CASE("a reviewed vector that agrees is stale") {
  const harness::VtdVectors all = measured();
  const harness::ReviewedVector entry{"translate_write", "3.7", "none"};
  harness::VtdVector vector = all.vectors.front();
  vector.name = entry.vector;
  const auto result = judge(all, vector, std::span(&entry, 1));
  CHECK(result.verdict == VtdVerdict::kStaleReview);
  harness::VtdReport report;
  report.add(result);
  CHECK(report.failed());
  CHECK(report.text(false).find("take it out") != std::string::npos);
}

TEST_CASE("what a may leaves open in words is judged against a unit without caches") {
  const harness::VtdVectors all = measured();
  const auto result = judge(all, named(all, "qi_am_covers_8"));
  CHECK(result.verdict == VtdVerdict::kPassed);
  CHECK(result.note.find("without caches") != std::string::npos);
}

TEST_CASE("a wrong value fails and is shown field by field") {
  const auto result = judge_text(
      document(R"({"op":"reg_read","reg":"GSTS","off":"0x1c","size":4,"expect":"0x1"})"));
  CHECK(result.verdict == VtdVerdict::kFailed);
  REQUIRE(result.differences.size() == 1);
  CHECK(result.differences[0].where == "step 0 (reg_read GSTS)");
  CHECK(result.differences[0].seen == "0x0");
  CHECK(result.differences[0].recorded == "0x1");
}

TEST_CASE("a deviating record is judged by its alternative, and another accepted reason passes") {
  const harness::VtdVectors all = measured();
  harness::VtdVector vector = named(all, "msi_np");
  CHECK(judge(all, vector).verdict == VtdVerdict::kPassed);
  vector.alternative["FRCD[0].FR"] = "0x7f";
  vector.steps[17].alternative["value.FR"] = "0x7f";
  CHECK(judge(all, vector).verdict == VtdVerdict::kPassed);  // 0x22 stays accepted
  vector.expect.reset();
  CHECK(judge(all, vector).verdict == VtdVerdict::kFailed);
  // Without alternative results, what the specification expects is all there is.
  harness::VtdVector words = named(all, "msi_np");
  words.has_alternative = false;
  CHECK(judge(all, words).verdict == VtdVerdict::kPassed);
  words.expect->reasons = {"0x7f"};
  CHECK(judge(all, words).verdict == VtdVerdict::kFailed);
}

TEST_CASE("every sequence runs on every configuration without a failed assumption") {
  const harness::VtdVectors all = measured();
  for (const auto& [name, profile] : all.configs) {
    for (const harness::VtdVector& vector : all.vectors) {
      const harness::VtdOutcome outcome = harness::replay_vtd_vector(vector, profile);
      INFO(name << " " << vector.name << ": " << outcome.bug);
      CHECK(outcome.bug.empty());
    }
  }
}

TEST_CASE("a malformed vector file is refused with the place of what is wrong") {
  CHECK(problem("{") == "v.json:1:2: no JSON: incomplete JSON");
  CHECK(problem("[1,\n 2,\n x]").starts_with("v.json:3:2: no JSON"));
  CHECK(problem("[]") == "v.json: document: must be an object");
  CHECK(problem(R"({"format":"x"})") == R"(v.json: format: "x" is not baton-vtd-vectors-1)");
  CHECK(problem(document(R"({"op":"fly"})")) ==
        R"(v.json: vectors[0].steps[0].op: no operation "fly")");
  CHECK(problem(document(R"({"op":"reg_read","off":"0x3","size":4,"expect":"0x0"})")) ==
        "v.json: vectors[0].steps[0].off: must be aligned to the size, and inside the registers");
  CHECK(problem(document(R"({"op":"mem_read","gpa":"0x0","length":"0xffffffff","expect":""})")) ==
        "v.json: vectors[0].steps[0].length: 0xffffffff is larger than 0x100000");
  CHECK(problem(document(R"({"op":"mem_read","gpa":0,"length":1,"expect":"0g"})")) ==
        "v.json: vectors[0].steps[0].expect: must be pairs of hexadecimal digits");
  CHECK(problem(document(R"({"op":"device","kind":"read","requester":"00:40.0","iova":0,)"
                         R"("length":1,"status":"ok"})")) ==
        "v.json: vectors[0].steps[0].requester: must be an address like 03:01.0");
  CHECK(problem(document("", R"({"level":"perhaps"})")) ==
        R"(v.json: vectors[0].conformance.level: no level "perhaps")");
  CHECK(problem(document("", R"({"level":"may","alt_results":{"steps":{"7":{}}}})")) ==
        "v.json: vectors[0].conformance.alt_results.steps.7: there is no such step");
  CHECK(problem(R"({"format":"baton-vtd-vectors-1","configs":{"x":{"VER":0,"CAP":0,"ECAP":0}},)"
                R"("vectors":[]})") == "v.json: configs.x.CAP: puts registers over each other");
  CHECK(harness::load_vtd_vectors("/nowhere.json").error() == "/nowhere.json: cannot be opened");
}

TEST_CASE("a broken reviewed list is refused with the place of what is wrong") {
  const auto json = harness::parse_json("r.json", R"({"reviewed":[{"vector":"a"}]})");
  REQUIRE(json.has_value());
  CHECK(harness::read_reviewed("r.json", *json).error() == "r.json: reviewed[0].section: missing");
}
