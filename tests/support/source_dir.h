// Where the source tree lies. One file alone knows the path, so that a compiler cache can share the
// objects of all tests between checkouts.
#pragma once

#include <string>

namespace baton::testing {

// Without a slash at its end.
std::string source_dir();

// The built program. Only the tests of the command line depend on it.
std::string program();

}  // namespace baton::testing
