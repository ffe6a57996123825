// What a kernel hands over, found by a reader that shares no code with the model: from the image's
// setup_data to the root FDT, to the tree of preserved blocks, to every block.
#pragma once

#include <libfdt.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "model/host/handoff.h"
#include "sim/memory.h"

namespace baton::test {

// One bit of a leaf of the tree: a preserved block.
struct Key {
  std::uint64_t leaf_word = 0;  // physical address of the 64-bit word
  unsigned bit = 0;
  std::uint64_t start = 0;
  unsigned order = 0;
};

inline std::uint64_t word(sim::PhysicalMemory& memory, std::uint64_t address) {
  return memory.load<std::uint64_t>(PhysAddr(address));
}

// setup_data: u64 next, u32 type, u32 length, payload; type 10 carries u64 FDT address first.
inline std::uint64_t fdt_address(sim::PhysicalMemory& memory, std::uint64_t setup_data) {
  while (setup_data != 0 && memory.load<std::uint32_t>(PhysAddr(setup_data + 8)) != 10) {
    setup_data = word(memory, setup_data);
  }
  REQUIRE(setup_data != 0);
  return word(memory, setup_data + 16);
}

// A table of level n has 512 children; a leaf has 32768 bits. A key's highest set bit is 52 -
// order, the rest is the block's number.
inline void collect(sim::PhysicalMemory& memory, std::uint64_t table, unsigned level,
                    std::uint64_t prefix, std::vector<Key>& keys) {
  if (level > 0) {
    for (std::uint64_t i = 0; i < 512; ++i) {
      const std::uint64_t child = word(memory, table + 8 * i);
      if (child != 0) collect(memory, child, level - 1, prefix << 9 | i, keys);
    }
    return;
  }
  for (std::uint64_t i = 0; i < 512; ++i) {
    const std::uint64_t bits = word(memory, table + 8 * i);
    for (unsigned bit = 0; bit < 64; ++bit) {
      if ((bits >> bit & 1) == 0) continue;
      const std::uint64_t key = prefix << 15 | i * 64 | bit;
      unsigned highest = 63;
      while ((key >> highest & 1) == 0) --highest;
      const unsigned order = 52 - highest;
      const std::uint64_t number = key ^ std::uint64_t{1} << highest;
      keys.push_back({table + 8 * i, bit, number << (12 + order), order});
    }
  }
}

inline std::vector<Key> preserved_blocks(sim::PhysicalMemory& memory,
                                         const host::KexecImage& image) {
  const std::uint64_t fdt = fdt_address(memory, image.setup_data.value());
  std::vector<std::byte> bytes(sim::kPageSize);
  memory.read(PhysAddr(fdt), bytes);
  REQUIRE(fdt_check_header(bytes.data()) == 0);
  int length = 0;
  const void* property = fdt_getprop(bytes.data(), 0, "preserved-memory-map", &length);
  REQUIRE(length == 8);
  std::uint64_t root = 0;
  std::memcpy(&root, property, sizeof(root));
  std::vector<Key> keys;
  collect(memory, root, 5, 0, keys);
  return keys;
}

}  // namespace baton::test
