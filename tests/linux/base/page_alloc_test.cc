// The page allocator [linux mm/page_alloc.c, mm/memblock.c].
#include "model/linux/base/page_alloc.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "model/host/machine.h"
#include "sim/simulation.h"

namespace {

using namespace baton;
using namespace baton::linux;

constexpr std::uint64_t kMiB = 1 << 20;

struct World {
  explicit World(std::uint64_t memory, unsigned generation = 0)
      : simulation(1), machine(simulation, config(memory)), port(machine, generation) {
    machine.finish_firmware();
  }

  static host::MachineConfig config(std::uint64_t memory) {
    host::MachineConfig config;
    config.memory = memory;
    return config;
  }

  // A booted kernel's allocator: everything released.
  std::unique_ptr<PageAllocator> booted() {
    auto pages = std::make_unique<PageAllocator>(port, std::vector<sim::PhysRange>{});
    pages->release_all(false);
    return pages;
  }

  std::uint64_t word(PhysAddr address) { return port.ram().load<std::uint64_t>(address); }

  sim::Simulation simulation;
  host::Machine machine;
  host::KernelPort port;
};

PhysAddr taken(PageAllocator& pages, unsigned order) {
  const Result<PhysAddr> block = pages.allocate(order, "test");
  REQUIRE(block.has_value());
  return *block;
}

std::uint64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t total = 0;
  std::uint64_t resident = 0;
  statm >> total >> resident;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace

TEST_CASE("an order is the smallest that holds the bytes") {
  CHECK(order_of(1) == 0);
  CHECK(order_of(4096) == 0);
  CHECK(order_of(4097) == 1);
  CHECK(order_of(3 * 4096) == 2);
  CHECK(order_of(4 * kMiB) == kMaxPageOrder);
}

TEST_CASE("a block is zeroed, aligned to its size and outside the first MiB") {
  World world(64 * kMiB);
  const auto pages = world.booted();
  for (unsigned order = 0; order <= kMaxPageOrder; ++order) {
    const PhysAddr block = taken(*pages, order);
    CHECK(block.value() % (sim::kPageSize << order) == 0);
    CHECK(block.value() >= kMiB);
    CHECK(pages->is_allocated(block + ((sim::kPageSize << order) - 1)));
    world.port.ram().store(block, std::uint64_t{1});
    pages->free(block);
    CHECK_FALSE(pages->is_allocated(block));
    const PhysAddr again = taken(*pages, order);
    CHECK(world.word(again) == 0);
    pages->free(again);
  }
  CHECK(pages->allocate(kMaxPageOrder + 1, "test").error() == Errno::kNoMem);
}

TEST_CASE("memory runs out with ENOMEM, and freed buddies merge again") {
  World world(32 * kMiB);
  const auto pages = world.booted();
  const std::uint64_t free_at_first = pages->free_pages();
  CHECK(free_at_first > 24 * kMiB / sim::kPageSize);
  std::vector<PhysAddr> blocks;
  for (;;) {
    const Result<PhysAddr> block = pages->allocate(0, "test");
    if (!block) {
      CHECK(block.error() == Errno::kNoMem);
      break;
    }
    blocks.push_back(*block);
  }
  CHECK(blocks.size() == free_at_first);
  CHECK(pages->free_pages() == 0);
  std::sort(blocks.begin(), blocks.end());
  CHECK(std::adjacent_find(blocks.begin(), blocks.end()) == blocks.end());
  // Every other page first, so that no two neighbours are free, then the rest.
  for (std::size_t start : {0U, 1U}) {
    for (std::size_t i = start; i < blocks.size(); i += 2) {
      pages->free(blocks[i]);
    }
  }
  CHECK(pages->free_pages() == free_at_first);
  for (int i = 0; i < 6; ++i) {
    CHECK(pages->allocate(kMaxPageOrder, "test").has_value());
  }
}

TEST_CASE("the largest blocks are taken from above 4 GiB first") {
  World world(8192 * kMiB);
  const auto pages = world.booted();
  CHECK(taken(*pages, kMaxPageOrder).value() >= std::uint64_t{1} << 32);
}

TEST_CASE("memory that nobody reserved is lost when a new kernel releases it") {
  World world(64 * kMiB, 1);
  const PhysAddr preserved(16 * kMiB);
  const PhysAddr forgotten(17 * kMiB);
  world.port.ram().store(preserved, std::uint64_t{42});
  world.port.ram().store(forgotten, std::uint64_t{43});
  std::vector<sim::PhysRange> kept;
  world.simulation.topic<MemoryReleased>().subscribe([&kept](const MemoryReleased& released) {
    kept.assign(released.kept.begin(), released.kept.end());
  });

  PageAllocator pages(world.port, {{PhysAddr(32 * kMiB), 8 * kMiB}});
  const PhysAddr early = taken(pages, 0);
  CHECK(early.value() >= 32 * kMiB);
  CHECK(early.value() < 40 * kMiB);
  world.port.ram().store(early, std::uint64_t{44});
  pages.reserve({preserved, sim::kPageSize}, "preserved");
  pages.release_all(true);

  CHECK(world.word(preserved) == 42);
  CHECK(world.word(early) == 44);
  CHECK(world.word(forgotten) ==
        sim::PhysicalMemory::pattern(1, forgotten.value() / sim::kPageSize));
  const auto in_kept = [&kept](PhysAddr address) {
    return std::any_of(kept.begin(), kept.end(),
                       [address](const sim::PhysRange& range) { return range.contains(address); });
  };
  CHECK(in_kept(preserved));
  CHECK(in_kept(early));
  CHECK(in_kept(world.port.memory_map().rsdp));
  CHECK_FALSE(in_kept(forgotten));
}

TEST_CASE("reserved and early memory is never given out, overlapping or outside of RAM") {
  World world(32 * kMiB, 1);
  PageAllocator pages(world.port, {{PhysAddr(8 * kMiB), 4 * kMiB}});
  pages.reserve({PhysAddr(9 * kMiB), 2 * kMiB}, "preserved");
  pages.reserve({PhysAddr(10 * kMiB), 3 * kMiB}, "preserved");
  pages.reserve({PhysAddr(8 * kMiB), sim::kPageSize}, "preserved");
  pages.reserve({PhysAddr(31 * kMiB), 1024 * kMiB}, "preserved");
  pages.reserve({PhysAddr(UINT64_MAX & ~std::uint64_t{0xFFF}), sim::kPageSize}, "preserved");
  const sim::PhysRange reserved{PhysAddr(9 * kMiB), 4 * kMiB};
  std::vector<PhysAddr> early;
  while (const Result<PhysAddr> block = pages.allocate(0, "early")) {
    early.push_back(*block);
    CHECK_FALSE(reserved.contains(*block));
  }
  CHECK(early.size() == kMiB / sim::kPageSize - 1);
  pages.free(early.back());
  early.pop_back();
  pages.release_all(true);
  while (const Result<PhysAddr> block = pages.allocate(0, "late")) {
    const bool refused = reserved.contains(*block) || block->value() >= 31 * kMiB ||
                         std::find(early.begin(), early.end(), *block) != early.end();
    REQUIRE_FALSE(refused);
  }
}

TEST_CASE("avoided ranges stay free and unused") {
  World world(32 * kMiB, 1);
  const sim::PhysRange scratch{PhysAddr(16 * kMiB), 8 * kMiB};
  PageAllocator pages(world.port, {scratch});
  const std::array avoids{scratch};
  pages.set_unmovable_avoids(avoids);
  const PhysAddr early = taken(pages, 2);
  CHECK(scratch.contains(early));
  pages.release_all(true);
  const std::uint64_t free_pages = pages.free_pages();
  pages.free(early);
  CHECK(pages.free_pages() == free_pages + 4);
  std::uint64_t count = 0;
  while (const Result<PhysAddr> block = pages.allocate(0, "late")) {
    REQUIRE_FALSE(scratch.contains(*block));
    ++count;
  }
  CHECK(count + scratch.length / sim::kPageSize == free_pages + 4);
}

TEST_CASE("a block with two references is free after the second put") {
  World world(32 * kMiB);
  const auto pages = world.booted();
  std::vector<PagesFreed> freed;
  world.simulation.topic<PagesFreed>().subscribe(
      [&freed](const PagesFreed& event) { freed.push_back(event); });
  const PhysAddr block = taken(*pages, 1);
  pages->get(block);
  pages->free(block);
  CHECK(pages->is_allocated(block));
  CHECK(freed.empty());
  pages->free(block);
  REQUIRE(freed.size() == 1);
  CHECK(freed[0].range == sim::PhysRange{block, 2 * sim::kPageSize});
  CHECK_THROWS_AS(pages->free(block), sim::BugError);
}

TEST_CASE("restored memory is adopted, split and freed page by page") {
  World world(32 * kMiB, 1);
  PageAllocator pages(world.port, {});
  const PhysAddr block(8 * kMiB);
  pages.reserve({block, 4 * sim::kPageSize}, "preserved");
  pages.release_all(true);
  const std::uint64_t before = pages.free_pages();
  CHECK_FALSE(pages.is_allocated(block));
  pages.adopt(block, 2, "restored");
  CHECK(pages.page(block).refcount == 1);
  CHECK_THROWS_AS(pages.adopt(block, 2, "restored"), sim::BugError);
  pages.split(block);
  for (std::uint64_t i = 0; i < 4; ++i) {
    CHECK(pages.page(block + i * sim::kPageSize).order == 0);
    pages.free(block + i * sim::kPageSize);
  }
  CHECK(pages.free_pages() == before + 4);
}

TEST_CASE("64 GiB of RAM cost the program nothing until they are touched") {
  World world(std::uint64_t{64} << 30);
  const std::uint64_t before = resident_bytes();
  const auto pages = world.booted();
  for (int i = 0; i < 65536; ++i) {
    REQUIRE(pages->allocate(0, "memfd").has_value());
  }
  CHECK(resident_bytes() - before < 32 * kMiB);
}

TEST_CASE("a page inside a block stands for its block") {
  World world(32 * kMiB);
  const auto pages = world.booted();
  const std::uint64_t before = pages->free_pages();
  const PhysAddr block = taken(*pages, 9);
  pages->get(block + 0x5000);
  CHECK(pages->page(block).refcount == 2);
  pages->free(block + 0x1FF000);
  CHECK(pages->is_allocated(block + 0x1000));
  pages->free(block + 0x1000);
  CHECK(pages->free_pages() == before);
  CHECK_THROWS_AS(pages->free(block + 0x1000), sim::BugError);
}
