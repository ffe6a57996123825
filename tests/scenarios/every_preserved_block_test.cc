// Law 2, without exception: take any one block out of what quickstart's kernel hands over, and an
// invariant fires.
//
// The reader of the preserved-memory map shares no code with the model. The test removes one key at
// the instant of the jump, as if the kernel had never preserved that block.
#include <algorithm>

#include "harness/run/host_builder.h"
#include "harness/run/run.h"
#include "tests/scenarios/preserved_walk.h"
#include "tests/support/source_dir.h"

using namespace baton;
using namespace baton::harness;
using test::Key;
using test::preserved_blocks;
using test::word;

namespace {

const std::string kFolder = testing::source_dir() + "/scenarios";

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
