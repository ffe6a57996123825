// The tracker's keys and tables against the check values of the format [linux
// include/linux/kho_radix_tree.h].
#include "model/kho/radix_tree.h"

#include "tests/support/two_kernels.h"

namespace {

using namespace baton;

struct Tracker {
  sim::PhysicalMemory* ram;
  linux::PageAllocator* pages;
};

// Runs `check` in a kernel that has an allocator and nothing else.
void in_kernel(const std::function<void(test::KhoKernel&)>& check) {
  const auto body = [&check](test::KhoKernel& kernel) -> Co<> {
    check(kernel);
    return []() -> Co<> { co_return; }();
  };
  test::TwoKernels<test::KhoKernel> world({body});
  world.run();
  REQUIRE(world.completed(0));
}

using Found = std::vector<std::pair<std::uint64_t, unsigned>>;

}  // namespace

TEST_CASE("a radix key is the marker of its order above the number of the block") {
  CHECK(kho::radix_key(PhysAddr(0x123456000), 0) == 0x10000000123456);
  CHECK(kho::radix_key(PhysAddr(0x123456000), 1) == 0x8000000091a2b);
  CHECK(kho::radix_key(PhysAddr(0x40000000), 9) == 0x80000000200);
  CHECK(kho::radix_key(PhysAddr(0x40000000), 10) == 0x40000000100);
  CHECK(kho::radix_key(PhysAddr(0x40000000), 18) == 0x400000001);
  CHECK(kho::radix_key(PhysAddr(0x8000000), 0) == 0x10000000008000);
}

TEST_CASE("a key sets one bit at the documented place of the tables") {
  in_kernel([](test::KhoKernel& kernel) {
    sim::PhysicalMemory& ram = kernel.port.ram();
    kho::RadixTree tree(ram, kernel.services.pages());
    REQUIRE(tree.create());
    REQUIRE(tree.add(PhysAddr(0x8000000), 0));
    PhysAddr table = tree.root();
    for (const unsigned index : {2U, 0U, 0U, 0U, 1U}) {
      table = PhysAddr(ram.load<std::uint64_t>(table + index * 8));
      REQUIRE(table.value() != 0);
    }
    CHECK(ram.load<std::uint64_t>(table) == 1);
    CHECK(tree.contains(PhysAddr(0x8000000), 0));
    CHECK(!tree.contains(PhysAddr(0x8000000), 1));
  });
}

TEST_CASE("a walk visits the highest orders first and then ascending addresses") {
  in_kernel([](test::KhoKernel& kernel) {
    sim::PhysicalMemory& ram = kernel.port.ram();
    kho::RadixTree tree(ram, kernel.services.pages());
    REQUIRE(tree.create());
    REQUIRE(tree.add(PhysAddr(0x5000), 0));
    REQUIRE(tree.add(PhysAddr(0x3000), 0));
    REQUIRE(tree.add(PhysAddr(0x400000), 10));
    REQUIRE(tree.add(PhysAddr(0x200000), 9));
    Found found;
    const bool whole = kho::walk_preserved(ram, tree.root(), [&](PhysAddr block, unsigned order) {
      found.emplace_back(block.value(), order);
    });
    CHECK(whole);
    CHECK(found == Found{{0x400000, 10}, {0x200000, 9}, {0x3000, 0}, {0x5000, 0}});
  });
}

TEST_CASE("preserving a block twice and unpreserving it once leaves it unpreserved") {
  in_kernel([](test::KhoKernel& kernel) {
    kho::RadixTree tree(kernel.port.ram(), kernel.services.pages());
    REQUIRE(tree.create());
    REQUIRE(tree.add(PhysAddr(0x5000), 0));
    REQUIRE(tree.add(PhysAddr(0x5000), 0));
    CHECK(tree.remove(PhysAddr(0x5000), 0));
    CHECK(!tree.contains(PhysAddr(0x5000), 0));
    CHECK(!tree.remove(PhysAddr(0x40000000), 18));  // no table leads there
  });
}

TEST_CASE("a tree without a root refuses blocks") {
  in_kernel([](test::KhoKernel& kernel) {
    kho::RadixTree tree(kernel.port.ram(), kernel.services.pages());
    CHECK(tree.add(PhysAddr(0x5000), 0).error() == linux::Errno::kInval);
  });
}

TEST_CASE("a walk stops at tables outside RAM, keys without memory, and loops") {
  in_kernel([](test::KhoKernel& kernel) {
    sim::PhysicalMemory& ram = kernel.port.ram();
    const auto nothing = [](PhysAddr, unsigned) {};
    const PhysAddr root = *kernel.services.pages().allocate(0, "root");
    CHECK(kho::walk_preserved(ram, root, nothing));
    ram.store(root, std::uint64_t{0xDEAD'0100'0000'1000});  // outside RAM
    CHECK(!kho::walk_preserved(ram, root, nothing));
    ram.store(root, root.value() + 8);  // not a page
    CHECK(!kho::walk_preserved(ram, root, nothing));
    for (std::uint64_t i = 0; i < 512; ++i) {
      ram.store(root + i * 8, root.value());  // every table is the root
    }
    CHECK(!kho::walk_preserved(ram, root, nothing));
    CHECK(!kho::walk_preserved(ram, PhysAddr(ram.size()), nothing));
  });
}
