// Files of the repository that are made from the program: held equal by a test, written anew when
// the environment says BATON_UPDATE_GOLDEN=1.
#pragma once

#include <string>

namespace baton::testing {

// Empty when the file below the source tree holds exactly `text`; else what to do about it. With
// BATON_UPDATE_GOLDEN=1 the file is written instead.
std::string golden_problem(const std::string& path, const std::string& text);

}  // namespace baton::testing
