// Field rows: how a register of configuration space is declared. One constexpr row per field, in
// the specification's order and spelling; the write masks, the reset behaviour and the register
// names in reports all come from these rows, and a table with an overlap or a gap does not compile.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace baton::pci {

// What a software write does to a field [PCIe 7.4].
enum class Access : std::uint8_t {
  kRo,      // read only
  kRw,      // read-write
  kRw1c,    // write 1 to clear
  kHwInit,  // fixed by hardware or firmware; read only here
  kRsvdP,   // reserved, preserved: reads as it is, not writable
  kRsvdZ,   // reserved, zero
  kTrigger  // a written 1 starts something; always reads 0
};

// Which resets leave a field alone [PCIe 6.6, 7.4]. Every field survives a reset that is weaker
// than the named one.
enum class Keeps : std::uint8_t {
  kNothing,        // any reset sets it to its reset value
  kFunctionLevel,  // kept by function level reset (MPS, link control)
  kSticky,         // kept by all but power-on
};

struct Field {
  std::string_view register_name;
  std::uint16_t offset;  // of the register, from the start of its structure
  std::uint8_t bytes;    // width of the register
  std::uint8_t high;
  std::uint8_t low;
  Access access;
  std::string_view name;
  Keeps keeps = Keeps::kNothing;
  std::uint32_t reset = 0;  // used where the true reset value of a writable field is not recorded

  constexpr std::uint32_t mask() const {
    const std::uint64_t width = std::uint64_t{1} << (high - low + 1);
    return static_cast<std::uint32_t>((width - 1) << low);
  }
};

// True when the rows of each register cover all its bits exactly once, lie inside its width, and
// come in ascending order of registers. To be used in a static_assert.
consteval bool tiles(std::span<const Field> rows) {
  std::size_t i = 0;
  while (i < rows.size()) {
    const Field& first = rows[i];
    const std::uint64_t full = (std::uint64_t{1} << (first.bytes * 8)) - 1;
    std::uint64_t seen = 0;
    while (i < rows.size() && rows[i].offset == first.offset) {
      const Field& row = rows[i];
      if (row.high < row.low || row.high >= row.bytes * 8 || row.bytes != first.bytes ||
          (seen & row.mask()) != 0 || row.register_name != first.register_name) {
        return false;
      }
      seen |= row.mask();
      ++i;
    }
    if (seen != full) return false;
    if (i < rows.size() && rows[i].offset < first.offset + first.bytes) return false;
  }
  return true;
}

}  // namespace baton::pci
