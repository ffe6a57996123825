#include "cli/help.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "cli/exit_code.h"
#include "cli/text.h"

namespace baton::cli {
namespace {

constexpr std::size_t kColumn = 22;  // where descriptions begin

std::string option_text(const OptionHelp& option) {
  if (option.fallback.empty()) return option.text;
  return fmt::format("{} [{}]", option.text, option.fallback);
}

std::string exit_statuses() {
  std::string text = "Exit status:";
  for (const ExitRow& row : kExitRows) {
    text += fmt::format(" {} {}{}", static_cast<int>(row.code), row.text,
                        &row == &kExitRows.back() ? "." : ";");
  }
  return text;
}

}  // namespace

std::string OptionHelp::synopsis() const {
  if (positional()) return fmt::format("{}{}", value, repeated ? "..." : "");
  return fmt::format("{}{}{}", fmt::join(flags, ", "), value.empty() ? "" : " ", value);
}

std::string CommandHelp::usage() const {
  std::vector<std::string> words{"baton"};
  if (!name.empty()) words.push_back(name);
  if (std::ranges::any_of(options, [](const OptionHelp& o) { return !o.positional(); })) {
    words.emplace_back("[OPTIONS]");
  }
  if (name.empty()) words.emplace_back("COMMAND");
  for (const OptionHelp& option : options) {
    if (!option.positional()) continue;
    words.push_back(fmt::format(fmt::runtime(option.required ? "{}" : "[{}]"), option.synopsis()));
  }
  return fmt::format("{}", fmt::join(words, " "));
}

std::string format_help(const CommandHelp& command, std::span<const CommandHelp> all) {
  std::string out = "Examples:\n";
  for (const std::string& example : command.examples) out += fmt::format("  {}\n", example);
  out.push_back('\n');
  add_wrapped(out, 0, 0, command.text);
  out += fmt::format("\nUsage: {}\n", command.usage());
  if (command.name.empty()) {
    for (const CommandHelp& other : all) {
      if (!other.name.empty()) {
        add_row(out, other.name, 14, other.text.substr(0, other.text.find_first_of(":.")));
      }
    }
    add_wrapped(out, 0, 0, "Each command has a --help of its own. " + exit_statuses());
    return out;
  }
  for (const OptionHelp& option : command.options) {
    add_row(out, option.synopsis(), kColumn, option_text(option));
  }
  return out;
}

}  // namespace baton::cli
