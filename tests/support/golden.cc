#include "tests/support/golden.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string_view>

#include "tests/support/source_dir.h"

namespace baton::testing {

std::string golden_problem(const std::string& path, const std::string& text) {
  const std::string full = source_dir() + "/" + path;
  const char* update = std::getenv("BATON_UPDATE_GOLDEN");
  if (update != nullptr && std::string_view(update) == "1") {
    std::ofstream(full, std::ios::binary) << text;
    return {};
  }
  std::ifstream stream(full, std::ios::binary);
  std::ostringstream content;
  content << stream.rdbuf();
  const std::string found = content.str();
  if (stream && found == text) return {};
  const auto difference = std::mismatch(found.begin(), found.end(), text.begin(), text.end());
  const auto line = std::count(found.begin(), difference.first, '\n') + 1;
  return path + " differs from line " + std::to_string(line) +
         "; when the new text is right, write it with BATON_UPDATE_GOLDEN=1";
}

}  // namespace baton::testing
