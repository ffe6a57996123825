// Reads and writes: PRPs, status codes, order, interrupts, what happens on a broken way [NVMe 1.4,
// 4.3, 6, 7].
#include "tests/devices/nvme/bench.h"

using namespace baton;
using namespace baton::test;

namespace {

constexpr std::uint64_t kSource = 0x200000;
constexpr std::uint64_t kTarget = 0x600000;
constexpr std::uint64_t kList = 0x1F0000;

// A PRP list of `pages` consecutive pages.
void list(NvmeBench& bench, std::uint64_t at, std::uint64_t first_page, std::uint64_t pages) {
  for (std::uint64_t i = 0; i < pages; ++i) {
    bench.root.ram.store(PhysAddr(at + 8 * i), first_page + 4096 * i);
  }
}

}  // namespace

TEST_CASE("what is written is read back, by one page, two pages, and a list") {
  NvmeBench bench;
  bench.bring_up();
  for (const std::uint32_t blocks : {1U, 8U, 16U, 24U, 1024U, 4096U}) {
    INFO(blocks);
    const std::uint64_t bytes = std::uint64_t{blocks} * 512;
    bench.fill(kSource, bytes, blocks);
    const auto second = [&](std::uint64_t base) {
      if (bytes <= 4096) return std::uint64_t{0};
      if (bytes <= 8192) return base + 4096;
      list(bench, kList, base + 4096, bytes / 4096 - 1);
      return kList;
    };
    std::uint64_t prp2 = second(kSource);
    CHECK(bench.io(NvmeBench::transfer(Opcode::kWrite, 64, blocks, kSource, prp2)) ==
          Status::kSuccess);
    prp2 = second(kTarget);
    CHECK(bench.io(NvmeBench::transfer(Opcode::kRead, 64, blocks, kTarget, prp2)) ==
          Status::kSuccess);
    CHECK(bench.equal(kSource, kTarget, bytes));
    CHECK(bench.done.back().bytes == bytes);
  }
}

TEST_CASE("data may begin inside a page, and the list inside its own") {
  NvmeBench bench;
  bench.bring_up();
  constexpr std::uint64_t kBytes = 64 * 512;
  bench.fill(kSource, kBytes + 4096, 3);
  // Nine pages are touched: the first from byte 512 on. The list begins with room for three
  // entries, the last of which leads to the next part.
  const std::uint64_t part = kList + 4096 - 24;
  list(bench, part, kSource + 4096, 2);
  bench.root.ram.store(PhysAddr(part + 16), kList + 0x2000);
  list(bench, kList + 0x2000, kSource + 3 * 4096, 6);
  CHECK(bench.io(NvmeBench::transfer(Opcode::kWrite, 0, 64, kSource + 512, part)) ==
        Status::kSuccess);
  list(bench, kList, kTarget + 4096, 7);
  CHECK(bench.io(NvmeBench::transfer(Opcode::kRead, 0, 64, kTarget, kList)) == Status::kSuccess);
  CHECK(bench.equal(kSource + 512, kTarget, kBytes));
}

TEST_CASE("blocks that nobody wrote read as zeros") {
  NvmeBench bench;
  bench.bring_up();
  bench.fill(kTarget, 4096, 1);
  CHECK(bench.io(NvmeBench::transfer(Opcode::kRead, 5000, 8, kTarget)) == Status::kSuccess);
  CHECK(bench.root.ram.load<std::uint64_t>(PhysAddr(kTarget)) == 0);
  CHECK(bench.root.ram.load<std::uint64_t>(PhysAddr(kTarget + 4088)) == 0);
}

TEST_CASE("an I/O command that is wrong ends with the status that says how") {
  struct Row {
    const char* what;
    SubmissionEntry entry;
    Status status;
  };
  const auto with = [](SubmissionEntry entry, auto change) {
    change(entry);
    return entry;
  };
  const SubmissionEntry good = NvmeBench::transfer(Opcode::kRead, 0, 8, kTarget);
  constexpr std::uint64_t kBlocks = (1 << 30) / 512;
  const std::array rows{
      Row{"opcode", with(good, [](auto& e) { e.opcode = 0x08; }), Status::kInvalidOpcode},
      Row{"fused", with(good, [](auto& e) { e.flags = 1; }), Status::kInvalidField},
      Row{"SGL", with(good, [](auto& e) { e.flags = 0x40; }), Status::kInvalidField},
      Row{"namespace", with(good, [](auto& e) { e.namespace_id = 2; }), Status::kInvalidNamespace},
      Row{"all namespaces", with(good, [](auto& e) { e.namespace_id = 0xFFFFFFFF; }),
          Status::kInvalidNamespace},
      Row{"beyond MDTS", NvmeBench::transfer(Opcode::kRead, 0, 4097, kTarget, kList),
          Status::kInvalidField},
      Row{"after the end", NvmeBench::transfer(Opcode::kRead, kBlocks, 1, kTarget),
          Status::kLbaOutOfRange},
      Row{"across the end", NvmeBench::transfer(Opcode::kWrite, kBlocks - 1, 2, kTarget),
          Status::kLbaOutOfRange},
      Row{"far away", NvmeBench::transfer(Opcode::kRead, ~std::uint64_t{0}, 8, kTarget),
          Status::kLbaOutOfRange},
      Row{"PRP1 no dword", NvmeBench::transfer(Opcode::kRead, 0, 8, kTarget + 2),
          Status::kInvalidPrpOffset},
      Row{"PRP2 inside a page", NvmeBench::transfer(Opcode::kRead, 0, 16, kTarget, kTarget + 8),
          Status::kInvalidPrpOffset},
      Row{"list no qword", NvmeBench::transfer(Opcode::kRead, 0, 24, kTarget, kList + 4),
          Status::kInvalidPrpOffset},
  };
  for (const Row& row : rows) {
    INFO(row.what);
    NvmeBench bench;
    bench.bring_up();
    CHECK(bench.io(row.entry) == row.status);
    CHECK(bench.io(good) == Status::kSuccess);  // the queue goes on
  }
}

