// Preserving a memfd while memory runs out, at every allocation there is; and empty files [linux
// mm/memfd_luo.c].
#include <set>

#include "model/kho/radix_tree.h"
#include "model/kho/root_fdt.h"
#include "model/luo/memfd/memfd.h"
#include "model/luo/memfd/memfd_abi.h"
#include "tests/support/two_kernels.h"

namespace {

using namespace baton;
using namespace baton::luo;
using linux::Errno;
using test::LuoKernel;

constexpr std::uint64_t kPages = 600;  // three pages of records

std::set<std::uint64_t> preserved(LuoKernel& kernel, std::uint64_t& tables) {
  std::set<std::uint64_t> blocks;
  const auto fdt = kho::load_fdt(kernel.port.ram(), kernel.kho.outgoing_fdt(), sim::kPageSize);
  tables = 0;
  CHECK(kho::walk_preserved(
      kernel.port.ram(), *kho::memory_map_of(*fdt),
      [&](PhysAddr block, unsigned) { blocks.insert(block.value()); },
      [&](PhysAddr) { ++tables; }));
  return blocks;
}

// Takes all memory but `left` single pages.
std::vector<PhysAddr> take_all(linux::PageAllocator& pages, std::size_t left) {
  std::vector<PhysAddr> taken;
  for (unsigned order = linux::kMaxPageOrder + 1; order-- > 0;) {
    for (auto block = pages.allocate(order, "hog"); block; block = pages.allocate(order, "hog")) {
      taken.push_back(*block);
    }
  }
  for (; left > 0; --left) {
    pages.free(taken.back());
    taken.pop_back();
  }
  return taken;
}

Co<> runs_short(LuoKernel& kernel) {
  MemfdSubsystem memfds(kernel.services, kernel.kho, kernel.luo);
  memfds.init();
  auto& pages = kernel.services.pages();
  // Single pages to run out of: what is taken last is what is left.
  std::vector<PhysAddr> small;
  for (int i = 0; i < 2048; ++i) {
    small.push_back(*pages.allocate(0, "small"));
  }
  for (std::size_t i = 0; i < small.size(); i += 2) {
    pages.free(small[i]);
  }
  Memfd& memfd = *memfds.from_file(**memfds.create("guest"));
  const auto sized = co_await memfd.truncate(kPages * sim::kPageSize);
  CHECK(sized.has_value());
  for (std::uint64_t page = 0; page < kPages; page += 2) {
    CHECK(memfd.fault(page * sim::kPageSize, true).has_value());
  }
  std::size_t failures = 0;
  for (std::size_t left = 0; left < 700; ++left) {
    std::uint64_t tables_before = 0;
    const auto keys = preserved(kernel, tables_before);
    const std::uint64_t books = pages.free_pages() + tables_before + memfd.folios();
    FileArgs args;
    args.file = &memfd;
    const std::vector<PhysAddr> taken = take_all(pages, left);
    const auto done = co_await memfds.preserve(args);
    for (const PhysAddr block : taken) {
      pages.free(block);
    }
    std::uint64_t tables = 0;
    if (done) {
      CHECK(preserved(kernel, tables).size() >= keys.size() + kPages);
      co_await memfds.unpreserve(args);
    } else {
      ++failures;
      CHECK(done.error() == Errno::kNoMem);
    }
    // No key, no page but filled holes and tables, no reference, no freeze is left.
    CHECK(preserved(kernel, tables) == keys);
    CHECK(pages.free_pages() + tables + memfd.folios() == books);
    const auto page = memfd.fault(0, true);
    CHECK(pages.page(page->address).refcount == 1);
    const auto grown = co_await memfd.truncate(kPages * sim::kPageSize + 1);
    CHECK(grown.has_value());
    const auto back = co_await memfd.truncate(kPages * sim::kPageSize);
    CHECK(back.has_value());
    if (done) break;
  }
  CHECK(failures >= 5);
}

Co<> preserves_nothing(LuoKernel& kernel, std::uint64_t& record) {
  MemfdSubsystem memfds(kernel.services, kernel.kho, kernel.luo);
  memfds.init();
  Memfd& memfd = *memfds.from_file(**memfds.create("empty"));
  CHECK(memfd.add_seals(kSealGrow).has_value());
  const auto moved = co_await memfd.seek(77, 0);
  CHECK(moved == 77U);
  FileArgs args;
  args.file = &memfd;
  const auto done = co_await memfds.preserve(args);
  CHECK(done.has_value());
  record = args.serialized_data;
  const auto bytes = kernel.port.ram().load<abi::MemfdRecord>(PhysAddr(record));
  CHECK(bytes.size == 0);
  CHECK(bytes.nr_folios == 0);
  CHECK(bytes.folios.first_chunk == 0);
  CHECK(bytes.folios.total_pages == 0);
  CHECK(bytes.seals == kSealGrow);
  // Seals set later are not in the record, and are lost.
  CHECK(memfd.add_seals(kSealShrink).has_value());
  co_await kernel.jump();
}

Co<> finds_nothing(LuoKernel& kernel, const std::uint64_t& record) {
  MemfdSubsystem memfds(kernel.services, kernel.kho, kernel.luo);
  memfds.init();
  FileArgs args;
  args.serialized_data = record;
  const auto file = co_await memfds.retrieve(args);
  REQUIRE(file.has_value());
  Memfd& memfd = *memfds.from_file(**file);
  CHECK(memfd.size() == 0);
  CHECK(memfd.folios() == 0);
  CHECK(memfd.seals() == kSealGrow);
  const auto where = co_await memfd.seek(0, 1);
  CHECK(where == 77U);
}

}  // namespace

TEST_CASE("when memory runs out at any point, a memfd is as it was before preserve") {
  test::WorldConfig config;
  config.memory = std::uint64_t{128} << 20;
  test::TwoKernels<LuoKernel> world({runs_short}, config);
  world.run();
  CHECK(world.panic().empty());
  CHECK(world.completed(0));
}

TEST_CASE("an empty memfd crosses a kexec with its position and its seals, and without an array") {
  std::uint64_t record = 0;
  test::TwoKernels<LuoKernel> world(
      {[&](LuoKernel& kernel) { return preserves_nothing(kernel, record); },
       [&](LuoKernel& kernel) { return finds_nothing(kernel, record); }});
  world.run();
  CHECK(world.panic().empty());
  CHECK(world.completed(1));
}
