// Field rows: how a register or a table entry is declared, once. Reading, software writes, reserved
// bit checks and printing all come from the rows; rows that overlap or leave bits out do not
// compile.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace baton::iommu_vtd {

enum class Access : std::uint8_t {
  kReadOnly,  // hardware sets it, software writes are ignored
  kReadWrite,
  kWriteOneClear,  // software clears it by writing 1
  kWriteOnly,      // reads 0
  kReserved,       // reads 0; in a table entry: must be 0
  kIgnored,        // in a table entry: free for software
};

// Bits high..low of a register, or of an entry of up to 512 bits; never across a 64-bit word.
struct Field {
  std::string_view name;
  unsigned high;
  unsigned low;
  Access access = Access::kReadWrite;
  bool sticky = false;  // survives every reset but power-on

  constexpr unsigned word() const { return low / 64; }
  constexpr unsigned shift() const { return low % 64; }
  // The field's bits within its word.
  constexpr std::uint64_t mask() const {
    return ((std::uint64_t{2} << (high - low)) - 1) << shift();
  }
};

constexpr std::uint64_t get(const Field& field, std::uint64_t word) {
  return (word & field.mask()) >> field.shift();
}

constexpr std::uint64_t with(const Field& field, std::uint64_t word, std::uint64_t value) {
  return (word & ~field.mask()) | (value << field.shift() & field.mask());
}

// Do the rows cover each of `bits` bits exactly once?
constexpr bool covers(std::span<const Field> fields, unsigned bits) {
  unsigned covered = 0;
  std::array<std::uint64_t, 8> seen{};
  for (const Field& field : fields) {
    if (field.high < field.low || field.high >= bits || field.high / 64 != field.low / 64 ||
        (seen[field.word()] & field.mask()) != 0) {
      return false;
    }
    seen[field.word()] |= field.mask();
    covered += field.high - field.low + 1;
  }
  return covered == bits;
}

// All bits of one 64-bit word that have this access.
constexpr std::uint64_t mask_of(std::span<const Field> fields, Access access, unsigned word = 0) {
  std::uint64_t mask = 0;
  for (const Field& field : fields) {
    if (field.access == access && field.word() == word) {
      mask |= field.mask();
    }
  }
  return mask;
}

// "P=1 FPD=0 DID=2a": every field but reserved ones, in hexadecimal.
std::string print(std::span<const Field> fields, std::span<const std::uint64_t> words);

}  // namespace baton::iommu_vtd
