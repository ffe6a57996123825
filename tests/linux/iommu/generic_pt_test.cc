// Page tables of the second stage: their bytes, their page sizes, what they refuse [VT-d 9.8; linux
// drivers/iommu/generic_pt/].
#include "model/linux/iommu/generic_pt.h"

#include "tests/support/two_kernels.h"

namespace {

using namespace baton;
using linux::Errno;
using linux::Result;
using linux::iommu::PageTable;
using linux::iommu::walk_tables;
using test::KhoKernel;

constexpr std::uint64_t kPage = sim::kPageSize;
constexpr std::uint64_t k2M = std::uint64_t{2} << 20;
constexpr std::uint64_t k1G = std::uint64_t{1} << 30;
constexpr linux::iommu::Prot kReadWrite{};
constexpr linux::iommu::Prot kReadOnly{true, false};

using Body = void (*)(KhoKernel&);

Co<> run(KhoKernel& kernel, Body body) {
  body(kernel);
  co_return;
}

void in_kernel(Body body) {
  test::WorldConfig config;
  config.iommu = false;
  test::TwoKernels<KhoKernel> world({[body](KhoKernel& kernel) { return run(kernel, body); }},
                                    config);
  world.run();
  CHECK(world.completed(0));
}

std::uint64_t entry(KhoKernel& kernel, PhysAddr table, std::uint64_t index) {
  return kernel.port.ram().load<std::uint64_t>(table + index * 8);
}

PhysAddr below(KhoKernel& kernel, PhysAddr table, std::uint64_t index) {
  return PhysAddr(entry(kernel, table, index) & ~std::uint64_t{0xFFF});
}

std::size_t tables(const PageTable& table) {
  std::size_t count = 0;
  table.for_each_table([&](PhysAddr, unsigned) { ++count; });
  return count;
}

template <class T>
Errno error_of(const Result<T>& result) {
  REQUIRE_FALSE(result.has_value());
  return result.error();
}

}  // namespace

