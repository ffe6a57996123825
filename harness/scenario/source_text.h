// Quoting from a file that may hold anything: lines, characters, columns as an editor counts them.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "harness/scenario/diagnostic.h"

namespace baton::harness {

// Line `number`, from 1, without its end; empty beyond the last one.
std::string_view line_of(std::string_view text, unsigned number);

// The character at `at` of valid or invalid UTF-8: its code point and length in bytes. A byte that
// begins no character is U+FFFD of length 1.
struct Character {
  char32_t code = 0;
  std::size_t bytes = 1;
};
Character character_at(std::string_view text, std::size_t at);

// The first byte that is not UTF-8, or a control character that no text file holds.
std::optional<Position> first_bad_byte(std::string_view text);

// Where a diagnostic points, in characters.
struct Place {
  unsigned line = 0;
  unsigned column = 1;
  unsigned end_column = 2;  // behind the last character
};
Place place_in(std::string_view line, const Position& at);

// One line of valid UTF-8 of at most about 300 bytes: control characters are written as \n, \x1b.
std::string printable(std::string_view text);

// The line with a caret line under it, each after its own margin, both without a newline. Tabs
// stay tabs in both; wide characters count twice; a long line is cut around the place.
struct Quote {
  std::string line;
  std::string carets;
};
Quote quote(std::string_view line, const Position& at);

}  // namespace baton::harness
