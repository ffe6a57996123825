#include "harness/scenario/units.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <limits>
#include <span>

namespace baton::harness {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

constexpr std::uint64_t kKibi = 1024;
constexpr std::array kSizes{
    Unit{"B", 1},
    Unit{"KiB", kKibi},
    Unit{"MiB", kKibi* kKibi},
    Unit{"GiB", kKibi* kKibi* kKibi},
    Unit{"TiB", kKibi* kKibi* kKibi* kKibi},
    Unit{"kB", 1'000},
    Unit{"MB", 1'000'000},
    Unit{"GB", 1'000'000'000},
};
constexpr std::array kDurations{
    Unit{"ps", 1},
    Unit{"ns", 1'000},
    Unit{"us", 1'000'000},
    Unit{"ms", 1'000'000'000},
    Unit{"s", 1'000'000'000'000},
};

constexpr std::uint64_t kLargest = std::numeric_limits<std::int64_t>::max();

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// value * factor, or nothing if it does not fit.
bool multiply(std::uint64_t& value, std::uint64_t factor) {
  if (factor != 0 && value > kLargest / factor) return false;
  value *= factor;
  return true;
}

std::string unit_names(std::span<const Unit> units, std::string_view suffix) {
  std::string names;
  for (const Unit& unit : units) {
    if (!names.empty()) names += ", ";
    names += fmt::format("{}{}", unit.name, suffix);
  }
  return names;
}

ParsedValue fail(std::string text) { return std::unexpected(std::move(text)); }

// Digits, then optionally a point and digits, then the unit.
ParsedValue parse(std::string_view text, std::span<const Unit> units, std::string_view suffix) {
  std::size_t at = 0;
  std::uint64_t whole = 0;
  while (at < text.size() && is_digit(text[at])) {
    if (!multiply(whole, 10)) return fail("the number is too large");
    whole += static_cast<std::uint64_t>(text[at++] - '0');
  }
  if (at == 0) return fail("a number with a unit is expected");
  std::uint64_t fraction = 0;
  std::uint64_t scale = 1;
  if (at < text.size() && text[at] == '.') {
    const std::size_t first = ++at;
    for (; at < text.size() && is_digit(text[at]); ++at) {
      if (at - first >= 9) return fail("at most nine decimals");
      fraction = fraction * 10 + static_cast<std::uint64_t>(text[at] - '0');
      scale *= 10;
    }
    if (at == first) return fail("digits are expected after the point");
  }
  const std::string_view name = text.substr(at);
  if (name.empty()) return fail(fmt::format("the unit is missing: {}", unit_names(units, suffix)));
  for (const Unit& unit : units) {
    if (!name.ends_with(suffix) || name.substr(0, name.size() - suffix.size()) != unit.name) {
      continue;
    }
    if (!multiply(whole, unit.factor)) return fail("the value is too large");
    if (!multiply(fraction, unit.factor)) return fail("the value is too large");
    if (fraction % scale != 0) return fail(fmt::format("not a whole number of {}", units[0].name));
    if (whole > kLargest - fraction / scale) return fail("the value is too large");
    return whole + fraction / scale;
  }
  return fail(fmt::format("unknown unit \"{}\": {}", name, unit_names(units, suffix)));
}

}  // namespace

ParsedValue parse_size(std::string_view text) { return parse(text, kSizes, ""); }
ParsedValue parse_duration(std::string_view text) { return parse(text, kDurations, ""); }
ParsedValue parse_rate(std::string_view text) { return parse(text, kSizes, "/s"); }

ParsedValue parse_number(std::string_view text) {
  const bool hexadecimal = text.starts_with("0x");
  const std::string_view digits = hexadecimal ? text.substr(2) : text;
  std::uint64_t value = 0;
  const char* end = digits.data() + digits.size();
  const auto [stopped, error] = std::from_chars(digits.data(), end, value, hexadecimal ? 16 : 10);
  if (error == std::errc::result_out_of_range) return fail("the number is too large");
  if (digits.empty() || error != std::errc() || stopped != end) {
    return fail("a number is expected, decimal or hexadecimal with 0x");
  }
  return value;
}

std::string format_size(std::uint64_t bytes) {
  constexpr std::array kShown{"TiB", "GiB", "MiB", "KiB"};
  std::uint64_t factor = kKibi * kKibi * kKibi * kKibi;
  for (const char* name : kShown) {
    if (bytes != 0 && bytes % factor == 0) return fmt::format("{}{}", bytes / factor, name);
    factor /= kKibi;
  }
  return fmt::format("{}B", bytes);
}

std::string format_duration(std::uint64_t picoseconds) {
  if (picoseconds == 0) return "0s";
  for (std::size_t i = kDurations.size(); i-- > 1;) {
    if (picoseconds % kDurations[i].factor == 0) {
      return fmt::format("{}{}", picoseconds / kDurations[i].factor, kDurations[i].name);
    }
  }
  return fmt::format("{}ps", picoseconds);
}

std::string format_rate(std::uint64_t bytes_per_second) {
  constexpr std::array kShown{"GB", "MB", "kB"};
  std::uint64_t factor = 1'000'000'000;
  for (const char* name : kShown) {
    if (bytes_per_second != 0 && bytes_per_second % factor == 0) {
      return fmt::format("{}{}/s", bytes_per_second / factor, name);
    }
    factor /= 1000;
  }
  return fmt::format("{}B/s", bytes_per_second);
}

}  // namespace baton::harness
