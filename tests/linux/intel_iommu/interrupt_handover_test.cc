// FLB baton-irq-v1: interrupt remapping tables handed to the next kernel, byte for byte, and what
// that kernel makes of bytes that are not what they should be.
#include "model/linux/intel_iommu/interrupt_handover.h"

#include "tests/support/two_kernels.h"

namespace {

using namespace baton;
using linux::Errno;
using linux::intel_iommu::HandedTable;
using linux::intel_iommu::InterruptHandover;
using test::LuoKernel;

constexpr PhysAddr kRegisters(0x12'FED9'0000);  // more than 32 bits
constexpr std::uint64_t kEntries = 65536;
constexpr unsigned kOrder = InterruptHandover::kTableOrder;

struct Notes {
  std::function<void(LuoKernel&, PhysAddr page)> spoil;
  std::uint64_t flb = 0;
  PhysAddr table;
  unsigned finished = 0;
  Errno error{};
};

InterruptHandover make(LuoKernel& kernel, Notes& notes) {
  return {kernel.services, kernel.kho,
          [&notes] {
            return std::vector{HandedTable{kRegisters, notes.table.value() | 0x80F, kEntries}};
          },
          [&notes] { ++notes.finished; }};
}

Co<> hands_over(LuoKernel& kernel, Notes& notes) {
  notes.table = *kernel.services.pages().allocate(kOrder, "table");
  kernel.port.ram().store(notes.table + 0x30, std::uint64_t{0x1234});
  InterruptHandover handover = make(kernel, notes);
  const auto first = co_await handover.preserve();
  CHECK(first.has_value());
  co_await handover.unpreserve(*first);  // a cancelled session leaves nothing
  const auto flb = co_await handover.preserve();
  REQUIRE(flb.has_value());
  notes.flb = *flb;
  const PhysAddr page(*flb);
  sim::PhysicalMemory& ram = kernel.port.ram();
  CHECK(ram.load<std::uint32_t>(page) == 1);
  CHECK(ram.load<std::uint32_t>(page + 4) == 1);
  CHECK(ram.load<std::uint64_t>(page + 8) == kRegisters.value());
  CHECK(ram.load<std::uint64_t>(page + 16) == (notes.table.value() | 0x80F));
  CHECK(ram.load<std::uint64_t>(page + 24) == kEntries);
  if (notes.spoil) notes.spoil(kernel, page);
  co_await kernel.jump();
}

Co<> takes_over(LuoKernel& kernel, Notes& notes) {
  InterruptHandover handover = make(kernel, notes);
  const auto retrieved = co_await handover.retrieve(notes.flb);
  CHECK(retrieved.has_value());
  const HandedTable* handed = handover.incoming(kRegisters);
  REQUIRE(handed != nullptr);
  CHECK(handed->table() == notes.table);
  CHECK(handover.incoming(kRegisters + 0x2000) == nullptr);
  CHECK(kernel.port.ram().load<std::uint64_t>(notes.table + 0x30) == 0x1234);
  co_await handover.finish();
  CHECK(notes.finished == 1);
  CHECK(handover.incoming(kRegisters) == nullptr);
}

Co<> finds_no_descriptors(LuoKernel& kernel, Notes& notes) {
  InterruptHandover handover = make(kernel, notes);
  const auto retrieved = co_await handover.retrieve(notes.flb);
  CHECK(retrieved.has_value());
  CHECK(handover.incoming(kRegisters) != nullptr);
  CHECK_FALSE(handover.incoming_descriptors().has_value());
  co_await handover.finish();
}

Co<> refuses(LuoKernel& kernel, Notes& notes) {
  InterruptHandover handover = make(kernel, notes);
  const auto retrieved = co_await handover.retrieve(notes.flb);
  CHECK_FALSE(retrieved.has_value());
  notes.error = retrieved ? Errno{} : retrieved.error();
  CHECK(handover.incoming(kRegisters) == nullptr);
}

void run(Co<> (*second)(LuoKernel&, Notes&), Notes& notes) {
  test::TwoKernels<LuoKernel> world({[&](LuoKernel& kernel) { return hands_over(kernel, notes); },
                                     [&](LuoKernel& kernel) { return second(kernel, notes); }});
  world.run();
  CHECK(world.panic() == "");
  CHECK(world.completed(1));
}

}  // namespace

TEST_CASE("an interrupt remapping table is handed over in place") {
  Notes notes;
  run(takes_over, notes);
}

TEST_CASE("a record of interrupt remapping tables that makes no sense is refused") {
  struct Case {
    const char* what;
    std::uint64_t offset;
    std::uint64_t value;
    unsigned width;
    Errno error;
  };
  const Case c = GENERATE(
      Case{"version", 0, 3, 4, Errno::kInval}, Case{"number of units", 4, 9, 4, Errno::kInval},
      Case{"entries", 24, 65537, 8, Errno::kInval}, Case{"no table", 16, 0x80F, 8, Errno::kInval},
      Case{"table outside RAM", 16, 0x4000'0000'080F, 8, Errno::kInval},
      Case{"table that nobody preserved", 16, 0x70'080F, 8, Errno::kInval});
  INFO(c.what);
  Notes notes;
  notes.spoil = [c](LuoKernel& kernel, PhysAddr page) {
    c.width == 4 ? kernel.port.ram().store(page + c.offset, static_cast<std::uint32_t>(c.value))
                 : kernel.port.ram().store(page + c.offset, c.value);
  };
  run(refuses, notes);
  CHECK(notes.error == c.error);
}

TEST_CASE("descriptors that cannot be used leave the tables in use without them") {
  // Version 2, with nothing where the address of the descriptors stands; then one nobody preserved.
  for (const std::uint64_t address : std::array<std::uint64_t, 3>{0, 0x70'0000, 0x70'0040}) {
    Notes notes;
    notes.spoil = [address](LuoKernel& kernel, PhysAddr page) {
      kernel.port.ram().store(page, std::uint32_t{2});
      kernel.port.ram().store(page + 200, address);
    };
    run(finds_no_descriptors, notes);
  }
}

TEST_CASE("a record of interrupt remapping tables at no page is refused") {
  Notes notes;
  notes.spoil = [&notes](LuoKernel&, PhysAddr page) { notes.flb = page.value() + 8; };
  run(refuses, notes);
  CHECK(notes.error == Errno::kIo);
}
