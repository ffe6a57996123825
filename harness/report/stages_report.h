// What a live update keeps, as a Markdown table with a column for each run: the stages of the
// roadmap beside each other. README.md has that of scenarios/roadmap.
#pragma once

#include <span>
#include <string>

#include "harness/report/run_result.h"

namespace baton::harness {

std::string format_stages(std::span<const RunResult> results);

}  // namespace baton::harness
