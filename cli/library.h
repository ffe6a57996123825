// The library of scenarios that comes with baton: where it is, and what is in it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "harness/scenario/scenario.h"

namespace baton::cli {

// The folder `given`, or ./scenarios, or the scenarios folder of the checkout that the running
// program was built in; nothing if there is none.
std::optional<std::filesystem::path> find_library(const std::string& given);

struct LibraryScenario {
  std::string id;  // path in the library, without .yaml
  harness::Loaded loaded;
};

// Sorted by id.
std::vector<LibraryScenario> read_library(const std::string& given);

// The comment lines that a scenario begins with, without "# " and the line for editors.
std::string head_comment(const std::string& text);

}  // namespace baton::cli
