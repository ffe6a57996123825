#include "harness/scenario/scenario.h"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "harness/scenario/bind.h"
#include "harness/scenario/override.h"
#include "harness/scenario/schema.h"
#include "harness/scenario/source_text.h"

namespace baton::harness {
namespace {

constexpr std::size_t kLargestScenario = 1024 * 1024;

}  // namespace

Loaded parse_scenario(std::string file, std::string text, const std::string& folder,
                      std::vector<std::string> overrides) {
  Loaded loaded;
  loaded.file = std::move(file);
  loaded.text = std::move(text);
  // A byte order mark is no part of the text.
  if (loaded.text.starts_with("\xEF\xBB\xBF")) loaded.text.erase(0, 3);
  if (loaded.text.size() > kLargestScenario) {
    loaded.diagnostics.add(Problem::kFile, {0, 0, 0}, "larger than any scenario", "",
                           fmt::format("at most {} bytes", kLargestScenario));
    loaded.text.clear();
    return loaded;
  }
  if (const auto bad = first_bad_byte(loaded.text)) {
    loaded.diagnostics.add(Problem::kSyntax, *bad, "not YAML: not a text file",
                           "no UTF-8 character, or a control character");
  } else {
    loaded.root = read_yaml(loaded.text, loaded.diagnostics);
  }
  loaded.overrides = std::move(overrides);
  if (!loaded.diagnostics.structural()) {
    apply_overrides(loaded.root, loaded.overrides, loaded.diagnostics);
  }
  if (!loaded.diagnostics.structural()) {
    check_against_schema(loaded.root, loaded.text, loaded.diagnostics);
  }
  if (!loaded.diagnostics.structural()) {
    bind_scenario(loaded, folder);
  }
  loaded.scenario.file = loaded.file;
  loaded.scenario.text = loaded.text;
  return loaded;
}

Loaded load_scenario(const std::string& file, std::vector<std::string> overrides) {
  std::error_code error;
  std::ifstream stream(file, std::ios::binary);
  std::ostringstream content;
  if (std::filesystem::is_regular_file(file, error) && stream) content << stream.rdbuf();
  if (!stream || error || !std::filesystem::is_regular_file(file, error)) {
    Loaded loaded;
    loaded.file = file;
    loaded.diagnostics.add(Problem::kFile, {0, 0, 0}, fmt::format("cannot read \"{}\"", file));
    return loaded;
  }
  return parse_scenario(file, content.str(), std::filesystem::path(file).parent_path().string(),
                        std::move(overrides));
}

}  // namespace baton::harness
