// BATON_CHECK: assumptions inside baton itself, tested in every build type.
//
// A failed check is a bug in baton, never a property of the scenario: it throws BugError, which the
// simulation annotates with time, actor and seed, and which the program turns into exit status 70.
// A check that fails inside a destructor cannot be thrown past it; the process then terminates, and
// the program's terminate handler prints the same text and ends with the same status.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace baton::sim {

class BugError : public std::runtime_error {
 public:
  explicit BugError(const std::string& what) : std::runtime_error(what) {}
};

[[noreturn]] void check_failed(const char* file, int line, const char* condition,
                               std::string_view message);

}  // namespace baton::sim

#define BATON_CHECK(condition, message)                                    \
  do {                                                                     \
    if (!(condition)) [[unlikely]] {                                       \
      ::baton::sim::check_failed(__FILE__, __LINE__, #condition, message); \
    }                                                                      \
  } while (false)
