// The manual page, in man(7) macros, made from the same description as the help texts.

#include <fmt/format.h>

#include "cli/exit_code.h"
#include "cli/help.h"

namespace baton::cli {
namespace {

// Text that roff shows as it is.
std::string roff(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out.push_back(c);
    }
  }
  if (out.starts_with('.') || out.starts_with('\'')) out.insert(0, "\\&");
  return out;
}

std::string block(const std::vector<std::string>& lines) {
  std::string out = ".PP\n.RS 4\n.nf\n";
  for (const std::string& line : lines) out += fmt::format("{}\n", roff(line));
  out += ".fi\n.RE\n";
  return out;
}

std::string option_rows(const CommandHelp& command) {
  std::string out;
  for (const OptionHelp& option : command.options) {
    const std::string fallback =
        option.fallback.empty() ? "" : fmt::format(" Default: {}.", option.fallback);
    out += fmt::format(".TP\n.B {}\n{}.{}\n", roff(option.synopsis()), roff(option.text),
                       roff(fallback));
  }
  return out;
}

}  // namespace

std::string manual_page(std::span<const CommandHelp> all) {
  const CommandHelp& program = all.front();
  std::string out = ".\\\" made by `baton man`\n.TH BATON 1 \"\" baton \"User Commands\"\n";
  out += ".SH NAME\nbaton \\- simulate PCI and IOMMU live update\n";
  out += fmt::format(".SH SYNOPSIS\n.B {}\n", roff("baton COMMAND [OPTIONS] [ARGUMENTS]"));
  out += fmt::format(".SH DESCRIPTION\n{}\n", roff(program.text));
  out += block(program.examples);
  out += ".SH COMMANDS\n";
  for (const CommandHelp& command : all) {
    if (command.name.empty()) continue;
    out += fmt::format(".SS {}\n{}\n", roff(command.usage()), roff(command.text));
    out += option_rows(command) + block(command.examples);
  }
  out += ".SH EXIT STATUS\n";
  for (const ExitRow& row : kExitRows) {
    out += fmt::format(".TP\n.B {}\n{}.\n", static_cast<int>(row.code), roff(row.text));
  }
  out += ".SH ENVIRONMENT\n.TP\n.B NO_COLOR\nIf set, nothing is coloured.\n";
  out += ".SH FILES\n.TP\n.I scenarios/\n";
  out += "The library of scenarios that comes with baton; each file is a lesson.\n";
  return out;
}

}  // namespace baton::cli
