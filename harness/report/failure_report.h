// The block that explains a failure: a title that is the same for the same failure, the place in
// the scenario, when and where, what was expected and seen, the causes by event number, what
// changed, the rule, and the command that leads back to the wrong event.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "harness/report/run_result.h"

namespace baton::harness {

// "baton replay bt1-... --until 1187"; without an event, the whole run. The scenario is named
// unless replay finds it by itself: in scenarios/ or in the current folder.
std::string replay_command(const RunResult& result, std::uint64_t event);
// A word as a shell takes it, quoted where it must be.
std::string shell_word(const std::string& text);

// The line of a place with a caret under it, and a note beside the caret.
std::string quote(const RunResult& result, Position at, std::string_view note);
// "s.yaml:3:5", or the option when the place is there.
std::string place_text(const RunResult& result, Position at);

// An expectation about one invariant that was violated.
std::string format_violation_failure(const RunResult& result, const std::string& id, Position at);
// An expectation that was missed otherwise.
std::string format_missed(const RunResult& result, const ExpectationOutcome& outcome);
// The first violation of an invariant, without a place: what a scenario is there to show.
std::string format_lesson(const RunResult& result, const std::string& id);

}  // namespace baton::harness
