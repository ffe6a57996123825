// Chains of serialization blocks [linux kernel/liveupdate/kho_block.c].
#include "model/kho/block_set.h"

#include "tests/support/two_kernels.h"

namespace {

using namespace baton;
using linux::Errno;
using test::KhoKernel;
using World = test::TwoKernels<KhoKernel>;

constexpr std::size_t kEntry = 80;  // 51 in a block

std::array<std::byte, kEntry> entry(std::size_t index) {
  std::array<std::byte, kEntry> bytes{};
  bytes[0] = static_cast<std::byte>(index);
  bytes[kEntry - 1] = std::byte{0x5A};
  return bytes;
}

struct Notes {
  PhysAddr head;
  std::vector<PhysAddr> blocks;
};

// First kernel: 103 entries in three blocks, then `damage`.
Co<> three_blocks(KhoKernel& kernel, Notes& notes, std::function<void(KhoKernel&, Notes&)> damage) {
  kho::BlockSet set(kernel.services, kernel.kho, kEntry, "test block");
  CHECK(set.grow(103));
  for (std::size_t i = 0; i < 103; ++i) {
    const auto bytes = entry(i);
    set.write_entry(i, bytes);
  }
  notes.head = set.head();
  notes.blocks = set.blocks();
  if (damage) {
    damage(kernel, notes);
  }
  co_await kernel.jump();
}

Co<> restore_expecting(KhoKernel& kernel, Notes& notes, std::optional<Errno> expected, bool freed) {
  kho::BlockSet set(kernel.services, kernel.kho, kEntry, "test block");
  const auto restored = set.restore(notes.head);
  if (!expected) {
    CHECK(restored.has_value());
    const auto entries = set.entries();
    CHECK(entries.size() == 103);
    CHECK(entries[102][0] == std::byte{102});
    CHECK(set.grow(104).error() == Errno::kInval);
    set.destroy();
  } else {
    CHECK(restored.error() == *expected);
    CHECK(set.entries().empty());
  }
  // A freed block can no longer be restored.
  for (const PhysAddr block : notes.blocks) {
    CHECK(kernel.kho.restore_folio(block).has_value() == !freed);
  }
  co_return;
}

void run(std::function<void(KhoKernel&, Notes&)> damage, std::optional<Errno> expected,
         bool freed) {
  Notes notes;
  World world(
      {[&](KhoKernel& kernel) { return three_blocks(kernel, notes, damage); },
       [&](KhoKernel& kernel) { return restore_expecting(kernel, notes, expected, freed); }});
  world.run();
  CHECK(world.completed(1));
}

Co<> grow_and_shrink(KhoKernel& kernel) {
  kho::BlockSet set(kernel.services, kernel.kho, kEntry, "test block");
  CHECK(set.capacity_per_block() == 51);
  CHECK(kho::BlockSet(kernel.services, kernel.kho, 64, "files").capacity_per_block() == 63);
  CHECK(set.head().value() == 0);
  CHECK(set.grow(1));
  CHECK(set.blocks().size() == 1);
  CHECK(set.grow(51));
  CHECK(set.blocks().size() == 1);
  CHECK(set.grow(52));
  CHECK(set.blocks().size() == 2);
  CHECK(kernel.port.ram().load<std::uint64_t>(set.head()) == set.blocks()[1].value());
  set.shrink(51);
  CHECK(set.blocks().size() == 1);
  CHECK(kernel.port.ram().load<std::uint64_t>(set.head()) == 0);
  const auto bytes = entry(7);
  set.write_entry(7, bytes);
  CHECK(kernel.port.ram().load<std::uint64_t>(set.head() + 8) == 8);
  set.clear();
  CHECK(kernel.port.ram().load<std::uint64_t>(set.head() + 8) == 0);
  set.shrink(0);
  CHECK(set.blocks().empty());
  CHECK(set.grow(10001 * 51).error() == Errno::kNoSpc);
  CHECK(set.blocks().empty());
  co_return;
}

}  // namespace

TEST_CASE("a block set grows and shrinks by pages, linked by physical address") {
  World world({grow_and_shrink});
  world.run();
  CHECK(world.completed(0));
}

TEST_CASE("the next kernel reads all entries of a chain and frees its pages") {
  run(nullptr, std::nullopt, true);
}

TEST_CASE("a cycle of blocks is refused and nothing of it freed") {
  run([](KhoKernel& kernel,
         Notes& notes) { kernel.port.ram().store(notes.blocks[2], notes.blocks[1].value()); },
      Errno::kInval, false);
}

TEST_CASE("a block with no entries or too many is refused and all blocks are freed") {
  for (const std::uint64_t count : {std::uint64_t{0}, std::uint64_t{52}, ~std::uint64_t{0}}) {
    run([count](KhoKernel& kernel,
                Notes& notes) { kernel.port.ram().store(notes.blocks[1] + 8, count); },
        Errno::kInval, true);
  }
}

TEST_CASE("a next pointer that is no page is refused") {
  for (const std::uint64_t next : {~std::uint64_t{0xFFF}, std::uint64_t{0x1008}}) {
    run([next](KhoKernel& kernel, Notes& notes) { kernel.port.ram().store(notes.blocks[2], next); },
        Errno::kInval, true);
  }
}
