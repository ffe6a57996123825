#include "cli/library.h"

#include <algorithm>
#include <sstream>
#include <system_error>

#include "cli/commands.h"

namespace baton::cli {

namespace fs = std::filesystem;

std::optional<fs::path> find_library(const std::string& given) {
  std::error_code error;
  if (!given.empty()) {
    if (fs::is_directory(given, error)) return fs::path(given);
    return std::nullopt;
  }
  if (fs::is_directory("scenarios", error)) return fs::path("scenarios");
  // build/release/baton and build/release/tests/test_cli are inside the checkout.
  fs::path folder = fs::read_symlink("/proc/self/exe", error).parent_path();
  for (int up = 0; !error && up < 5 && folder.has_relative_path(); ++up) {
    if (fs::is_directory(folder / "scenarios" / "hosts", error)) return folder / "scenarios";
    error.clear();
    folder = folder.parent_path();
  }
  return std::nullopt;
}

std::string head_comment(const std::string& text) {
  std::istringstream lines(text);
  std::string result;
  for (std::string line; std::getline(lines, line) && line.starts_with('#');) {
    if (line.starts_with("# yaml-language-server:")) continue;
    line.erase(0, line.starts_with("# ") ? 2 : 1);
    result += line + "\n";
  }
  return result;
}

std::vector<LibraryScenario> read_library(const std::string& given) {
  std::vector<LibraryScenario> result;
  const auto folder = find_library(given);
  if (!folder) return result;
  for (const std::string& file : select_scenarios({folder->string()})) {
    const fs::path name = fs::path(file).lexically_relative(*folder).replace_extension();
    result.push_back({name.generic_string(), harness::load_scenario(file)});
  }
  return result;
}

}  // namespace baton::cli