TEST_CASE("A 4 KiB mapping writes R|W into each table above and frame, R and W into the leaf") {
  in_kernel([](KhoKernel& kernel) {
    PageTable table = *PageTable::create(kernel.services, {});
    const std::uint64_t iova = 3 * (k1G << 9) + 5 * k1G + 7 * k2M + 9 * kPage;
    REQUIRE(table.map(Iova(iova), PhysAddr(0x1234'5000), kPage, kReadWrite));
    PhysAddr at = table.top_table();
    for (const unsigned index : {3U, 5U, 7U}) {
      CHECK((entry(kernel, at, index) & 0xFFF) == 3);
      at = below(kernel, at, index);
    }
    CHECK(entry(kernel, at, 9) == 0x1234'5003);
    CHECK(entry(kernel, at, 8) == 0);
    CHECK(table.lookup(Iova(iova + 0x123)) == PhysAddr(0x1234'5123));
    CHECK_FALSE(table.lookup(Iova(iova + kPage)));
    CHECK(tables(table) == 4);
    CHECK(table.last() == Iova(0xFFFF'FFFF'FFFF));
    table.release();
  });
}

TEST_CASE("A read-only leaf has R alone") {
  in_kernel([](KhoKernel& kernel) {
    PageTable table = *PageTable::create(kernel.services, {2, 39, true, true});
    REQUIRE(table.map(Iova(0), PhysAddr(0x1000), kPage, kReadOnly));
    const PhysAddr leaf = below(kernel, below(kernel, table.top_table(), 0), 0);
    CHECK(entry(kernel, leaf, 0) == 0x1001);
    CHECK_FALSE(table.leaf(Iova(0))->prot.write);
    table.release();
  });
}

TEST_CASE("Alignment of both sides and the unit's page sizes choose the size of a page") {
  in_kernel([](KhoKernel& kernel) {
    PageTable table = *PageTable::create(kernel.services, {});
    // 1 GiB, then 2 MiB, then 4 KiB.
    REQUIRE(table.map(Iova(k1G), PhysAddr(4 * k1G), k1G + k2M + kPage, kReadWrite));
    CHECK(table.leaf(Iova(k1G))->length == k1G);
    CHECK(table.leaf(Iova(2 * k1G))->length == k2M);
    CHECK(table.leaf(Iova(2 * k1G + k2M))->length == kPage);
    const PhysAddr directory = below(kernel, table.top_table(), 0);
    CHECK(entry(kernel, directory, 1) == (4 * k1G | 0x83));  // PS, W, R
    CHECK(entry(kernel, below(kernel, directory, 2), 0) == (5 * k1G | 0x83));
    // Physical addresses that are not aligned alike take small pages.
    REQUIRE(table.map(Iova(8 * k1G), PhysAddr(kPage), k2M, kReadWrite));
    CHECK(table.leaf(Iova(8 * k1G))->length == kPage);

    PageTable small = *PageTable::create(kernel.services, {3, 48, false, false});
    REQUIRE(small.map(Iova(0), PhysAddr(0), k2M, kReadWrite));
    CHECK(small.leaf(Iova(0))->length == kPage);
    PageTable medium = *PageTable::create(kernel.services, {3, 48, true, false});
    REQUIRE(medium.map(Iova(0), PhysAddr(0), k1G, kReadWrite));
    CHECK(medium.leaf(Iova(0))->length == k2M);
    for (PageTable* each : {&table, &small, &medium}) {
      each->release();
    }
  });
}

TEST_CASE("Tables have 3, 4 or 5 levels, and addresses beyond them are ERANGE") {
  in_kernel([](KhoKernel& kernel) {
    for (const unsigned levels : {3U, 4U, 5U}) {
      const unsigned bits = 12 + 9 * levels;
      PageTable table = *PageTable::create(kernel.services, {levels - 1, bits, true, true});
      const Iova last_page = table.last().page_base();
      REQUIRE(table.map(last_page, PhysAddr(0x5000), kPage, kReadWrite));
      CHECK(table.lookup(last_page) == PhysAddr(0x5000));
      CHECK(tables(table) == levels);
      CHECK(error_of(table.map(last_page, PhysAddr(0x5000), 2 * kPage, kReadWrite)) ==
            Errno::kRange);
      CHECK_FALSE(table.lookup(Iova(std::uint64_t{1} << bits)));
      table.release();
    }
  });
}

TEST_CASE("A table refuses what is not aligned, has no access right, or is mapped already") {
  in_kernel([](KhoKernel& kernel) {
    PageTable table = *PageTable::create(kernel.services, {});
    CHECK(error_of(table.map(Iova(1), PhysAddr(0), kPage, kReadWrite)) == Errno::kInval);
    CHECK(error_of(table.map(Iova(0), PhysAddr(1), kPage, kReadWrite)) == Errno::kInval);
    CHECK(error_of(table.map(Iova(0), PhysAddr(0), 0, kReadWrite)) == Errno::kInval);
    CHECK(error_of(table.map(Iova(0), PhysAddr(0), kPage, {false, false})) == Errno::kInval);
    REQUIRE(table.map(Iova(4 * kPage), PhysAddr(0x9000), kPage, kReadWrite));
    // The part before the obstacle does not stay.
    CHECK(error_of(table.map(Iova(0), PhysAddr(0), 8 * kPage, kReadWrite)) == Errno::kAddrInUse);
    CHECK_FALSE(table.lookup(Iova(0)));
    CHECK(table.lookup(Iova(4 * kPage)) == PhysAddr(0x9000));
    REQUIRE(table.map(Iova(k2M), PhysAddr(0), k2M, kReadWrite));
    CHECK(error_of(table.map(Iova(k2M + kPage), PhysAddr(0), kPage, kReadWrite)) ==
          Errno::kAddrInUse);
    table.release();
  });
}

TEST_CASE("Unmapping skips holes, cuts off covered tables, and does not split a large page") {
  in_kernel([](KhoKernel& kernel) {
    const std::uint64_t free_pages = kernel.services.pages().free_pages();
    PageTable table = *PageTable::create(kernel.services, {});
    REQUIRE(table.map(Iova(0), PhysAddr(k2M), k2M, kReadWrite));
    REQUIRE(table.map(Iova(k2M + 3 * kPage), PhysAddr(0x7000), kPage, kReadWrite));
    std::vector<PhysAddr> freed;
    CHECK(error_of(table.unmap(Iova(kPage), kPage, freed)) == Errno::kInval);
    CHECK(error_of(table.unmap(Iova(0), k2M - kPage, freed)) == Errno::kInval);
    CHECK(error_of(table.unmap(Iova(0), 0, freed)) == Errno::kInval);
    CHECK(error_of(table.unmap(Iova(std::uint64_t{1} << 48), kPage, freed)) == Errno::kRange);
    CHECK(freed.empty());

    REQUIRE(table.unmap(Iova(k2M), k2M, freed));  // mostly hole; its leaf table goes
    CHECK(freed.size() == 1);
    CHECK(kernel.services.pages().is_allocated(freed[0]));  // until the caller has invalidated
    CHECK_FALSE(table.lookup(Iova(k2M + 3 * kPage)));
    CHECK(table.lookup(Iova(0)) == PhysAddr(k2M));
    table.free_tables(freed);
    table.release();
    CHECK(kernel.services.pages().free_pages() == free_pages);
  });
}

TEST_CASE("A walk of untrusted tables stops at an address outside RAM and at a refusal") {
  in_kernel([](KhoKernel& kernel) {
    PageTable table = *PageTable::create(kernel.services, {});
    REQUIRE(table.map(Iova(0), PhysAddr(0x1000), kPage, kReadWrite));
    sim::PhysicalMemory& ram = kernel.port.ram();
    const auto everything = [](PhysAddr, unsigned) { return true; };
    CHECK(walk_tables(ram, table.top_table(), 3, false, everything));
    CHECK_FALSE(walk_tables(ram, table.top_table(), 3, false,
                            [](PhysAddr, unsigned level) { return level != 1; }));
    ram.store(table.top_table() + 8, std::uint64_t{0x000F'0000'0000'0003});
    CHECK_FALSE(walk_tables(ram, table.top_table(), 3, false, everything));
    ram.store(table.top_table() + 8, table.top_table().value() | 3);  // a cycle ends at level 0
    CHECK(walk_tables(ram, table.top_table(), 3, false, everything));
    ram.store(table.top_table() + 8, std::uint64_t{0});
    table.release();
  });
}

TEST_CASE("A table of a previous kernel goes on as it is") {
  in_kernel([](KhoKernel& kernel) {
    PageTable table = *PageTable::create(kernel.services, {});
    REQUIRE(table.map(Iova(k2M), PhysAddr(k2M), 2 * k2M, kReadWrite));
    PageTable same = PageTable::over(kernel.services, table.format(), table.top_table());
    CHECK(same.lookup(Iova(k2M + 5)) == PhysAddr(k2M + 5));
    REQUIRE(same.map(Iova(0), PhysAddr(0x3000), kPage, kReadWrite));
    CHECK(table.lookup(Iova(0)) == PhysAddr(0x3000));
    same.release();
  });
}
