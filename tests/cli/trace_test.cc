// run --trace: where the files go, and what is refused.
#include <filesystem>
#include <fstream>
#include <sstream>

#include <unistd.h>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/trace_output.h"
#include "tests/support/source_dir.h"

using namespace baton::cli;

namespace {

const std::string kScenario = baton::testing::source_dir() + "/scenarios/forgotten-page-table.yaml";

class Folder {
 public:
  Folder()
      : path_(std::filesystem::temp_directory_path() /
              ("baton-trace-output-test-" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(path_);
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

}  // namespace

TEST_CASE("a trace of one scenario is the file that is named") {
  const Folder folder;
  Options options;
  options.command = Command::kRun;
  options.scenarios = {kScenario};
  options.trace = folder.file("t.pftrace");
  std::ostringstream data;
  std::ostringstream human;
  CHECK(run_program(options, {data, human}, [] { return false; }) == kHeld);
  CHECK(human.str().find("wrote " + options.trace) != std::string::npos);
  CHECK(std::filesystem::file_size(options.trace) > 10'000);
}

TEST_CASE("traces of several scenarios need a folder, and get a file each, of different names") {
  const Folder folder;
  std::ostringstream human;
  const std::vector<std::string> two{"a/one.yaml", "b/one.yaml"};
  CHECK_FALSE(trace_files(folder.file("t.pftrace"), two, human).has_value());
  CHECK(human.str().find("2 scenarios need a folder") != std::string::npos);
  const auto files = trace_files(folder.file("traces/"), two, human);
  REQUIRE(files.has_value());
  CHECK(files->at(0) == folder.file("traces/one.pftrace"));
  CHECK(files->at(1) == folder.file("traces/one-2.pftrace"));
  CHECK(std::filesystem::is_directory(folder.file("traces")));
}

TEST_CASE("several scenarios with one trace file are a usage error, and nothing is run") {
  Options options;
  options.command = Command::kRun;
  options.scenarios = {kScenario, kScenario};
  options.trace = "t.pftrace";
  std::ostringstream data;
  std::ostringstream human;
  CHECK(run_program(options, {data, human}, [] { return false; }) == kUsage);
  CHECK(human.str().find("passed") == std::string::npos);
}

TEST_CASE("a trace that cannot be written is exit status 6") {
  const Folder folder;
  Options options;
  options.command = Command::kRun;
  options.scenarios = {kScenario};
  options.trace = folder.file("missing/t.pftrace");
  std::ostringstream data;
  std::ostringstream human;
  CHECK(run_program(options, {data, human}, [] { return false; }) == kNotWritten);
  CHECK(human.str().find("cannot write") != std::string::npos);
}

TEST_CASE("a trace that the disk has no room for is exit status 6") {
  Options options;
  options.command = Command::kRun;
  options.scenarios = {kScenario};
  options.trace = "/dev/full";
  std::ostringstream data;
  std::ostringstream human;
  CHECK(run_program(options, {data, human}, [] { return false; }) == kNotWritten);
  CHECK(human.str().find("cannot write \"/dev/full\"") != std::string::npos);
}
