// A host that is looked at without a run: the dump is imported and shown as it is. This is the only
// thing to do with a host that cannot run, as one of another architecture.
#pragma once

#include <expected>
#include <ostream>
#include <string>
#include <string_view>

namespace baton::harness {

// Views that need no run: "lspci" and "topology".
bool shows_a_host(std::string_view what);

// Reads `file`, the output of lspci -xxxx, and writes the view. The error begins with the file's
// name and says line and column.
std::expected<void, std::string> show_host(const std::string& file, std::string_view what,
                                           std::string_view format, std::ostream& out);

}  // namespace baton::harness
