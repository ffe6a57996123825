// The stages of the roadmap: the table of README.md is what the runs of scenarios/roadmap give, and
// each defect of a stage is caught by the invariant that it is meant for, and by nothing without
// it.

#include <fstream>
#include <sstream>

#include "harness/report/stages_report.h"
#include "harness/report/text_report.h"
#include "harness/run/host_builder.h"
#include "harness/run/run.h"
#include "tests/scenarios/stage_defects.h"

using namespace baton;
using namespace baton::harness;

namespace {

std::string content_of(const std::string& file) {
  std::ifstream stream(file);
  std::ostringstream content;
  content << stream.rdbuf();
  return content.str();
}

RunResult run_stage(std::string_view name) {
  const Loaded loaded =
      check_scenario(fmt::format("{}/scenarios/roadmap/{}.yaml", testing::source_dir(), name));
  INFO(loaded.errors());
  REQUIRE(loaded.good());
  return run_scenario(loaded, {});
}

RunResult run_file(std::string_view name, const std::vector<std::string>& set = {}) {
  const Loaded loaded =
      check_scenario(fmt::format("{}/scenarios/{}.yaml", testing::source_dir(), name), set);
  INFO(loaded.errors());
  REQUIRE(loaded.good());
  return run_scenario(loaded, {});
}

std::uint64_t checks(const RunResult& result, std::string_view id) {
  const auto found = std::ranges::find(result.verdicts, id, &InvariantVerdict::id);
  return found == result.verdicts.end() ? 0 : found->checks;
}

std::uint64_t violations(const RunResult& result, std::string_view id) {
  const auto found = std::ranges::find(result.verdicts, id, &InvariantVerdict::id);
  return found == result.verdicts.end() ? 0 : found->violations;
}

}  // namespace

TEST_CASE("the table of the stages in README.md is what the roadmap's runs give") {
  std::vector<RunResult> results;
  for (const char* name : {"v7.2", "vfio-v5", "next", "vision"}) results.push_back(run_stage(name));
  const std::string table = format_stages(results);
  const std::string readme = content_of(testing::source_dir() + "/README.md");
  INFO(table);
  CHECK(readme.find("<!-- stages -->\n" + table + "<!-- end -->\n") != std::string::npos);
}

TEST_CASE("each stage keeps what its series keeps, and no more") {
  const RunResult mainline = run_stage("v7.2");
  CHECK(mainline.stage.jumped);
  CHECK_FALSE(mainline.stage.device_handed_over);
  CHECK(mainline.stage.device_taken_over);
  CHECK(mainline.stage.sessions_finished);
  CHECK(mainline.stage.works_at_end);
  const RunResult next = run_stage("next");
  CHECK(next.stage.device_handed_over);
  CHECK(next.stage.device_retrieved);
  CHECK_FALSE(next.stage.device_taken_over);
  CHECK_FALSE(next.stage.sessions_finished);
  CHECK_FALSE(next.stage.works_at_end);
  CHECK(next.stage.stopped_by.find("vfio_pci_liveupdate_freeze") != std::string::npos);
  const RunResult alone = run_stage("vfio-v5");
  CHECK(alone.stage.device_taken_over);
  CHECK(alone.stage.resets >= 2);  // in the freeze, at the open
  CHECK(alone.stage.sessions_finished);
  const RunResult vision = run_stage("vision");
  CHECK(vision.stage.stopped_by.empty());
  CHECK(vision.stage.resets == 0);
  CHECK(vision.stage.refusals.empty());
  CHECK(vision.stage.sessions_finished);
}

TEST_CASE("what a stage does not promise is told apart from what it breaks") {
  const RunResult next = run_stage("next");
  CHECK(violations(next, "no-reset") != 0);
  CHECK(format_story(next, Detail::kFigures).find("not kept  no-reset") != std::string::npos);
  CHECK(next.passed());
  const RunResult vision = run_stage("vision");
  CHECK(format_story(vision, Detail::kFigures).find("not kept") == std::string::npos);
}

// The process of the scenario looks for itself, and the invariants watch its device.
TEST_CASE("a process finds its own copy at work after the jump, and sees where it was broken") {
  const std::string file = "selftests/process-dma-through-the-gap";
  const RunResult whole = run_file(file);
  CHECK(whole.passed());
  for (const char* id : {"dma-continuity", "dma-integrity", "isolation"}) {
    CHECK(checks(whole, id) > 10'000);
  }
  struct Break {
    std::string_view defect;
    std::string_view invariant;
    std::string_view seen;  // by the process
  };
  constexpr Break kBreaks[] = {
      {"pci-clear-bus-master", "dma-continuity", "{compare: copies, offset: 128KiB"},
      {"iommu-translation-off", "dma-integrity", "{compare: copies, offset: 128KiB"},
      {"memfd-skip-folio", "memory-not-reused", "LIVEUPDATE_SESSION_RETRIEVE_FD"},
  };
  for (const Break& each : kBreaks) {
    INFO(each.defect);
    const RunResult broken = run_file(file, {fmt::format("defects=[{}]", each.defect)});
    CHECK_FALSE(broken.passed());
    CHECK(violations(broken, each.invariant) != 0);
    CHECK(violations(broken, "process-calls") != 0);
    CHECK(format_failures(broken).find(each.seen) != std::string::npos);
  }
}

TEST_CASE("a session whose holders are gone before the jump is undone, and the report says so") {
  const auto story = [](const char* file) {
    const RunResult result = run_file(file);
    CHECK(result.passed());
    return format_story(result, Detail::kFigures);
  };
  const std::string killed = story("vfio/holder-killed-by-init");
  CHECK(killed.find("  session vm is closed before a jump: 3 preserved files undone\n") !=
        std::string::npos);
  CHECK(story("vfio/holder-outlives-init").find("  session vm is closed") == std::string::npos);
  const std::string either = story("luo/either-side-killed");
  CHECK(either.find("  session vm-c is closed before a jump: 1 preserved file undone\n") !=
        std::string::npos);
  CHECK(either.find("session vm-a is closed") == std::string::npos);
}

TEST_CASE("each defect of a stage is caught where its scenario shows it") {
  for (const testing::StageDefect& row : testing::kStageDefects) {
    INFO(row.defect << " in " << row.scenario);
    const Loaded with = testing::load_stage(row);
    INFO(with.errors());
    REQUIRE(with.good());
    CHECK(violations(run_scenario(with, {}), row.invariant) != 0);
    const Loaded without = check_scenario(
        fmt::format("{}/scenarios/{}.yaml", testing::source_dir(), row.scenario), {});
    CHECK(violations(run_scenario(without, {}), row.invariant) == 0);
  }
}
