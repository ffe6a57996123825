// docs/luo-scenarios.md against the tree.

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include "model/linux/base/config.h"
#include "tests/support/source_dir.h"

using namespace baton;

namespace {

std::string read(const std::filesystem::path& path) {
  std::ifstream stream(path);
  std::ostringstream content;
  content << stream.rdbuf();
  return content.str();
}

std::set<std::string> all_matches(const std::string& text, const char* pattern) {
  std::set<std::string> found;
  const std::regex expression(pattern);
  for (std::sregex_iterator at(text.begin(), text.end(), expression), end; at != end; ++at) {
    found.insert((*at)[1].str());
  }
  return found;
}

}  // namespace

TEST_CASE(
    "every group, scenario, test and defect of docs/luo-scenarios.md exists, and none lacks") {
  const std::filesystem::path root = testing::source_dir();
  const std::string page = read(root / "docs/luo-scenarios.md");
  for (unsigned group = 1; group <= 20; ++group) {
    CHECK(page.find(fmt::format("\n| S{} |", group)) != std::string::npos);
  }
  std::set<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(root / "scenarios/luo")) {
    files.insert(entry.path().stem().string());
  }
  CHECK(all_matches(page, "`luo/([a-z0-9-]+)`") == files);
  std::string tests;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root / "tests")) {
    if (entry.path().extension() == ".cc") tests += read(entry.path());
  }
  for (const std::string& name : all_matches(page, "\"([^\"]+)\"")) {
    INFO(name);
    CHECK(tests.find(fmt::format("\"{}\"", name)) != std::string::npos);
  }
  for (const std::string& id : all_matches(page, "`((?:luo|kexec)-[a-z-]+)`")) {
    INFO(id);
    CHECK(linux::defect_by_id(id).has_value());
  }
}
