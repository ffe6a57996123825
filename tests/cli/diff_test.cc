// baton diff from the command line.

#include "cli/exit_code.h"
#include "tests/cli/program.h"
#include "tests/support/source_dir.h"

using namespace baton;
using namespace baton::testing;

namespace {

const std::string kFile = source_dir() + "/scenarios/many-small-runs.yaml";
const std::string kDefect = "defects=[pci-clear-bus-master]";

}  // namespace

TEST_CASE("diff ends with 0 for the same run and with 1 for another") {
  const Ran same = run_baton({"diff", kFile, kFile});
  CHECK(same.code == cli::kHeld);
  CHECK(same.data.find("the same: ") != std::string::npos);
  const Ran other = run_baton({"diff", kFile, "--set", kDefect});
  CHECK(other.code == cli::kFailed);
  CHECK(other.data.find("first difference at event") != std::string::npos);
  const Ran json = run_baton({"diff", kFile, "--set", kDefect, "--format", "json"});
  CHECK(json.data.find("\"same\": false") != std::string::npos);
}

TEST_CASE("diff refuses what cannot be two runs") {
  CHECK(run_baton({"diff", kFile}).code == cli::kUsage);
  CHECK(run_baton({"diff", kFile, "--set", "nothing=1"}).code == cli::kUsage);
  CHECK(run_baton({"diff", kFile, "bt1-nonsense"}).code == cli::kUsage);
  CHECK(run_baton({"diff", kFile, kFile, kFile}).code == cli::kUsage);
}
