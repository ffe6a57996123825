#include "tests/support/source_dir.h"

namespace baton::testing {

std::string source_dir() { return BATON_SOURCE_DIR; }

std::string program() { return BATON_PROGRAM; }

}  // namespace baton::testing
