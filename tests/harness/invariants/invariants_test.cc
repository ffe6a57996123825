// Each invariant is fed with observations and hardware tables made by hand: it holds where it must,
// fires where it must, and its chain tells the cause.

#include "tests/harness/invariants/bench.h"

using namespace baton;
using namespace baton::harness;
using namespace baton::harness::test;

TEST_CASE("a handover that keeps every promise has no violation") {
  Bench bench;
  bench.request(0x3000, kGuest + 0x3000);
  bench.preserve_all_and_freeze();
  CHECK(bench.watch().handover());
  bench.jump();
  bench.release(kEverything);
  bench.phase(1, linux::RunPhase::kRun);
  bench.request(0x3000, kGuest + 0x3000);
  for (const sim::PhysRange& range : kEverything) bench.restore(range);
  bench.session_state(1, luo::SessionState::kFinished);
  CHECK_FALSE(bench.watch().handover());
  bench.finish();
  // There is no kernel here that would have written a tree of preserved blocks.
  CHECK(bench.count("preserved-exactly") == 1);
  CHECK(bench.count_all() == 1);
}

TEST_CASE("the walk of the tables gives every table and the merged mapping") {
  Bench bench;
  const Mapping mapping = walk_mapping(bench.machine(), bench.dsa());
  REQUIRE(mapping.runs.size() == 1);
  CHECK(mapping.runs[0] == MappedRun{Iova(0), kGuest, kGuestPages * kPage, true});
  CHECK(mapping.tables.size() == 6);
  CHECK(mapping.find(Iova(0x5123)) == kGuest + 0x5123);
  CHECK_FALSE(mapping.find(Iova(kGuestPages * kPage)).has_value());
}

TEST_CASE("memory-not-reused names a table that was not preserved, and who gave it away") {
  Bench bench;
  bench.preserve({kRoot, 5 * kPage}, "page table");
  bench.preserve({kGuest, kGuestPages * kPage}, "memfd folio");
  bench.file_state(0, luo::FileState::kPreserved);
  bench.phase(0, linux::RunPhase::kFreeze);
  bench.jump();
  bench.release({{kRoot, 5 * kPage}, {kGuest, kGuestPages * kPage}});
  CHECK(bench.count("memory-not-reused") == 1);
  const Violation& violation = bench.first("memory-not-reused");
  CHECK(violation.subject == "page 0x1005000");
  const std::string chain = Bench::chain(violation);
  INFO(chain);
  CHECK(chain.find("kernel 0 ends; the page is NOT preserved") != std::string::npos);
  CHECK(chain.find("kernel 1 gives it to its page allocator") != std::string::npos);
}

TEST_CASE("memory-not-reused fires when a later kernel hands out or frees reachable memory") {
  Bench bench;
  bench.preserve_all_and_freeze();
  bench.jump();
  bench.release(kEverything);
  bench.allocate(1, {kGuest + 7 * kPage, kPage}, "slab");
  CHECK(bench.count("memory-not-reused") == 1);
  bench.publish(linux::PagesFreed{1, {kLevel1, kPage}});
  CHECK(bench.count("memory-not-reused") == 2);
  // After the finish the old set binds nobody.
  bench.session_state(1, luo::SessionState::kFinished);
  bench.allocate(1, {kGuest + 8 * kPage, kPage}, "slab");
  CHECK(bench.count("memory-not-reused") == 2);
}

TEST_CASE("memory-not-reused keeps what was recorded although no device reaches it") {
  Bench bench;
  bench.preserve({PhysAddr(0x3000000), kPage}, "luo header");
  bench.preserve_all_and_freeze();
  bench.jump();
  bench.release(kEverything);
  CHECK(bench.count("memory-not-reused") == 1);
  CHECK(bench.first("memory-not-reused").subject == "page 0x3000000");
}

TEST_CASE("a kexec with nothing preserved promises nothing") {
  Bench bench;
  bench.phase(0, linux::RunPhase::kFreeze);
  bench.jump();
  bench.release({});
  bench.finish();
  CHECK(bench.count("memory-not-reused") == 0);
  CHECK(bench.count("session-complete") == 0);
  CHECK_FALSE(bench.watch().handover());
}

