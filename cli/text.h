// Texts of at most 80 columns.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace baton::cli {

inline constexpr std::size_t kTextWidth = 80;

// Adds the words of `text`, the first one at `column`; what does not fit goes on in lines that are
// indented by `indent`. Ends with a newline.
void add_wrapped(std::string& out, std::size_t column, std::size_t indent, std::string_view text);

// "  name       text", with the texts of all rows at `column`.
void add_row(std::string& out, std::string_view name, std::size_t column, std::string_view text);

// " did you mean "x"?" or nothing, to be put behind a sentence.
std::string suggestion(std::string_view word, std::span<const std::string_view> known);

}  // namespace baton::cli
