// baton sweep and baton merge from the command line: exit statuses, files, refusals.

#include "cli/exit_code.h"
#include "tests/cli/program.h"
#include "tests/support/source_dir.h"

using namespace baton;
using namespace baton::testing;

namespace {

const std::string kFile = source_dir() + "/scenarios/many-small-runs.yaml";

// One cell.
std::vector<std::string> arguments(std::vector<std::string> more) {
  std::vector<std::string> all{"sweep",  kFile,
                               "--vary", "script[0].at=1ms",
                               "--vary", "policies.interrupts=disable-in-freeze",
                               "--vary", "vms[0].workload.size=4KiB"};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

int code(std::vector<std::string> more) { return run_baton(arguments(std::move(more))).code; }

}  // namespace

TEST_CASE("sweep ends with the gravest of what its runs say") {
  const Ran held = run_baton(arguments({}));
  INFO(held.human);
  CHECK(held.code == cli::kHeld);
  CHECK(held.human.find("2 runs: 2 ok, 0 failed") != std::string::npos);
  CHECK(code({"--vary", "defects=[],[pci-clear-bus-master]"}) == cli::kFailed);
}

TEST_CASE("sweep refuses what it cannot read and says what is expected") {
  CHECK(code({"--seeds", "5..1"}) == cli::kUsage);
  CHECK(code({"--seeds", "x"}) == cli::kUsage);
  CHECK(code({"--shard", "0/2"}) == cli::kUsage);
  CHECK(code({"--shard", "3/2"}) == cli::kUsage);
  CHECK(code({"--shard", "1"}) == cli::kUsage);
  CHECK(code({"--report", "junit=x"}) == cli::kUsage);
  CHECK(code({"--report", "csv=same", "--report", "json=same"}) == cli::kUsage);
  CHECK(code({"--vary", "nothing=1"}) == cli::kUsage);
  CHECK(code({"--report", "csv=/no/such/folder/x.csv"}) == cli::kNotWritten);
}

TEST_CASE("shards and merge give the files of the whole sweep") {
  const TemporaryFolder folder("sweep");
  CHECK(code({"--seeds", "1..2", "--report", "json=" + folder.file("all.json"), "--report",
              "csv=" + folder.file("all.csv")}) == cli::kHeld);
  CHECK(code({"--seeds", "1..2", "--shard", "1/2", "--report", "json=" + folder.file("1.json")}) ==
        cli::kHeld);
  CHECK(code({"--seeds", "1..2", "--shard", "2/2", "--report", "json=" + folder.file("2.json")}) ==
        cli::kHeld);
  const Ran merged = run_baton({"merge", folder.file("1.json"), folder.file("2.json"), "--report",
                                "json=" + folder.file("merged.json"), "--report", "csv=-"});
  INFO(merged.human);
  CHECK(merged.code == cli::kHeld);
  CHECK(file_content(folder.file("merged.json")) == file_content(folder.file("all.json")));
  CHECK(merged.data == file_content(folder.file("all.csv")));
  CHECK(run_baton({"merge", folder.file("1.json")}).code == cli::kUsage);
  CHECK(run_baton({"merge", folder.file("none.json")}).code == cli::kUsage);
}
