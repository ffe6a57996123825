// Law 2, without exception: take any one block out of what quickstart's kernel hands over, and an
// invariant fires.
//
// The reader of the preserved-memory map below shares no code with the model. It removes one key at
// the instant of the jump, as if the kernel had never preserved that block.
#include <libfdt.h>

#include <algorithm>
#include <cstring>

#include "harness/run/host_builder.h"
#include "harness/run/run.h"
#include "tests/support/source_dir.h"

using namespace baton;
using namespace baton::harness;

namespace {

const std::string kFolder = testing::source_dir() + "/scenarios";

// One bit of a leaf of the tree: a preserved block.
struct Key {
  std::uint64_t leaf_word = 0;  // physical address of the 64-bit word
  unsigned bit = 0;
  std::uint64_t start = 0;
  unsigned order = 0;
};

std::uint64_t word(sim::PhysicalMemory& memory, std::uint64_t address) {
  return memory.load<std::uint64_t>(PhysAddr(address));
}

// setup_data: u64 next, u32 type, u32 length, payload; type 10 carries u64 FDT address first.
std::uint64_t fdt_address(sim::PhysicalMemory& memory, std::uint64_t setup_data) {
  while (setup_data != 0 && memory.load<std::uint32_t>(PhysAddr(setup_data + 8)) != 10) {
    setup_data = word(memory, setup_data);
  }
  REQUIRE(setup_data != 0);
  return word(memory, setup_data + 16);
}

// A table of level n has 512 children; a leaf has 32768 bits. A key's highest set bit is 52 -
// order, the rest is the block's number.
void collect(sim::PhysicalMemory& memory, std::uint64_t table, unsigned level, std::uint64_t prefix,
             std::vector<Key>& keys) {
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

std::vector<Key> preserved_blocks(sim::PhysicalMemory& memory, const host::KexecImage& image) {
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

// The blocks to try: all, but of a run of neighbours of one order (page tables, folio arrays, guest
// memory) its ends and every so many in between.
std::vector<Key> worth_trying(std::vector<Key> keys) {
  std::ranges::sort(keys, [](const Key& a, const Key& b) {
    return a.order != b.order ? a.order < b.order : a.start < b.start;
  });
  std::vector<Key> result;
  for (std::size_t first = 0; first < keys.size();) {
    std::size_t last = first;
    while (last + 1 < keys.size() && keys[last + 1].order == keys[first].order &&
           keys[last + 1].start == keys[last].start + (sim::kPageSize << keys[last].order)) {
      ++last;
    }
    const std::size_t length = last - first + 1;
    const std::size_t stride = length <= 16 ? 1 : length <= 1024 ? 24 : length / 8;
    for (std::size_t i = first; i < last; i += stride) {
      result.push_back(keys[i]);
    }
    result.push_back(keys[last]);
    first = last + 1;
  }
  return result;
}

}  // namespace

TEST_CASE("with any single preserved block forgotten, an invariant fires") {
  const Loaded loaded = check_scenario(kFolder + "/quickstart.yaml");
  REQUIRE(loaded.good());
  std::vector<Key> keys;
  RunOptions look;
  look.at_jump = [&](sim::PhysicalMemory& memory, const host::KexecImage& image) {
    keys = preserved_blocks(memory, image);
  };
  REQUIRE(run_scenario(loaded, look).passed());
  REQUIRE(keys.size() > 65536);

  const std::vector<Key> tries = worth_trying(keys);
  CHECK(tries.size() > 30);
  for (const Key& key : tries) {
    RunOptions forget;
    forget.at_jump = [&](sim::PhysicalMemory& memory, const host::KexecImage&) {
      const std::uint64_t bits = word(memory, key.leaf_word);
      REQUIRE((bits >> key.bit & 1) == 1);
      memory.store<std::uint64_t>(PhysAddr(key.leaf_word), bits ^ std::uint64_t{1} << key.bit);
    };
    const RunResult result = run_scenario(loaded, forget);
    const bool fired = std::ranges::any_of(
        result.verdicts, [](const InvariantVerdict& verdict) { return verdict.violations != 0; });
    if (!fired) {
      FAIL_CHECK(fmt::format("nothing fires without the block of order {} at {:#x}", key.order,
                             key.start));
    }
  }
}