TEST_CASE("translation-equal sees a changed entry when memory is released") {
  Bench bench;
  bench.preserve_all_and_freeze();
  bench.jump();
  CHECK(bench.count("translation-equal") == 0);
  bench.memory().store<std::uint64_t>(kLevel1 + 3 * 8, 0);
  bench.release(kEverything);
  CHECK(bench.count("translation-equal") == 1);
  const Violation& violation = bench.first("translation-equal");
  CHECK(violation.subject == "dsa0 of vm0, iova 0x3000");
  CHECK(violation.expected == "as at the freeze: 0x2003000");
  CHECK(violation.seen.find("not mapped") != std::string::npos);
}

TEST_CASE("translation-equal sees translation switched off") {
  Bench bench;
  bench.preserve_all_and_freeze();
  iommu_vtd::RemappingUnit& unit = *bench.machine().iommu_of(bench.dsa());
  unit.mmio_write(0x18, 4, 0);
  CHECK(bench.count("translation-equal") >= 1);
}

TEST_CASE("dma-integrity fires when a write lands elsewhere than it meant at the freeze") {
  Bench bench;
  bench.preserve_all_and_freeze();
  bench.request(0x3000, kGuest + 0x3000);
  CHECK(bench.count("dma-integrity") == 0);
  bench.request(0x3000, kGuest + 0x4000);
  CHECK(bench.count("dma-integrity") == 1);
}

TEST_CASE("dma-integrity fires when the guest itself counted a mismatch") {
  Bench bench;
  vmm::GuestStatus status;
  status.magic = vmm::GuestStatus::kMagic;
  status.version = vmm::GuestStatus::kVersion;
  status.mismatches = 1;
  status.first_mismatch_address = 0x9000;
  bench.memory().store(kGuest + 2 * kPage, status);
  bench.publish(vmm::GuestStarted{0, "vm0", kGuest + 2 * kPage});
  bench.finish();
  CHECK(bench.count("dma-integrity") == 1);
  CHECK(bench.first("dma-integrity").subject == "guest vm0");
}

TEST_CASE("isolation knows the memory that a driver of the host gave the device, and no more") {
  Bench bench;
  const Sbdf dsa = bench.dsa().location();
  const sim::PhysRange queue{PhysAddr(0x3000000), kPage};
  const sim::PhysRange of_another{PhysAddr(0x3002000), kPage};
  bench.allocate(0, queue, "nvme queue");
  bench.allocate(0, of_another, "nvme queue");
  bench.publish(linux::drivers::DmaMemoryChanged{0, dsa, queue, true});
  bench.publish(linux::drivers::DmaMemoryChanged{0, Sbdf{0, Bdf(0x6C, 0, 0)}, of_another, true});
  bench.request(0x1000, queue.start);
  bench.request(0x1000, queue.start, false);
  CHECK(bench.count("isolation") == 0);
  bench.request(0x1000, of_another.start);  // the driver's, but for another device
  CHECK(bench.count("isolation") == 1);
  CHECK(bench.first("isolation").seen.find("kernel memory: nvme queue") != std::string::npos);
  bench.request(0x1000, kLevel1);
  CHECK(bench.count("isolation") == 2);
  // The driver lets go of the device, which goes on.
  bench.publish(linux::drivers::DmaMemoryChanged{0, dsa, queue, false});
  bench.request(0x1000, queue.start);
  CHECK(bench.count("isolation") == 3);
  // So does one whose driver died with its kernel.
  bench.publish(linux::drivers::DmaMemoryChanged{0, dsa, queue, true});
  bench.request(0x1000, queue.start);
  CHECK(bench.count("isolation") == 3);
  bench.jump();
  bench.request(0x1000, queue.start);
  CHECK(bench.count("isolation") == 4);
}

