// Exit statuses, a documented interface.
#pragma once

namespace baton::cli {

enum ExitCode : int {
  kHeld = 0,        // all expectations held
  kFailed = 1,      // an expectation failed
  kUsage = 2,       // usage or scenario error; nothing was run
  kNothing = 3,     // nothing was selected
  kNotWritten = 6,  // an output could not be written
  kBug = 70,        // a bug in baton
  kInterrupted = 130,
};

}  // namespace baton::cli
