// The tables of a sweep whose scenario names measures (`table`): a column for each, instead of what
// became of each function.
#pragma once

#include <string>

#include "harness/sweep/summary.h"

namespace baton::harness {

std::string format_measure_markdown(const SweepResult& result);
// With a bar for each value, as long as it is large beside the largest of its column.
std::string format_measure_svg(const SweepResult& result);

}  // namespace baton::harness
