// The scenario that a replay token was made of.
#pragma once

#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "harness/report/token.h"
#include "harness/scenario/scenario.h"

namespace baton::cli {

// Looks for the token's digest in files and folders (none: scenarios/ and the folder we are in).
// With `force` the one file that is named, whatever it is now. Checked; nothing after it has been
// said why there is none.
std::optional<harness::Loaded> find_token(const harness::Token& token,
                                          const std::vector<std::string>& scenarios, bool force,
                                          std::ostream& human);

}  // namespace baton::cli
