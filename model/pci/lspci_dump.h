// Reads the output of `lspci -xxxx`: the configuration bytes of every function of a host
// [pciutils lib/dump.c; the same grammar as `lspci -F`, with errors that name their place].
//
// Accepted: with or without -D domains, functions of 256 and of 4096 bytes in one file, the text
// that -v adds (of which only "[size=...]" of a region is used), CR LF. Refused: functions with
// fewer than 256 bytes (lspci without root rights shows 64), a hex line that is not one, an address
// given twice.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "sim/address.h"

namespace baton::pci {

struct DumpError {
  unsigned line = 0;    // from 1; 0: the file as a whole
  unsigned column = 0;  // from 1
  std::string message;
  std::string expected;
};

struct DumpedFunction {
  Sbdf address;
  std::string description;                      // "NVMe storage controller: ..."
  std::vector<std::byte> bytes;                 // 256 or 4096
  std::array<std::uint64_t, 7> region_sizes{};  // of -vv text: BARs 0..5, ROM; 0 unknown
  unsigned line = 0;
};

struct LspciDump {
  std::vector<DumpedFunction> functions;  // in the order of the file
};

std::expected<LspciDump, DumpError> parse_lspci(std::string_view text);

}  // namespace baton::pci
