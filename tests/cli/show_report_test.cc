// baton show: --report names format and file in one.
#include "tests/cli/program.h"
#include "tests/support/source_dir.h"
#include "tests/support/tool.h"

using namespace baton;
using testing::run_baton;

TEST_CASE("show writes a view in the format and to the file of --report") {
  const std::string scenario = testing::source_dir() + "/scenarios/quickstart.yaml";
  const testing::TemporaryFile file("");
  const auto ran =
      run_baton({"show", "handoff", scenario, "--at", "boot", "--report", "json=" + file.path()});
  CHECK(ran.code == 0);
  CHECK(ran.data.empty());
  std::ifstream stream(file.path());
  const std::string text{std::istreambuf_iterator<char>(stream), {}};
  CHECK(text.find("\"haw\":\"0x34\"") != std::string::npos);
  CHECK(text.find("\"iommu_units\":[{\"base\":\"0xfed90000\"") != std::string::npos);

  CHECK(run_baton({"show", "handoff", scenario, "--report", "json"}).code == 2);
  CHECK(run_baton({"show", "handoff", scenario, "--report", "json="}).code == 2);
  CHECK(run_baton({"show", "handoff", scenario, "--report", "dot=x"}).code == 2);
  const auto twice = run_baton(
      {"show", "handoff", scenario, "--report", "json=" + file.path(), "--format", "json"});
  CHECK(twice.code == 2);
  CHECK(twice.human.find("give one or the other") != std::string::npos);
}
