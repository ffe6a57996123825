// The source tree as text, for tests of rules that a compiler cannot check.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace baton::test {

struct SourceFile {
  std::string path;  // relative to the root of the project, with '/'
  std::vector<std::string> lines;
};

// All .h and .cc files below the given folders of the project.
std::vector<SourceFile> source_files(const std::vector<std::string>& folders);

// The folders of layers.txt, lowest first.
std::vector<std::string> layers();

// Index of the layer that `path` belongs to (longest folder that contains it), or -1.
int layer_of(std::string_view path, const std::vector<std::string>& layers);

// "path:line: text" for each problem, empty when all is well.
std::vector<std::string> include_order_problems(const SourceFile& file,
                                                const std::vector<std::string>& layers);
std::vector<std::string> style_problems(const SourceFile& file);
std::vector<std::string> co_await_problems(const SourceFile& file);
// Functions at namespace level of more than 70 lines; test cases count by their sections and are
// left alone.
std::vector<std::string> length_problems(const SourceFile& file);

}  // namespace baton::test
