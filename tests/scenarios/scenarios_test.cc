// Every scenario of the library is run: its expectations are met, it is the same twice, and it is
// cheap.

#include <algorithm>
#include <filesystem>

#include "harness/report/text_report.h"
#include "harness/run/host_builder.h"
#include "harness/run/run.h"
#include "harness/scenario/invariant_rows.h"
#include "tests/support/source_dir.h"

using namespace baton;
using namespace baton::harness;

namespace {

std::vector<std::string> library() {
  std::vector<std::string> files;
  const std::string folder = testing::source_dir() + "/scenarios";
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.path().extension() == ".yaml") files.push_back(entry.path().string());
  }
  std::ranges::sort(files);
  return files;
}

}  // namespace

TEST_CASE("every scenario of the library meets its expectations") {
  for (const std::string& file : library()) {
    DYNAMIC_SECTION(std::filesystem::path(file).stem().string()) {
      const Loaded loaded = check_scenario(file);
      INFO(loaded.errors());
      REQUIRE(loaded.good());
      const RunResult result = run_scenario(loaded, {});
      INFO(format_story(result, Detail::kFigures) << format_failures(result));
      CHECK(result.passed());
      CHECK(run_scenario(loaded, {}).fingerprint == result.fingerprint);
    }
  }
}

TEST_CASE("every scenario begins with a lesson") {
  for (const std::string& file : library()) {
    const Loaded loaded = check_scenario(file);
    INFO(file);
    CHECK(loaded.text.starts_with("# "));
    CHECK(loaded.text.find("# What to look at: ") != std::string::npos);
    CHECK_FALSE(loaded.scenario.expect.empty());
  }
}

TEST_CASE("every invariant names a scenario in which it holds and a defect that exists") {
  const std::vector<std::string> files = library();
  for (const InvariantRow& row : invariant_rows()) {
    INFO(row.id);
    CHECK(std::ranges::any_of(files, [&row](const std::string& file) {
      return std::filesystem::path(file).stem().string() == row.holds;
    }));
    CHECK(linux::defect_by_id(row.defect).has_value());
  }
}
