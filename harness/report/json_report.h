// The JSON report: everything of the runs, in a fixed order, without anything of the host.
#pragma once

#include <span>
#include <string>

#include "harness/report/run_result.h"

namespace baton::harness {

// An indented document with a newline at the end.
std::string format_json(std::span<const RunResult> results);

}  // namespace baton::harness
