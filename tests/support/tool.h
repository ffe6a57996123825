// Programs that judge baton's output from outside: run with a file, their output and errors kept.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace baton::testing {

struct ToolRun {
  int status = -1;  // exit status; -1 when it was killed
  std::string out;
  std::string errors;
};

// A file with this content, removed with the object.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& content, const std::string& suffix = "");
  ~TemporaryFile();
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::string read_whole_file(const std::string& path);

// Runs `program` (looked for in PATH) with these arguments. Nothing, with a line on stderr that
// says what is skipped, when it is not installed.
std::optional<ToolRun> run_tool(const std::string& program,
                                const std::vector<std::string>& arguments);

}  // namespace baton::testing
