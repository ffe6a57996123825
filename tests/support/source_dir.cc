#include "tests/support/source_dir.h"

namespace baton::testing {

std::string source_dir() { return BATON_SOURCE_DIR; }

}  // namespace baton::testing