TEST_CASE("a list entry inside a page, and a next part that is no page, are refused") {
  NvmeBench bench;
  bench.bring_up();
  list(bench, kList, kTarget + 4096, 7);
  bench.root.ram.store(PhysAddr(kList + 16), kTarget + 8);
  CHECK(bench.io(NvmeBench::transfer(Opcode::kRead, 0, 64, kTarget, kList)) ==
        Status::kInvalidPrpOffset);
  bench.root.ram.store(PhysAddr(kList + 4096 - 8), kList + 0x2008);
  CHECK(bench.io(NvmeBench::transfer(Opcode::kRead, 0, 64, kTarget, kList + 4096 - 8)) ==
        Status::kInvalidPrpOffset);
}

TEST_CASE("Flush is for the namespace, or for all of them") {
  NvmeBench bench;
  bench.bring_up();
  SubmissionEntry flush = NvmeBench::transfer(Opcode::kFlush, 0, 1, 0);
  CHECK(bench.io(flush) == Status::kSuccess);
  flush.namespace_id = 0xFFFFFFFF;
  CHECK(bench.io(flush) == Status::kSuccess);
  flush.namespace_id = 3;
  CHECK(bench.io(flush) == Status::kInvalidNamespace);
}

TEST_CASE("two commands of one id at a time are a conflict") {
  NvmeBench bench;
  bench.bring_up();
  bench.send(1, NvmeBench::transfer(Opcode::kRead, 0, 8, kTarget), false);
  bench.send(1, NvmeBench::transfer(Opcode::kRead, 8, 8, kTarget + 4096));
  CHECK(bench.take(1).code() == Status::kCommandIdConflict);
  CHECK(bench.take(1).code() == Status::kSuccess);
}

TEST_CASE("data that cannot be read ends its command with a data transfer error") {
  NvmeBench bench;
  bench.bring_up();
  bench.root.refused_pages.insert(kSource >> 12);
  CHECK(bench.io(NvmeBench::transfer(Opcode::kWrite, 0, 8, kSource)) == Status::kDataTransferError);
  bench.root.refused_pages = {kList >> 12};
  CHECK(bench.io(NvmeBench::transfer(Opcode::kWrite, 0, 24, kSource, kList)) ==
        Status::kDataTransferError);
  bench.root.refused_pages = {kTarget >> 12};  // a posted write is lost, and nobody tells
  CHECK(bench.io(NvmeBench::transfer(Opcode::kRead, 0, 8, kTarget)) == Status::kSuccess);
  CHECK_FALSE(bench.fatal());
}

TEST_CASE("a command that cannot be fetched is fatal until the controller is reset") {
  NvmeBench bench;
  bench.bring_up();
  bench.root.refused_pages.insert(NvmeBench::kIoSq >> 12);
  bench.send(1, NvmeBench::transfer(Opcode::kRead, 0, 8, kTarget));
  bench.run(sim::Duration::milliseconds(1));
  CHECK(bench.fatal());
  CHECK(bench.failures == 1);
  bench.root.refused_pages.clear();
  bench.set_reg(nvme::offset::kCc, 0);
  bench.run(sim::Duration::milliseconds(1));
  CHECK_FALSE(bench.fatal());
}

TEST_CASE("without bus master nothing leaves, and a completion that cannot leave is fatal") {
  NvmeBench bench;
  bench.bring_up();
  bench.send(1, NvmeBench::transfer(Opcode::kRead, 0, 8, kTarget));
  bench.run(sim::Duration::microseconds(5));
  bench.config_write(0x04, 2, 0x0002);
  bench.fill(kTarget, 8, 9);
  const auto before = bench.root.ram.load<std::uint64_t>(PhysAddr(kTarget));
  bench.run(sim::Duration::milliseconds(1));
  CHECK(bench.fatal());
  CHECK(bench.root.ram.load<std::uint64_t>(PhysAddr(kTarget)) == before);
}

