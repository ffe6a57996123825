// The commands in the tutorial do what it says: every `console` block is played by a shell in one
// folder that has `baton` and `scenarios/`, block after block.
//
// A line that begins with "$ " is a command; the lines below it must appear in its output (standard
// output and errors together) in this order. "..." stands for any lines.
#include <filesystem>
#include <fstream>

#include <stdlib.h>
#include <unistd.h>

#include "tests/support/source_dir.h"
#include "tests/support/tool.h"

using namespace baton;

namespace {

struct Step {
  int line = 0;  // of the command, in the document
  std::string command;
  std::vector<std::string> expected;
};

std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == ' ' || text.back() == '\r')) text.pop_back();
  return text;
}

std::vector<Step> read_steps(const std::string& path) {
  std::vector<Step> steps;
  std::ifstream stream(path);
  bool inside = false;
  int number = 0;
  for (std::string line; std::getline(stream, line);) {
    ++number;
    line = trimmed(line);
    if (line.starts_with("```")) {
      inside = !inside && line == "```console";
    } else if (inside && line.starts_with("$ ")) {
      steps.push_back({number, line.substr(2), {}});
    } else if (inside && line != "..." && !line.empty() && !steps.empty()) {
      steps.back().expected.push_back(line);
    }
  }
  return steps;
}

// The first line that is not there, or nothing.
std::string first_missing(const std::vector<std::string>& expected, const std::string& output) {
  std::istringstream stream(output);
  std::size_t found = 0;
  for (std::string line; found < expected.size() && std::getline(stream, line);) {
    if (trimmed(line) == expected[found]) ++found;
  }
  return found == expected.size() ? std::string() : expected[found];
}

class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "baton-docs-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
    std::filesystem::create_symlink(testing::program(), path_ / "baton");
    for (const char* link : {"scenarios", "docs"}) {
      std::filesystem::create_directory_symlink(std::filesystem::path(testing::source_dir()) / link,
                                                path_ / link);
    }
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

}  // namespace

TEST_CASE("every command of the tutorial prints what the tutorial shows") {
  const Folder folder;
  const std::vector<Step> steps = read_steps(testing::source_dir() + "/docs/tutorial.md");
  REQUIRE(steps.size() > 10);
  for (const Step& step : steps) {
    INFO("docs/tutorial.md:" << step.line << ": " << step.command);
    const auto ran =
        testing::run_tool("sh", {"-c", "cd '" + folder.path() + "' && exec 2>&1; " + step.command});
    REQUIRE(ran.has_value());
    const std::string missing = first_missing(step.expected, ran->out);
    if (!missing.empty()) {
      INFO("the output has no line (in this order): " << missing);
      INFO(ran->out);
      CHECK(false);
    }
  }
}
