// The files of `run --trace`: one scenario into FILE; several into a folder, one file each, named
// after the scenario.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/commands.h"

namespace baton::cli {

// Where the trace of each scenario goes, or nothing after saying why that cannot be.
std::optional<std::vector<std::string>> trace_files(const std::string& target,
                                                    const std::vector<std::string>& scenarios,
                                                    std::ostream& human);

bool write_trace(const std::string& file, const std::string& bytes, std::ostream& human);

}  // namespace baton::cli
