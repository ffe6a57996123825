// Diagnostics for people: the place, the line with carets, what was probably meant, help.

#include <fmt/format.h>

#include "harness/scenario/diagnostic.h"
#include "harness/scenario/source_text.h"

namespace baton::harness {
namespace {

void format_one(std::string& out, const Diagnostic& diagnostic, std::string_view scenario_file,
                std::string_view scenario_text) {
  const bool other = !diagnostic.file.name.empty();
  const std::string_view file = other ? std::string_view(diagnostic.file.name) : scenario_file;
  const auto add = std::back_inserter(out);
  fmt::format_to(add, "error[{}]: {}\n", row_of(diagnostic.problem).code,
                 printable(diagnostic.message));
  const Position at = diagnostic.at;
  if (at.line == 0) {
    fmt::format_to(add, "  --> {}\n", printable(file));
  } else {
    const std::string_view line =
        other ? std::string_view(diagnostic.file.line) : line_of(scenario_text, at.line);
    fmt::format_to(add, "  --> {}:{}:{}\n", printable(file), at.line, place_in(line, at).column);
    const Quote quoted = quote(line, at);
    fmt::format_to(add, "{:4} | {}\n     | {}", at.line, quoted.line, quoted.carets);
    if (!diagnostic.caret_note.empty()) {
      fmt::format_to(add, " {}", printable(diagnostic.caret_note));
    }
    out.push_back('\n');
  }
  if (!diagnostic.help.empty()) {
    fmt::format_to(add, "     = {}\n", printable(diagnostic.help));
  }
}

}  // namespace

std::string Diagnostics::format(std::string_view file, std::string_view text) const {
  std::string out;
  const std::vector<Diagnostic> all = sorted();
  for (std::size_t i = 0; i < all.size() && i < kShown; ++i) {
    format_one(out, all[i], file, text);
  }
  if (all.size() > kShown) {
    const std::size_t more = all.size() - kShown;
    fmt::format_to(std::back_inserter(out), "... and {} more error{}\n", more,
                   more == 1 ? "" : "s");
  }
  return out;
}

}  // namespace baton::harness
