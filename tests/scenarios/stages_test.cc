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
