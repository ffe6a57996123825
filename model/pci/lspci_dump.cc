#include "model/pci/lspci_dump.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "model/pci/config_space.h"

namespace baton::pci {
namespace {

std::optional<unsigned> hex_digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A' + 10);
  return std::nullopt;
}

// Hex digits at the front of `text`, taken off it: their value and count.
struct Hex {
  std::uint64_t value = 0;
  unsigned digits = 0;
};

Hex take_hex(std::string_view& text, unsigned most) {
  Hex hex;
  while (!text.empty() && hex.digits < most) {
    const auto digit = hex_digit(text.front());
    if (!digit) break;
    hex.value = hex.value << 4 | *digit;
    ++hex.digits;
    text.remove_prefix(1);
  }
  return hex;
}

bool take(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

struct DeviceLine {
  std::uint64_t domain = 0;
  std::uint64_t bus = 0;
  std::uint64_t device = 0;
  char function = '0';
  std::string_view text;
};

// [domain:]bus:device.function and a space; nullopt: some other line.
std::optional<DeviceLine> device_line(std::string_view line) {
  DeviceLine result;
  Hex first = take_hex(line, 6);
  if (!take(line, ':')) return std::nullopt;
  if (first.digits >= 4) {
    result.domain = first.value;
    first = take_hex(line, 2);
    if (!take(line, ':')) return std::nullopt;
  }
  const Hex device = take_hex(line, 2);
  if (first.digits != 2 || device.digits != 2 || !take(line, '.') || line.size() < 2) {
    return std::nullopt;
  }
  result.bus = first.value;
  result.device = device.value;
  result.function = line[0];
  if (line[1] != ' ') return std::nullopt;
  result.text = line.substr(2);
  return result;
}

// "\tRegion 0: Memory at fe900000 (...) [size=1M]", "\tExpansion ROM at ... [size=256K]".
void region_line(std::string_view line, DumpedFunction& function) {
  const std::size_t start = line.find_first_not_of(" \t");
  if (start == std::string_view::npos) return;
  line.remove_prefix(start);
  std::size_t index = kRomBar;
  constexpr std::string_view kRegion = "Region ";
  if (line.starts_with(kRegion) && line.size() > kRegion.size() + 1) {
    const char digit = line[kRegion.size()];
    if (digit < '0' || digit > '5' || line[kRegion.size() + 1] != ':') return;
    index = static_cast<std::size_t>(digit - '0');
  } else if (!line.starts_with("Expansion ROM at ")) {
    return;
  }
  constexpr std::string_view kSize = "[size=";
  const std::size_t at = line.find(kSize);
  if (at == std::string_view::npos) return;
  line.remove_prefix(at + kSize.size());
  std::uint64_t size = 0;
  while (!line.empty() && line.front() >= '0' && line.front() <= '9' && size < 1'000'000) {
    size = size * 10 + static_cast<std::uint64_t>(line.front() - '0');
    line.remove_prefix(1);
  }
  const std::string_view units = "KMGT";
  const std::size_t unit = line.empty() ? std::string_view::npos : units.find(line.front());
  if (unit != std::string_view::npos) size <<= 10 * (unit + 1);
  function.region_sizes[index] = size;
}

class Parser {
 public:
  std::expected<LspciDump, DumpError> parse(std::string_view text) {
    while (!text.empty()) {
      const std::size_t end = std::min(text.find('\n'), text.size());
      std::string_view line = text.substr(0, end);
      text.remove_prefix(std::min(end + 1, text.size()));
      if (line.ends_with('\r')) line.remove_suffix(1);
      ++line_;
      one_line(line);
      if (error_) return std::unexpected(*error_);
    }
    end_function();
    if (!error_ && dump_.functions.empty()) {
      fail_at(0, 0, "no PCI function in this file", "the output of `lspci -xxxx`");
    }
    if (error_) return std::unexpected(*error_);
    return std::move(dump_);
  }

 private:
  void fail_at(unsigned line, std::size_t column, std::string message, std::string expected) {
    if (!error_) {
      error_ =
          DumpError{line, static_cast<unsigned>(column), std::move(message), std::move(expected)};
    }
  }

  void one_line(std::string_view line) {
    if (line.empty()) return end_function();
    if (const auto device = device_line(line)) return begin_function(*device);
    if (!open_) return;
    std::string_view rest = line;
    const Hex offset = take_hex(rest, 8);
    if (offset.digits >= 2 && rest.starts_with(": ")) {
      rest.remove_prefix(2);
      return hex_line(line, offset.value, rest);
    }
    region_line(line, dump_.functions.back());
  }

  void begin_function(const DeviceLine& device) {
    end_function();
    if (error_) return;
    if (device.domain > 0xFFFF) {
      return fail_at(line_, 1, fmt::format("PCI domain {:x} has more than 16 bits", device.domain),
                     "a domain from 0000 to ffff");
    }
    if (device.device > 31) {
      return fail_at(line_, 1, fmt::format("device number {:02x} is above 1f", device.device),
                     "bus:device.function with a device from 00 to 1f");
    }
    if (device.function < '0' || device.function > '7') {
      return fail_at(line_, 1, fmt::format("function number '{}'", device.function),
                     "a function from 0 to 7");
    }
    DumpedFunction function;
    function.address = {static_cast<std::uint16_t>(device.domain),
                        Bdf(static_cast<unsigned>(device.bus), static_cast<unsigned>(device.device),
                            static_cast<unsigned>(device.function - '0'))};
    for (const DumpedFunction& other : dump_.functions) {
      if (other.address == function.address) {
        return fail_at(line_, 1,
                       fmt::format("{} is here twice, first in line {}",
                                   to_string(function.address), other.line),
                       "each function once");
      }
    }
    function.description = std::string(device.text);
    function.line = line_;
    dump_.functions.push_back(std::move(function));
    given_.assign(kExtendedConfigSize, false);
    open_ = true;
  }

  void hex_line(std::string_view line, std::uint64_t offset, std::string_view rest) {
    DumpedFunction& function = dump_.functions.back();
    while (!rest.empty()) {
      const std::size_t column = line.size() - rest.size() + 1;
      const Hex byte = take_hex(rest, 2);
      if (byte.digits != 2 || !(rest.empty() || rest.front() == ' ')) {
        return fail_at(line_, column, "malformed line", "two hex digits and a space");
      }
      if (offset >= kExtendedConfigSize) {
        return fail_at(line_, column, fmt::format("byte at offset {:x}", offset),
                       "offsets up to fff");
      }
      if (function.bytes.size() <= offset) function.bytes.resize(offset + 1, std::byte{0xFF});
      function.bytes[offset] = static_cast<std::byte>(byte.value);
      given_[offset] = true;
      ++offset;
      take(rest, ' ');
    }
  }

  void end_function() {
    if (!open_) return;
    open_ = false;
    const DumpedFunction& function = dump_.functions.back();
    const std::size_t size = function.bytes.size();
    if (size != kConfigSize && size != kExtendedConfigSize) {
      return fail_at(
          function.line, 1,
          fmt::format("{} has {} bytes of configuration space", to_string(function.address), size),
          "256 or 4096 bytes: run `lspci -xxxx` as root");
    }
    for (std::size_t i = 0; i < size; ++i) {
      if (given_[i]) continue;
      return fail_at(function.line, 1,
                     fmt::format("{} lacks the byte at {:02x}", to_string(function.address), i),
                     "all bytes from 00 on");
    }
  }

  LspciDump dump_;
  std::optional<DumpError> error_;
  std::vector<bool> given_;
  unsigned line_ = 0;
  bool open_ = false;
};

}  // namespace

std::expected<LspciDump, DumpError> parse_lspci(std::string_view text) {
  return Parser().parse(text);
}

}  // namespace baton::pci
