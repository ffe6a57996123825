#include <algorithm>
#include <filesystem>

#include "cli/commands.h"

namespace baton::cli {

std::vector<std::string> select_scenarios(const std::vector<std::string>& given) {
  std::vector<std::string> result;
  for (const std::string& name : given) {
    std::error_code error;
    if (!std::filesystem::is_directory(name, error)) {
      result.push_back(name);
      continue;
    }
    std::vector<std::string> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(name, error)) {
      if (entry.path().extension() == ".yaml") files.push_back(entry.path().string());
    }
    std::ranges::sort(files);
    result.insert(result.end(), files.begin(), files.end());
  }
  return result;
}

}  // namespace baton::cli
