// Runs the program in the test's process, from its arguments on.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/options.h"

namespace baton::testing {

struct Ran {
  int code = 0;
  std::string data;
  std::string human;
};

inline Ran run_baton(std::vector<std::string> arguments, bool on_a_terminal = false) {
  arguments.insert(arguments.begin(), "baton");
  std::vector<const char*> pointers;
  for (const std::string& argument : arguments) pointers.push_back(argument.c_str());
  std::ostringstream data;
  std::ostringstream human;
  Ran result;
  const cli::Parsed parsed =
      cli::parse_arguments(static_cast<int>(pointers.size()), pointers.data(), data, human);
  result.code = parsed.exit_code;
  if (!parsed.done) {
    result.code =
        cli::run_program(parsed.options, {data, human, on_a_terminal}, [] { return false; });
  }
  result.data = data.str();
  result.human = human.str();
  return result;
}

inline std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

inline std::string file_content(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

// An empty folder, gone with the object.
class TemporaryFolder {
 public:
  explicit TemporaryFolder(const std::string& name)
      : path_(std::filesystem::temp_directory_path() /
              ("baton-" + name + "-" + std::to_string(::getpid()))) {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

}  // namespace baton::testing
