// Columns as an editor counts them, carets where a terminal shows them.

#include "harness/scenario/source_text.h"

using namespace baton::harness;

TEST_CASE("columns count characters, not bytes") {
  const std::string_view line = "title: \"\xC3\xA9\xE4\xB8\xAD\" x";
  CHECK(place_in(line, {1, 8, 7}).column == 8);
  CHECK(place_in(line, {1, 8, 7}).end_column == 12);
  // The x stands behind 15 bytes, which are 12 characters.
  CHECK(place_in(line, {1, 16, 1}).column == 13);
  // Behind the end of the line.
  CHECK(place_in("ab", {1, 5, 1}).column == 5);
}

TEST_CASE("carets stand under wide characters, tabs and what follows them") {
  const Quote wide = quote("\xE4\xB8\xAD: x", {1, 6, 1});
  CHECK(wide.carets == "    ^");
  CHECK(quote("\xE4\xB8\xAD: x", {1, 1, 3}).carets == "^^");
  CHECK(quote("e\xCC\x81: x", {1, 6, 1}).carets == "   ^");
  const Quote tab = quote("a:\tx", {1, 4, 1});
  CHECK(tab.line == "a:\tx");
  CHECK(tab.carets == "  \t^");
}

TEST_CASE("a caret never reaches behind its line, and an empty line has one") {
  CHECK(quote("abc", {1, 2, 50}).carets == " ^^");
  CHECK(quote("", {1, 1, 1}).carets == "^");
  CHECK(quote("ab", {1, 4, 1}).carets == "   ^");
}

TEST_CASE("of a long line the part around the place is quoted") {
  const std::string line = std::string(500, 'a') + "X" + std::string(500, 'b');
  const Quote cut = quote(line, {1, 501, 1});
  CHECK(cut.line.size() < 260);
  CHECK(cut.line.starts_with("..."));
  CHECK(cut.line.ends_with("..."));
  CHECK(cut.line.at(cut.carets.find('^')) == 'X');
}

TEST_CASE("a line ends before CR LF and before LF") {
  CHECK(line_of("a\r\nb\n", 1) == "a");
  CHECK(line_of("a\r\nb\n", 2) == "b");
  CHECK(line_of("a\r\nb\n", 9).empty());
}

TEST_CASE("what is no text is found at its first byte") {
  CHECK_FALSE(first_bad_byte("a\tb\r\n\xC3\xA9\xF0\x9F\x98\x80").has_value());
  CHECK(first_bad_byte("a\n\xC3") == Position{2, 1, 1});
  CHECK(first_bad_byte("a\nb\xFF") == Position{2, 2, 1});
  CHECK(first_bad_byte(std::string_view("a\0b", 3)) == Position{1, 2, 1});
  CHECK(first_bad_byte("\x1b[31m") == Position{1, 1, 1});
  // Overlong, a surrogate, beyond the last code point.
  CHECK(first_bad_byte("\xC0\xAF").has_value());
  CHECK(first_bad_byte("\xED\xA0\x80").has_value());
  CHECK(first_bad_byte("\xF4\x90\x80\x80").has_value());
}

TEST_CASE("what is printed holds no control character and is not endless") {
  CHECK(printable("a\nb\x1b\xFF") == "a\\nb\\x1b\\xff");
  CHECK(printable("\xC3\xA9") == "\xC3\xA9");
  CHECK(printable(std::string(1000, 'a')).size() < 320);
}