TEST_CASE("a port without bus master loses the completion without a word to the controller") {
  NvmeBench bench;
  bench.bring_up();
  bench.send(1, NvmeBench::transfer(Opcode::kRead, 0, 8, kTarget));
  bench.run(sim::Duration::microseconds(5));
  bench.fabric.config_write(NvmeBench::kPort, 0x04, 2, 0x0002);
  bench.run(sim::Duration::milliseconds(1));
  CHECK_FALSE(bench.fatal());
  CHECK(bench.done.back().status == Status::kSuccess);
  CHECK(bench.root.ram.load<CompletionEntry>(PhysAddr(NvmeBench::kIoCq)).status == 0);
}

TEST_CASE("the completion and its data are there when the interrupt arrives") {
  NvmeBench bench;
  bench.bring_up();
  bench.enable_msix();
  bench.fill(kSource, 4096, 5);
  REQUIRE(bench.io(NvmeBench::transfer(Opcode::kWrite, 0, 8, kSource)) == Status::kSuccess);
  bench.root.interrupts.clear();
  bench.send(1, NvmeBench::transfer(Opcode::kRead, 0, 8, kTarget));
  while (bench.root.interrupts.empty() && bench.simulation.step()) {
  }
  CHECK(bench.root.interrupts == std::vector<std::uint32_t>{0x41});
  CHECK(bench.equal(kSource, kTarget, 4096));
  CHECK(bench.take(1).code() == Status::kSuccess);
}

TEST_CASE("a completion queue without interrupts sends none") {
  NvmeBench bench;
  bench.enable();
  bench.enable_msix();
  REQUIRE(bench.create_completion(1, 1) == Status::kSuccess);
  REQUIRE(bench.create_submission() == Status::kSuccess);
  bench.root.interrupts.clear();
  CHECK(bench.io(NvmeBench::transfer(Opcode::kFlush, 0, 1, 0)) == Status::kSuccess);
  CHECK(bench.root.interrupts.empty());
}

TEST_CASE("phase and head turn over with the ring, again and again") {
  NvmeBench bench;
  bench.bring_up();
  for (std::uint16_t i = 0; i < 50; ++i) {
    SubmissionEntry entry = NvmeBench::transfer(Opcode::kFlush, 0, 1, 0);
    entry.command_id = i;
    REQUIRE(bench.io(entry) == Status::kSuccess);
    CHECK(bench.last.command_id == i);
    CHECK(bench.last.submission_head == (i + 1U) % NvmeBench::kEntries);
    CHECK(bench.last.submission_queue == 1);
  }
}

TEST_CASE("a full completion queue is never overrun: entries wait for its head") {
  NvmeBench bench;
  bench.enable();
  REQUIRE(bench.create_completion(1, 3, 1, NvmeBench::kIoCq, 4) == Status::kSuccess);
  REQUIRE(bench.create_submission() == Status::kSuccess);
  for (std::uint16_t i = 0; i < 6; ++i) {
    SubmissionEntry entry = NvmeBench::transfer(Opcode::kFlush, 0, 1, 0);
    entry.command_id = i;
    bench.send(1, entry);
  }
  bench.run(sim::Duration::milliseconds(1));
  const auto done_io = [&] {
    return std::ranges::count(bench.done, std::uint16_t{1}, &nvme::CommandDone::queue);
  };
  CHECK(done_io() == 3);
  bench.set_reg(0x100C, 2);
  bench.run(sim::Duration::milliseconds(1));
  CHECK(done_io() == 5);
  bench.set_reg(0x100C, 1);
  bench.run(sim::Duration::milliseconds(1));
  CHECK(done_io() == 6);
}

TEST_CASE("deleting a submission queue ends what has been fetched with a status of its own") {
  nvme::NvmeConfig config;
  config.bytes_per_second = 10'000'000;
  NvmeBench bench(config);
  bench.bring_up();
  for (std::uint16_t i = 0; i < 2; ++i) {
    SubmissionEntry entry = NvmeBench::transfer(Opcode::kWrite, 0, 16, kSource, kSource + 4096);
    entry.command_id = i;
    bench.send(1, entry);
  }
  bench.run(sim::Duration::microseconds(20));
  CHECK(bench.admin(NvmeBench::command(AdminOpcode::kDeleteSubmissionQueue, 1)) ==
        Status::kSuccess);
  CHECK(bench.take(1).code() == Status::kSubmissionQueueDeleted);
  CHECK(bench.take(1).code() == Status::kSubmissionQueueDeleted);
}

TEST_CASE("data moves at the configured rate") {
  nvme::NvmeConfig config;
  config.bytes_per_second = 100'000'000;
  NvmeBench bench(config);
  bench.bring_up();
  list(bench, kList, kTarget + 4096, 255);
  const sim::Time begin = bench.simulation.now();
  CHECK(bench.io(NvmeBench::transfer(Opcode::kRead, 0, 2048, kTarget, kList)) == Status::kSuccess);
  const std::int64_t us = (bench.simulation.now() - begin).ps() / 1'000'000;
  CHECK(us > 10'400);  // 1 MiB at 100 MB/s
  CHECK(us < 10'800);
}
