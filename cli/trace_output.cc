#include "cli/trace_output.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

namespace baton::cli {

std::optional<std::vector<std::string>> trace_files(const std::string& target,
                                                    const std::vector<std::string>& scenarios,
                                                    std::ostream& human) {
  namespace fs = std::filesystem;
  const bool folder = target.ends_with('/') || fs::is_directory(target);
  if (scenarios.size() == 1 && !folder) return std::vector<std::string>{target};
  if (!folder) {
    human << fmt::format(
        "--trace {}: {} scenarios need a folder, for example --trace {}/; each gets a file of its "
        "own there\n",
        target, scenarios.size(), target);
    return std::nullopt;
  }
  std::error_code error;
  fs::create_directories(target, error);
  std::vector<std::string> files;
  for (const std::string& scenario : scenarios) {
    const std::string stem = fs::path(scenario).stem().string();
    std::string file = (fs::path(target) / (stem + ".pftrace")).string();
    for (int n = 2; std::ranges::find(files, file) != files.end(); ++n) {
      file = (fs::path(target) / fmt::format("{}-{}.pftrace", stem, n)).string();
    }
    files.push_back(std::move(file));
  }
  return files;
}

bool tell_trace(const std::string& file, bool written, std::ostream& human) {
  human << (written ? fmt::format("wrote {}, to be opened at ui.perfetto.dev\n", file)
                    : fmt::format("cannot write \"{}\"\n", file));
  return written;
}

}  // namespace baton::cli
