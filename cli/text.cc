#include "cli/text.h"

#include <algorithm>

#include "harness/scenario/diagnostic.h"

namespace baton::cli {

void add_wrapped(std::string& out, std::size_t column, std::size_t indent, std::string_view text) {
  bool first = true;
  while (!text.empty()) {
    const std::size_t space = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, space);
    text.remove_prefix(std::min(space + 1, text.size()));
    if (!first && column + 1 + word.size() > kTextWidth) {
      out.push_back('\n');
      out.append(indent, ' ');
      column = indent;
    } else if (!first) {
      out.push_back(' ');
      ++column;
    }
    out += word;
    column += word.size();
    first = false;
  }
  out.push_back('\n');
}

void add_row(std::string& out, std::string_view name, std::size_t column, std::string_view text) {
  out += "  ";
  out += name;
  if (name.size() + 4 > column) {
    out.push_back('\n');
    out.append(column, ' ');
  } else {
    out.append(column - 2 - name.size(), ' ');
  }
  add_wrapped(out, column, column, text);
}

std::string suggestion(std::string_view word, std::span<const std::string_view> known) {
  std::string meant = harness::did_you_mean(word, known);
  if (!meant.empty()) meant.insert(0, 1, ' ');
  return meant;
}

}  // namespace baton::cli
