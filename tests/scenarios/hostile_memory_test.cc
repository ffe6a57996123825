// What a kernel hands over is damaged at the instant of the jump, in hundreds of ways: single bits,
// pointers that lead outside, to themselves or to something else, counts and lengths, tails cut
// off. The next kernel refuses, panics or goes on as a real one would; baton never crashes, hangs
// or reads outside the machine's memory (which is a bug that throws).
#include <algorithm>
#include <bit>

#include "harness/run/host_builder.h"
#include "harness/run/run.h"
#include "sim/random.h"
#include "tests/scenarios/preserved_walk.h"
#include "tests/support/source_dir.h"

using namespace baton;
using namespace baton::harness;

namespace {

constexpr std::uint64_t kPage = sim::kPageSize;
constexpr std::size_t kLongRun = 48;  // guest memory, its page tables, arrays of folios

// Pages that hold structures: the root FDT, the tree's own tables, and preserved blocks but for
// long runs of neighbours.
std::vector<std::uint64_t> structure_pages(sim::PhysicalMemory& memory,
                                           const host::KexecImage& image) {
  std::vector<test::Key> keys = test::preserved_blocks(memory, image);
  std::ranges::sort(keys, {}, &test::Key::start);
  std::vector<std::uint64_t> pages{test::fdt_address(memory, image.setup_data.value())};
  for (const test::Key& key : keys) pages.push_back(key.leaf_word / kPage * kPage);
  for (std::size_t first = 0; first < keys.size();) {
    std::size_t last = first;
    while (last + 1 < keys.size() &&
           keys[last + 1].start == keys[last].start + (kPage << keys[last].order)) {
      ++last;
    }
    if (last - first < kLongRun) {
      for (std::size_t i = first; i <= last; ++i) pages.push_back(keys[i].start);
    }
    first = last + 1;
  }
  std::ranges::sort(pages);
  pages.erase(std::unique(pages.begin(), pages.end()), pages.end());
  std::erase_if(pages, [&](std::uint64_t page) { return !memory.contains(PhysAddr(page), kPage); });
  return pages;
}

// The words of a page that are not zero; damage elsewhere would mostly go unread.
std::vector<std::uint64_t> used_words(sim::PhysicalMemory& memory, std::uint64_t page) {
  std::vector<std::uint64_t> words;
  for (std::uint64_t at = page; at < page + kPage; at += 8) {
    if (test::word(memory, at) != 0) words.push_back(at);
  }
  return words;
}

enum class Damage : std::uint8_t {
  kBit,
  kOutside,
  kItself,
  kOther,
  kUnaligned,
  kOnes,
  kCut,
  kCount
};

void damage(sim::PhysicalMemory& memory, const std::vector<std::uint64_t>& pages,
            sim::Random& random) {
  const std::uint64_t page = pages[random.below(pages.size())];
  const std::vector<std::uint64_t> words = used_words(memory, page);
  if (words.empty()) return;
  const std::uint64_t at = words[random.below(words.size())];
  const std::uint64_t old = test::word(memory, at);
  const auto put = [&](std::uint64_t value) { memory.store<std::uint64_t>(PhysAddr(at), value); };
  const auto kind = static_cast<Damage>(random.below(static_cast<std::uint64_t>(Damage::kCount)));
  const std::uint64_t bit = random.below(64);
  const std::uint64_t other = pages[random.below(pages.size())];
  switch (kind) {
    case Damage::kBit:
      return put(old ^ std::uint64_t{1} << bit);
    case Damage::kOutside:
      return put(0x0000'7FFF'FFFF'F000);
    case Damage::kItself:
      return put(page);
    case Damage::kOther:
      return put(other);
    case Damage::kUnaligned:
      return put(old + 1 + bit);
    case Damage::kOnes:
      return put(~std::uint64_t{0});
    case Damage::kCut:
      for (const std::uint64_t word : words) {
        if (word >= at) memory.store<std::uint64_t>(PhysAddr(word), 0);
      }
      return;
    case Damage::kCount:
      return;
  }
}

void damage_and_run(unsigned tries) {
  const Loaded loaded = check_scenario(
      testing::source_dir() + "/scenarios/quickstart.yaml",
      {"vms[0].memory=16MiB", "vms[0].workload.rate=10MB/s", "vms[0].workload.depth=4"});
  REQUIRE(loaded.good());
  std::vector<std::uint64_t> pages;
  RunOptions look;
  look.at_jump = [&](sim::PhysicalMemory& memory, const host::KexecImage& image) {
    pages = structure_pages(memory, image);
  };
  const RunResult intact = run_scenario(loaded, look);
  REQUIRE(pages.size() > 20);

  unsigned noticed = 0;
  for (unsigned i = 0; i < tries; ++i) {
    sim::Random random(i, "hostile-memory");
    RunOptions hostile;
    hostile.at_jump = [&](sim::PhysicalMemory& memory, const host::KexecImage&) {
      const std::uint64_t count = 1 + random.below(3);
      for (std::uint64_t n = 0; n < count; ++n) damage(memory, pages, random);
    };
    INFO("try " << i);
    try {
      const RunResult result = run_scenario(loaded, hostile);
      if (result.fingerprint != intact.fingerprint) ++noticed;
    } catch (const std::exception& bug) {
      FAIL_CHECK(bug.what());
    }
  }
  CHECK(noticed > tries / 4);
}

}  // namespace

TEST_CASE(
    "damaged preserved memory is refused, or survived, and never a crash or a hang of baton") {
  damage_and_run(160);
}

TEST_CASE("thousands of damages to preserved memory", "[.thousands]") { damage_and_run(5000); }
