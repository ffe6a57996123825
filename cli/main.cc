// The program: arguments in, exit status out. A failed check anywhere below ends here as status 70,
// also when it fails where nothing can be thrown.

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>

#include <unistd.h>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "sim/check.h"

namespace {

volatile std::sig_atomic_t interrupted = 0;

extern "C" void on_signal(int) {
  // The second one does not wait for the run to notice.
  if (interrupted != 0) std::_Exit(baton::cli::kInterrupted);
  interrupted = 1;
}

int report_bug(const char* what) {
  std::fprintf(stderr,
               "BUG in baton: %s\nPlease report this line with the scenario and the seed.\n", what);
  return baton::cli::kBug;
}

[[noreturn]] void on_terminate() {
  int code = baton::cli::kBug;
  try {
    if (const std::exception_ptr escaped = std::current_exception()) {
      std::rethrow_exception(escaped);
    }
    code = report_bug("terminated without an exception");
  } catch (const std::exception& error) {
    code = report_bug(error.what());
  } catch (...) {
    code = report_bug("an unknown exception escaped");
  }
  std::_Exit(code);
}

}  // namespace

int main(int argc, char** argv) {
  std::set_terminate(on_terminate);
  std::signal(SIGINT, on_signal);
  const baton::cli::Parsed parsed = baton::cli::parse_arguments(argc, argv, std::cout, std::cerr);
  if (parsed.done) return parsed.exit_code;
  try {
    return baton::cli::run_program(parsed.options,
                                   {std::cout, std::cerr, isatty(STDOUT_FILENO) == 1,
                                    isatty(STDERR_FILENO) == 1, std::getenv("CI") != nullptr},
                                   [] { return interrupted != 0; });
  } catch (const std::exception& error) {
    return report_bug(error.what());
  }
}
