#include "tests/support/tool.h"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <sys/wait.h>
#include <unistd.h>

namespace baton::testing {
namespace {

bool installed(const std::string& program) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    if (::access((folder + "/" + program).c_str(), X_OK) == 0) return true;
  }
  return false;
}

void add_quoted(std::string& command, const std::string& text) {
  command.push_back('\'');
  for (const char c : text) {
    if (c == '\'') command.append("'\\'");
    command.push_back(c);
  }
  command.push_back('\'');
}

}  // namespace

TemporaryFile::TemporaryFile(const std::string& content, const std::string& suffix) {
  static unsigned count = 0;
  path_ = (std::filesystem::temp_directory_path() /
           ("baton-test-" + std::to_string(::getpid()) + "-" + std::to_string(++count) + suffix))
              .string();
  std::ofstream(path_, std::ios::binary) << content;
}

TemporaryFile::~TemporaryFile() {
  std::error_code ignored;
  std::filesystem::remove(path_, ignored);
}

std::string read_whole_file(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream content;
  content << stream.rdbuf();
  return content.str();
}

std::optional<ToolRun> run_tool(const std::string& program,
                                const std::vector<std::string>& arguments) {
  if (!installed(program)) {
    std::fprintf(stderr, "skipped: %s is not installed\n", program.c_str());
    return std::nullopt;
  }
  const TemporaryFile errors("");
  std::string command = program;
  for (const std::string& argument : arguments) {
    command.push_back(' ');
    add_quoted(command, argument);
  }
  command.append(" 2>");
  add_quoted(command, errors.path());
  ToolRun run;
  std::FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return run;
  std::array<char, 4096> buffer;
  while (const std::size_t n = std::fread(buffer.data(), 1, buffer.size(), pipe)) {
    run.out.append(buffer.data(), n);
  }
  const int status = ::pclose(pipe);
  run.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  run.errors = read_whole_file(errors.path());
  return run;
}

}  // namespace baton::testing
