// Diagnostics for machines: all of them, not only those that people are shown.
#pragma once

#include <span>
#include <string>

#include "harness/scenario/scenario.h"

namespace baton::harness {

// {"format": "baton-diagnostics", "version": 1, "files": [{"file", "good", "diagnostics": [{"code",
// "title", "message", "note", "help", "file", "line", "column", "end_column"}]}]}; line 0 is a file
// as a whole; columns count characters from 1, end_column is behind the last one.
std::string diagnostics_json(std::span<const Loaded> files);

// SARIF 2.1.0 [OASIS], with one rule for each kind of problem.
std::string diagnostics_sarif(std::span<const Loaded> files);

}  // namespace baton::harness
