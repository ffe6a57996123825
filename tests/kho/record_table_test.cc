// Records of one size for the next kernel.
#include "model/kho/record_table.h"

#include "tests/support/two_kernels.h"

namespace {

using namespace baton;
using linux::Errno;
using test::KhoKernel;
using World = test::TwoKernels<KhoKernel>;

struct Item {
  std::uint32_t id = 0;
  std::uint32_t used = 0;
  bool in_use() const { return used != 0; }
};

using Table = kho::RecordTable<Item>;

Table table_of(KhoKernel& kernel, std::uint32_t version = 7) {
  return Table(kernel.services, kernel.kho, version, "items", "items block");
}

void add(Table& table, std::uint32_t id) {
  const auto place = table.reserve();
  REQUIRE(place);
  table.write(*place, {id, 1});
}

// Three records, one of them dropped, then `damage` to the page.
Co<> write_some(KhoKernel& kernel, PhysAddr& page,
                std::function<void(sim::PhysicalMemory&, PhysAddr)> damage) {
  Table table = table_of(kernel);
  const auto created = table.create();
  REQUIRE(created);
  page = *created;
  for (std::uint32_t id = 1; id <= 3; ++id) add(table, id);
  table.drop_if([](const Item& item) { return item.id == 2; });
  sim::PhysicalMemory& ram = kernel.port.ram();
  CHECK(ram.load<std::uint32_t>(page) == 7);
  CHECK(ram.load<std::uint32_t>(page + 4) == 2);
  const PhysAddr block(ram.load<std::uint64_t>(page + 8));
  CHECK(ram.load<std::uint64_t>(block + 16 + 8) == 0);  // zeroed
  add(table, 4);
  CHECK(ram.load<std::uint32_t>(block + 16 + 8) == 4);  // used again
  CHECK(table.find_if([](const Item& item) { return item.id == 2; }) == nullptr);
  if (damage) damage(ram, page);
  co_await kernel.jump();
}

Co<> read_them(KhoKernel& kernel, const PhysAddr& page, std::optional<Errno> expected) {
  Table table = table_of(kernel);
  const auto records = table.restore(page);
  if (expected) {
    CHECK(records.error() == *expected);
    co_return;
  }
  REQUIRE(records);
  std::vector<std::uint32_t> ids;
  for (const Item& item : *records) ids.push_back(item.id);
  CHECK(ids == std::vector<std::uint32_t>{1, 4, 3});
  CHECK(table.restored());
  table.free_restored();
  CHECK_FALSE(table.restored());
  CHECK_FALSE(kernel.kho.restore_folio(page).has_value());  // given back
}

void run(std::function<void(sim::PhysicalMemory&, PhysAddr)> damage,
         std::optional<Errno> expected) {
  PhysAddr page;
  World world({[&](KhoKernel& kernel) { return write_some(kernel, page, damage); },
               [&](KhoKernel& kernel) { return read_them(kernel, page, expected); }});
  world.run();
  CHECK(world.completed(1));
}

Co<> undo(KhoKernel& kernel) {
  Table table = table_of(kernel);
  const auto page = table.create();
  REQUIRE(page);
  add(table, 1);
  table.destroy();
  CHECK_FALSE(table.exists());
  const auto again = table.create();
  REQUIRE(again);
  CHECK(table.find_if([](const Item&) { return true; }) == nullptr);
  table.destroy();
  co_return;
}

Co<> read_nowhere(KhoKernel& kernel) {
  Table table = table_of(kernel);
  CHECK(table.restore(PhysAddr(0x1008)).error() == Errno::kInval);
  CHECK(table.restore(PhysAddr(~std::uint64_t{0xFFF})).error() == Errno::kInval);
  co_return;
}

}  // namespace

TEST_CASE("a table's records come back, without those that were dropped") { run({}, {}); }

TEST_CASE("a table of another version, or with another number of records, is refused") {
  run([](sim::PhysicalMemory& ram, PhysAddr page) { ram.store(page, std::uint32_t{8}); },
      Errno::kInval);
  run([](sim::PhysicalMemory& ram, PhysAddr page) { ram.store(page + 4, std::uint32_t{2}); },
      Errno::kInval);
}

TEST_CASE("a table whose page is no page is refused") {
  World world({read_nowhere});
  world.run();
  CHECK(world.completed(0));
}

TEST_CASE("a table that is undone can be made again") {
  World world({undo});
  world.run();
  CHECK(world.completed(0));
}
