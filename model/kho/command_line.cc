#include "model/kho/command_line.h"

#include <charconv>

namespace baton::kho {

std::optional<std::string_view> parameter(std::string_view command_line, std::string_view name) {
  std::optional<std::string_view> value;
  while (!command_line.empty()) {
    const std::size_t end = command_line.find(' ');
    const std::string_view word = command_line.substr(0, end);
    command_line = end == std::string_view::npos ? "" : command_line.substr(end + 1);
    if (word.size() > name.size() && word.starts_with(name) && word[name.size()] == '=') {
      value = word.substr(name.size() + 1);
    }
  }
  return value;
}

std::optional<bool> flag(std::string_view command_line, std::string_view name) {
  const auto value = parameter(command_line, name);
  if (!value || value->empty()) {
    return std::nullopt;
  }
  constexpr std::string_view kYes = "yYtT1";
  constexpr std::string_view kNo = "nNfF0";
  if (kYes.contains(value->front())) {
    return true;
  }
  if (kNo.contains(value->front())) {
    return false;
  }
  if (value->size() >= 2 && (value->front() == 'o' || value->front() == 'O')) {
    const char second = (*value)[1];
    if (second == 'n' || second == 'N') return true;
    if (second == 'f' || second == 'F') return false;
  }
  return std::nullopt;
}

namespace {

// memparse(): a number with an optional suffix; takes it off the front of `text`.
std::optional<std::uint64_t> take_size(std::string_view& text) {
  std::uint64_t value = 0;
  const bool hexadecimal = text.starts_with("0x");
  const char* first = text.data() + (hexadecimal ? 2 : 0);
  const auto parsed =
      std::from_chars(first, text.data() + text.size(), value, hexadecimal ? 16 : 10);
  if (parsed.ec != std::errc()) {
    return std::nullopt;
  }
  text.remove_prefix(static_cast<std::size_t>(parsed.ptr - text.data()));
  constexpr std::string_view kSuffixes = "KMGT";
  if (!text.empty()) {
    const char upper = static_cast<char>(text.front() & ~0x20);
    const std::size_t index = kSuffixes.find(upper);
    if (index != std::string_view::npos) {
      const unsigned shift = static_cast<unsigned>(index + 1) * 10;
      if (value >> (63 - shift) != 0) {
        return std::nullopt;
      }
      value <<= shift;
      text.remove_prefix(1);
    }
  }
  return value;
}

std::optional<ScratchSizing> parse_scale(std::string_view text) {
  constexpr std::size_t kLongestScale = 11;  // with its percent sign
  ScratchSizing sizing;
  const char* end = text.data() + text.size() - 1;
  const auto parsed = std::from_chars(text.data(), end, sizing.scale_percent);
  if (text.size() > kLongestScale || parsed.ec != std::errc() || parsed.ptr != end) {
    return std::nullopt;
  }
  return sizing;
}

}  // namespace

std::optional<ScratchSizing> parse_scratch_sizing(std::string_view text) {
  if (text.ends_with('%')) {
    return parse_scale(text);
  }
  ScratchSizing sizing;
  sizing.scale_percent = 0;
  for (std::uint64_t* size : {&sizing.lowmem, &sizing.global, &sizing.per_node}) {
    if (size != &sizing.lowmem) {
      if (!text.starts_with(',')) {
        return std::nullopt;
      }
      text.remove_prefix(1);
    }
    const auto value = take_size(text);
    if (!value) {
      return std::nullopt;
    }
    *size = *value;
  }
  if (!text.empty() || (sizing.lowmem | sizing.global | sizing.per_node) == 0) {
    return std::nullopt;
  }
  return sizing;
}

}  // namespace baton::kho
