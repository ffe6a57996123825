// Completion scripts for bash and zsh, made from the same description as the help texts.

#include <fmt/format.h>

#include "cli/catalogue.h"
#include "cli/help.h"

namespace baton::cli {
namespace {

// Words known when the script is made. Ids of scenarios are left out: they belong to a folder.
std::vector<std::string> words_of(const OptionHelp& option) {
  std::vector<std::string> words = option.choices;
  if (!option.positional() || option.value != "ID") return words;
  for (const KindRow& row : kind_rows()) {
    if (row.kind == Kind::kScenarios || row.kind == Kind::kTemplates) continue;
    for (const Item& item : items_of(row.kind, "")) words.push_back(item.id);
  }
  return words;
}

bool names_a_file(const OptionHelp& option) {
  return option.value.find("FILE") != std::string::npos || option.value == "SCENARIO" ||
         option.value == "RECORD" || option.value == "FOLDER";
}

// In bash: what completes the value of `option`.
std::string bash_value(const OptionHelp& option) {
  const std::vector<std::string> words = words_of(option);
  if (!words.empty()) return fmt::format("words='{}'", fmt::join(words, " "));
  if (option.value == "TEMPLATE") {
    return "words=$(baton list templates 2>/dev/null | cut -d' ' -f1)";
  }
  return names_a_file(option) ? "files=1" : ":";
}

std::string bash_case(const CommandHelp& command) {
  std::string out = fmt::format("    {})\n      case $previous in\n", command.name);
  std::vector<std::string> flags;
  std::string positional = ":";
  for (const OptionHelp& option : command.options) {
    flags.insert(flags.end(), option.flags.begin(), option.flags.end());
    if (option.positional()) {
      if (positional == ":") positional = bash_value(option);
    } else if (!option.value.empty()) {
      out += fmt::format("        {}) {} ;;\n", fmt::join(option.flags, " | "), bash_value(option));
    }
  }
  out += fmt::format(
      "        *)\n"
      "          if [[ $current == -* ]]; then\n"
      "            words='{}'\n"
      "          else\n"
      "            {}\n"
      "          fi\n"
      "          ;;\n"
      "      esac\n"
      "      ;;\n",
      fmt::join(flags, " "), positional);
  return out;
}

// A text inside single quotes of zsh's _arguments, where brackets and colons have a meaning.
std::string zsh_text(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      if (c == '[' || c == ']' || c == ':' || c == '\\') out.push_back('\\');
      out.push_back(c);
    }
  }
  return out;
}

std::string zsh_value(const OptionHelp& option) {
  const std::vector<std::string> words = words_of(option);
  if (!words.empty()) return fmt::format("{}:({})", zsh_text(option.value), fmt::join(words, " "));
  return fmt::format("{}:{}", zsh_text(option.value), names_a_file(option) ? "_files" : " ");
}

std::string zsh_argument(const OptionHelp& option) {
  if (option.positional()) {
    return fmt::format("'{}:{}'",
                       option.repeated   ? "*"
                       : option.required ? ""
                                         : ":",
                       zsh_value(option));
  }
  const std::string text = option.value.empty()
                               ? fmt::format("[{}]", zsh_text(option.text))
                               : fmt::format("[{}]:{}", zsh_text(option.text), zsh_value(option));
  if (option.flags.size() == 1) {
    return fmt::format("'{}{}{}'", option.repeated ? "*" : "", option.flags.front(), text);
  }
  return fmt::format("'({})'{{{}}}'{}'", fmt::join(option.flags, " "), fmt::join(option.flags, ","),
                     text);
}

std::string sentence(const CommandHelp& command) {
  return command.text.substr(0, command.text.find_first_of(":."));
}

}  // namespace

std::string bash_completion(std::span<const CommandHelp> all) {
  std::string names;
  std::string cases;
  for (const CommandHelp& command : all) {
    if (command.name.empty()) continue;
    names += fmt::format("{} ", command.name);
    cases += bash_case(command);
  }
  return fmt::format(
      "# bash completion for baton, made by `baton completion bash`\n"
      "_baton() {{\n"
      "  local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD - 1]}}\n"
      "  local words='' files=''\n"
      "  COMPREPLY=()\n"
      "  if ((COMP_CWORD == 1)); then\n"
      "    mapfile -t COMPREPLY < <(compgen -W '{}--help' -- \"$current\")\n"
      "    return\n"
      "  fi\n"
      "  case ${{COMP_WORDS[1]}} in\n"
      "{}"
      "  esac\n"
      "  if [[ $files ]]; then\n"
      "    compopt -o filenames 2>/dev/null\n"
      "    mapfile -t COMPREPLY < <(compgen -f -- \"$current\")\n"
      "  elif [[ $words ]]; then\n"
      "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n"
      "  fi\n"
      "}}\n"
      "complete -F _baton baton\n",
      names, cases);
}

std::string zsh_completion(std::span<const CommandHelp> all) {
  std::string names;
  std::string cases;
  for (const CommandHelp& command : all) {
    if (command.name.empty()) continue;
    names += fmt::format("    '{}:{}'\n", command.name, zsh_text(sentence(command)));
    cases += fmt::format("    {})\n      _arguments", command.name);
    for (const OptionHelp& option : command.options) {
      cases += fmt::format(" \\\n        {}", zsh_argument(option));
    }
    cases += "\n      ;;\n";
  }
  return fmt::format(
      "#compdef baton\n"
      "# zsh completion for baton, made by `baton completion zsh`\n"
      "_baton() {{\n"
      "  local -a commands\n"
      "  commands=(\n"
      "{}"
      "  )\n"
      "  if (( CURRENT == 2 )); then\n"
      "    _describe command commands\n"
      "    return\n"
      "  fi\n"
      "  shift words\n"
      "  (( CURRENT-- ))\n"
      "  case $words[1] in\n"
      "{}"
      "  esac\n"
      "}}\n"
      "_baton \"$@\"\n",
      names, cases);
}

}  // namespace baton::cli
