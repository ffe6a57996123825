// Values with units, read exactly in integers: "64GiB", "1.5ms", "200MB/s". A unit is mandatory.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "sim/time.h"

namespace baton::harness {

// The value in base units (bytes; picoseconds; bytes per second; ones), or why it cannot be read.
using ParsedValue = std::expected<std::uint64_t, std::string>;

ParsedValue parse_size(std::string_view text);
ParsedValue parse_duration(std::string_view text);
ParsedValue parse_rate(std::string_view text);
// Decimal, or hexadecimal with 0x.
ParsedValue parse_number(std::string_view text);

// The shortest exact text: 65536 is "64KiB".
std::string format_size(std::uint64_t bytes);
// 1500000000 is "1500us".
std::string format_duration(std::uint64_t picoseconds);
// 100000000 is "100MB/s".
std::string format_rate(std::uint64_t bytes_per_second);

}  // namespace baton::harness
