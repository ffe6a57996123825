// Exit statuses, a documented interface.
#pragma once

#include <array>
#include <string_view>

namespace baton::cli {

enum ExitCode : int {
  kHeld = 0,     // all expectations held
  kFailed = 1,   // an expectation failed
  kUsage = 2,    // usage or scenario error; nothing was run
  kNothing = 3,  // nothing was selected
  kNotDeterministic = 5,
  kNotWritten = 6,  // an output could not be written
  kBug = 70,        // a bug in baton
  kInterrupted = 130,
};

struct ExitRow {
  ExitCode code;
  std::string_view text;
};

// What help texts and the manual page say.
inline constexpr std::array kExitRows{
    ExitRow{kHeld, "all expectations held"},
    ExitRow{kFailed, "one failed"},
    ExitRow{kUsage, "usage or scenario error"},
    ExitRow{kNothing, "nothing selected"},
    ExitRow{kNotDeterministic, "not deterministic"},
    ExitRow{kNotWritten, "output not written"},
    ExitRow{kBug, "bug in baton"},
    ExitRow{kInterrupted, "interrupted"},
};

}  // namespace baton::cli
