#include "model/vmm/script_values.h"

#include <fmt/format.h>

#include <charconv>

namespace baton::vmm {

std::string with_index(std::string_view text, unsigned index) {
  std::string result(text);
  const std::string number = fmt::to_string(index);
  for (std::size_t at = 0; (at = result.find("%i", at)) != std::string::npos; at += number.size()) {
    result.replace(at, 2, number);
  }
  return result;
}

std::optional<std::int64_t> number_of(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const bool hex = text.starts_with("0x");
  if (hex) text.remove_prefix(2);
  std::uint64_t value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value, hex ? 16 : 10);
  if (text.empty() || read.ec != std::errc() || read.ptr != text.data() + text.size()) {
    return std::nullopt;
  }
  return static_cast<std::int64_t>(negative ? 0 - value : value);
}

const std::string* operand(const ScriptCall& call, std::string_view key) {
  for (const auto& [name, value] : call.operands) {
    if (name == key) return &value;
  }
  return nullptr;
}

}  // namespace baton::vmm
