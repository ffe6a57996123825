// Domain ids, preserved memory, owners and pauses.

#include "tests/harness/invariants/bench.h"

using namespace baton;
using namespace baton::harness;
using namespace baton::harness::test;

namespace {

constexpr Sbdf kDsa{0, Bdf(0x6A, 1, 0)};

}  // namespace

TEST_CASE("domain-id-unique fires when two devices share an id but not their tables") {
  Bench bench(Bench::Fabric::kWithPort);
  const auto context = [&](Bdf at, PhysAddr table, std::uint64_t domain) {
    const PhysAddr contexts(0x1010000 + at.bus() * kPage);
    bench.memory().store<std::uint64_t>(kRoot + at.bus() * 16, contexts.value() | 1);
    bench.memory().store<std::uint64_t>(contexts + at.devfn() * 16, table.value() | 1);
    bench.memory().store<std::uint64_t>(contexts + at.devfn() * 16 + 8, 2 | domain << 8);
  };
  const auto send = [&](pci::Function& function) {
    const pci::MemoryRequest request;
    const pci::Completion completion;
    bench.publish(pci::RequestDone{function, request, completion, {}});
  };
  const Bdf other(0x6B, 1, 0);
  context(other, PhysAddr(0x1007000), 6);
  send(bench.dsa());
  send(bench.other_dsa());
  CHECK(bench.count("domain-id-unique") == 0);
  context(other, kLevel4, 5);  // one domain, two devices
  send(bench.other_dsa());
  CHECK(bench.count("domain-id-unique") == 0);
  context(other, PhysAddr(0x1007000), 5);
  send(bench.other_dsa());
  CHECK(bench.count("domain-id-unique") == 1);
  const Violation& violation = bench.first("domain-id-unique");
  CHECK(violation.subject == "domain id 5");
  CHECK(violation.seen.find("dsa1 of vm1 translates by the tables at 0x1007000") == 0);
  send(bench.other_dsa());  // reported once
  CHECK(bench.count("domain-id-unique") == 1);
}

TEST_CASE("memory-not-leaked fires for a preserved page that nobody restores") {
  Bench bench;
  bench.preserve_all_and_freeze();
  bench.jump();
  bench.release(kEverything);
  bench.restore(kEverything[0]);
  bench.restore({kGuest, (kGuestPages - 1) * kPage});
  bench.session_state(1, luo::SessionState::kFinished);
  CHECK(bench.count("memory-not-leaked") == 0);
  bench.finish();
  CHECK(bench.count("memory-not-leaked") == 1);
  CHECK(bench.first("memory-not-leaked").subject == "page 0x21ff000");
}

TEST_CASE("memory-not-leaked holds when all is restored, and leaves an open handover alone") {
  Bench complete;
  complete.preserve_all_and_freeze();
  complete.jump();
  for (const sim::PhysRange& range : kEverything) complete.restore(range);
  complete.session_state(1, luo::SessionState::kFinished);
  complete.finish();
  CHECK(complete.count("memory-not-leaked") == 0);
  Bench open;
  open.preserve_all_and_freeze();
  open.jump();
  open.finish();
  CHECK(open.count("memory-not-leaked") == 0);
  CHECK(open.count("session-complete") == 1);
}

TEST_CASE("memory-not-leaked excuses the pages that KHO and LUO read in place, and no others") {
  Bench bench;
  bench.preserve({PhysAddr(0x3000000), kPage}, "kho root fdt");
  bench.preserve({PhysAddr(0x3002000), kPage}, "luo flb page");
  bench.preserve({PhysAddr(0x3004000), kPage}, "luo session block");
  bench.preserve_all_and_freeze();
  bench.jump();
  for (const sim::PhysRange& range : kEverything) bench.restore(range);
  bench.session_state(1, luo::SessionState::kFinished);
  bench.finish();
  CHECK(bench.count("memory-not-leaked") == 1);
  CHECK(bench.first("memory-not-leaked").subject == "page 0x3004000");
}

TEST_CASE("memory-not-leaked is judged at the next jump as well") {
  Bench bench;
  bench.preserve_all_and_freeze();
  bench.jump();
  bench.session_state(1, luo::SessionState::kFinished);
  bench.jump();
  CHECK(bench.count("memory-not-leaked") == 2);  // two runs of pages
}

TEST_CASE("ownership fires for another driver, another process and another process's iommufd") {
  using linux::DeviceHolder;
  Bench bench;
  bench.publish(linux::pci::DriverBound{0, kDsa, "idxd", true});
  bench.publish(linux::pci::DriverBound{0, kDsa, "vfio-pci", true});
  bench.publish(linux::DeviceTaken{0, kDsa, DeviceHolder::kProcess, "shell"});
  bench.preserve_all_and_freeze();
  bench.jump();
  bench.publish(linux::pci::DriverBound{1, kDsa, "vfio-pci", true});
  bench.publish(linux::DeviceTaken{1, kDsa, DeviceHolder::kProcess, "vm0"});
  bench.publish(linux::DeviceTaken{1, kDsa, DeviceHolder::kIommufd, "vm0"});
  CHECK(bench.count("ownership") == 0);
  bench.publish(linux::pci::DriverBound{1, kDsa, "idxd", true});
  CHECK(bench.first("ownership").expected == "driver vfio-pci");
  CHECK(bench.first("ownership").seen == "driver idxd");
  bench.publish(linux::DeviceTaken{1, kDsa, DeviceHolder::kProcess, "vm1"});
  CHECK(bench.count("ownership") == 2);
  bench.publish(linux::DeviceTaken{1, kDsa, DeviceHolder::kIommufd, "vm1"});
  CHECK(bench.count("ownership") == 3);
  bench.session_state(1, luo::SessionState::kFinished);
  bench.publish(linux::pci::DriverBound{1, kDsa, "idxd", true});
  CHECK(bench.count("ownership") == 3);
}

TEST_CASE("pause-budget fires for a pause that is too long, under one kernel or over a jump") {
  Bench bench;
  bench.publish(vmm::GuestPaused{0, "vm0"});
  bench.pass(2_s);
  bench.publish(vmm::GuestResumed{0, "vm0", kGuest});
  CHECK(bench.count("pause-budget") == 0);
  bench.publish(vmm::GuestPaused{0, "vm0"});
  bench.publish(vmm::GuestPaused{0, "vm1"});
  bench.preserve_all_and_freeze();
  bench.jump();
  bench.pass(2_s + 1_ns);
  bench.publish(vmm::GuestResumed{1, "vm0", kGuest});
  CHECK(bench.count("pause-budget") == 1);
  bench.finish();  // vm1 was not carried and ended at the jump
  CHECK(bench.count("pause-budget") == 1);
  CHECK(bench.first("pause-budget").subject == "guest vm0");
  CHECK(bench.first("pause-budget").expected == "it resumes within 2.000 s");
}

TEST_CASE("pause-budget knows a guest that is never woken, and one that the run's end cuts short") {
  Bench cut;
  cut.publish(vmm::GuestPaused{0, "vm0"});
  cut.pass(1_s);
  cut.finish();
  CHECK(cut.count("pause-budget") == 0);
  Bench panicked;
  panicked.publish(vmm::GuestPaused{0, "vm0"});
  panicked.publish(host::KernelHalted{1, "no header"});
  panicked.finish();
  CHECK(panicked.count("pause-budget") == 1);
  Bench stopped;
  stopped.publish(vmm::GuestPaused{0, "vm0"});
  stopped.publish(vmm::GuestStopped{0, "vm0"});
  stopped.pass(3_s);
  stopped.finish();
  CHECK(stopped.count("pause-budget") == 0);
}
