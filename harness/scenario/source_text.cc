#include "harness/scenario/source_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace baton::harness {
namespace {

constexpr char32_t kReplacement = 0xFFFD;

struct Range {
  char32_t first;
  char32_t last;
};

// Columns that a terminal gives to a character: 0, 1 or 2 [Unicode Standard Annex 11, the ranges
// that are wide as a whole].
unsigned width_of(char32_t code) {
  constexpr std::array kWide{
      Range{0x1100, 0x115F},   Range{0x2E80, 0x303E},  Range{0x3041, 0xA4CF},
      Range{0xAC00, 0xD7A3},   Range{0xF900, 0xFAFF},  Range{0xFE30, 0xFE6F},
      Range{0xFF00, 0xFF60},   Range{0xFFE0, 0xFFE6},  Range{0x1F300, 0x1F64F},
      Range{0x1F900, 0x1F9FF}, Range{0x20000, 0x3FFFD}};
  constexpr std::array kZero{Range{0x0300, 0x036F}, Range{0x200B, 0x200F}, Range{0xFE00, 0xFE0F}};
  const auto within = [code](const Range& r) { return r.first <= code && code <= r.last; };
  if (std::ranges::any_of(kZero, within)) return 0;
  return std::ranges::any_of(kWide, within) ? 2 : 1;
}

bool is_control(char32_t code) { return code < 0x20 || (code >= 0x7F && code < 0xA0); }

void append_utf8(std::string& out, std::string_view text, std::size_t at, Character c) {
  if (c.code == kReplacement || is_control(c.code)) {
    out += "\xEF\xBF\xBD";
  } else {
    out += text.substr(at, c.bytes);
  }
}

}  // namespace

std::string_view line_of(std::string_view text, unsigned number) {
  for (unsigned at = 1; at < number; ++at) {
    const std::size_t newline = text.find('\n');
    if (newline == std::string_view::npos) return {};
    text.remove_prefix(newline + 1);
  }
  std::string_view found = text.substr(0, text.find('\n'));
  if (!found.empty() && found.back() == '\r') found.remove_suffix(1);
  return found;
}

Character character_at(std::string_view text, std::size_t at) {
  const auto byte = [text](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const unsigned first = byte(at);
  if (first < 0x80) return {first, 1};
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4) return {kReplacement, 1};
  char32_t code = first & (0x7FU >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(at + i) & 0xC0U) != 0x80) return {kReplacement, 1};
    code = (code << 6) | (byte(at + i) & 0x3FU);
  }
  const char32_t smallest = length == 2 ? 0x80 : length == 3 ? 0x800 : 0x10000;
  const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
  if (code < smallest || code > 0x10FFFF || surrogate) return {kReplacement, 1};
  return {code, length};
}

std::optional<Position> first_bad_byte(std::string_view text) {
  Position position{1, 1, 1};
  for (std::size_t at = 0; at < text.size();) {
    const Character c = character_at(text, at);
    const bool blank = c.code == '\n' || c.code == '\r' || c.code == '\t';
    const bool broken = c.code == kReplacement && c.bytes == 1;
    if (broken || (is_control(c.code) && !blank)) return position;
    at += c.bytes;
    position.column += static_cast<unsigned>(c.bytes);
    if (c.code == '\n') position = {position.line + 1, 1, 1};
  }
  return std::nullopt;
}

Place place_in(std::string_view line, const Position& at) {
  Place place{at.line, 1, 1};
  std::size_t byte = 0;
  for (; byte < line.size() && byte + 1 < at.column; ++place.column) {
    byte += character_at(line, byte).bytes;
  }
  // A place behind the line's end is a place all the same.
  if (byte + 1 < at.column) place.column += at.column - static_cast<unsigned>(byte) - 1;
  place.end_column = place.column;
  const std::size_t end = byte + std::max(1U, at.length);
  for (; byte < line.size() && byte < end; ++place.end_column) {
    byte += character_at(line, byte).bytes;
  }
  place.end_column = std::max(place.end_column, place.column + 1);
  return place;
}

std::string printable(std::string_view text) {
  constexpr std::size_t kMost = 300;
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    if (out.size() > kMost) return out + "...";
    const Character c = character_at(text, at);
    if (c.code == '\n') {
      out += "\\n";
    } else if (c.code == kReplacement && c.bytes == 1) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[at]));
    } else if (is_control(c.code)) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned>(c.code));
    } else {
      out += text.substr(at, c.bytes);
    }
    at += c.bytes;
  }
  return out;
}

Quote quote(std::string_view line, const Position& at) {
  constexpr std::size_t kMost = 240;    // bytes of a line that are shown
  constexpr std::size_t kBefore = 100;  // of them before the place, where a line is cut
  const std::size_t target = at.column == 0 ? 0 : at.column - 1;
  std::size_t first = line.size() > kMost && target > kBefore ? target - kBefore : 0;
  first = std::min(first, line.size());
  while (first < line.size() && (static_cast<unsigned char>(line[first]) & 0xC0U) == 0x80) ++first;
  Quote result;
  if (first > 0) result.line = "...";
  result.carets = std::string(result.line.size(), ' ');
  std::size_t byte = first;
  std::size_t covered = 0;  // columns under the caret
  const std::size_t end = target + std::max(1U, at.length);
  for (; byte < line.size() && byte < first + kMost;) {
    const Character c = character_at(line, byte);
    const bool tab = c.code == '\t';
    const unsigned width = tab ? 1 : width_of(c.code);
    if (byte < target) {
      result.carets += tab ? "\t" : std::string(width, ' ');
    } else if (byte < end) {
      covered += width;
    }
    tab ? result.line.push_back('\t') : append_utf8(result.line, line, byte, c);
    byte += c.bytes;
  }
  if (byte < line.size()) result.line += "...";
  if (target > byte) result.carets += std::string(target - byte, ' ');
  result.carets += std::string(std::max<std::size_t>(1, covered), '^');
  return result;
}

}  // namespace baton::harness