TEST_CASE("isolation fires for kernel memory, free memory and memory given away") {
  Bench bench;
  bench.request(0x1000, kGuest + 0x1000);
  CHECK(bench.count("isolation") == 0);
  bench.allocate(0, {PhysAddr(0x4000000), kPage}, "slab");
  bench.request(0x1000, PhysAddr(0x4000000));
  CHECK(bench.first("isolation").seen.find("kernel memory: slab") != std::string::npos);
  bench.request(0x1000, PhysAddr(0x5000000));
  CHECK(bench.count("isolation") == 2);
  bench.release({{kRoot, 6 * kPage}, {kGuest, 8 * kPage}});
  bench.request(0x1000, kGuest + 0x1000);
  CHECK(bench.count("isolation") == 2);
  bench.request(0x9000, kGuest + 0x9000);
  CHECK(bench.count("isolation") == 3);
}

TEST_CASE("dma-continuity fires for a refused request, but only within a handover") {
  Bench bench;
  bench.request(0x3000, kGuest + 0x3000, true, "translation-fault");
  CHECK(bench.count("dma-continuity") == 0);
  bench.preserve_all_and_freeze();
  bench.request(0x3000, kGuest + 0x3000, true, "translation-fault");
  CHECK(bench.count("dma-continuity") == 1);
  CHECK(bench.first("dma-continuity").seen == "refused: translation-fault");
}

TEST_CASE("dma-continuity fires for a stall while work is queued, once per stall") {
  Bench bench;
  bench.submit();
  bench.preserve_all_and_freeze();
  bench.request(0x3000, kGuest + 0x3000);
  bench.pass(90_us);
  bench.request(0x3000, kGuest + 0x3000);
  CHECK(bench.count("dma-continuity") == 0);
  bench.pass(500_us);
  bench.jump();
  bench.phase(1, linux::RunPhase::kBoot);
  CHECK(bench.count("dma-continuity") == 1);
  CHECK(bench.watch().longest_stall() == 500_us);
}

TEST_CASE("a device without work may be idle for as long as it likes") {
  Bench bench;
  bench.preserve_all_and_freeze();
  bench.pass(sim::Duration::seconds(2));
  bench.jump();
  bench.finish();
  CHECK(bench.count("dma-continuity") == 0);
}

TEST_CASE("dma-continuity fires for a reset of a preserved function") {
  Bench bench;
  bench.preserve_all_and_freeze();
  bench.jump();
  bench.dsa().reset(pci::ResetKind::kFunctionLevel);
  CHECK(bench.count("dma-continuity") == 1);
}

TEST_CASE("session-complete fires for a session that nobody finished") {
  Bench bench;
  bench.preserve_all_and_freeze();
  bench.jump();
  bench.finish();
  CHECK(bench.count("session-complete") == 1);
  CHECK(bench.first("session-complete").subject == "session \"vm0\"");
}

TEST_CASE("session-complete tells the reason of a panic") {
  Bench bench;
  bench.preserve_all_and_freeze();
  bench.jump();
  bench.publish(host::KernelHalted{1, "luo: no header"});
  bench.finish();
  CHECK(bench.count("session-complete") == 1);
  CHECK(bench.first("session-complete").seen == "it panicked: luo: no header");
}

TEST_CASE("a reboot that was refused after the freeze ends the handover") {
  Bench bench;
  bench.preserve_all_and_freeze();
  bench.publish(vmm::GuestResumed{0, "vm0", kGuest});
  CHECK_FALSE(bench.watch().handover());
  bench.request(0x3000, kGuest, true, "bus-master-off");
  CHECK(bench.count("dma-continuity") == 0);
}

TEST_CASE("only the first violations of an invariant are kept whole, all are counted") {
  Findings findings;
  for (unsigned i = 0; i < 10; ++i) {
    Violation violation;
    violation.id = "isolation";
    findings.report(std::move(violation));
  }
  CHECK(findings.count("isolation") == 10);
  CHECK(findings.kept().size() == Findings::kKept);
}

TEST_CASE("of one way to a foreign page a few strays are kept, all are counted") {
  Bench bench;
  for (unsigned i = 0; i < 10; ++i) bench.request(0x1000, PhysAddr(0x5000000 + i * kPage));
  CHECK(bench.count("isolation") == 10);
  const std::size_t kept = bench.watch().findings().kept().size();
  CHECK(kept > 0);
  CHECK(kept < Findings::kKept);
}
