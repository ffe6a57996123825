// irq-accounted and the book that it reads: each place an interrupt can be in, each way to end.
#include "harness/invariants/interrupt_book.h"

#include "tests/harness/invariants/bench.h"

using namespace baton;
using namespace baton::harness;
using namespace baton::harness::test;

namespace {

struct Interrupts : Bench {
  Interrupts() { publish(vmm::GuestStarted{0, "vm0", kGuest}); }

  Sbdf place() { return dsa().location(); }
  void raise() { publish(pci::InterruptRaised{dsa(), 1}); }
  // Its message leaves the root complex under this number.
  void send(std::uint64_t id) {
    raise();
    publish(host::InterruptSent{id, dsa().requester_id(), Vector(0x21), 0});
  }
  void arrive(std::uint64_t id, bool signalled = true, unsigned index = 1) {
    publish(host::InterruptArriving{id});
    publish(
        linux::InterruptForwarded{0, place(), index, linux::InterruptOrigin::kHandler, signalled});
    publish(host::InterruptDelivered{id, dsa().requester_id(), Vector(0x21), true});
  }
  void inject(bool made = false, bool discarded = false) {
    publish(vmm::InterruptInjected{0, "vm0", place(), 1, 1, made, discarded});
  }
  void take() { publish(vmm::GuestTookInterrupts{0, "vm0", 2}); }
  InterruptCounts counts() { return watch().interrupts().counts(); }
};

}  // namespace

TEST_CASE("an interrupt is delivered when its guest takes it, and others are merged into it") {
  Interrupts bench;
  bench.send(1);
  bench.send(2);
  CHECK(bench.counts().under_way == 2);
  bench.arrive(1);
  bench.arrive(2);
  bench.inject();
  bench.take();
  const InterruptCounts counts = bench.counts();
  CHECK(counts.raised == 2);
  CHECK(counts.delivered == 1);
  CHECK(counts.merged == 1);
  CHECK(counts.lost == 0);
  CHECK(counts.under_way == 0);
}

TEST_CASE("a loss is made up for by the next interrupt of its vector, in time or too late") {
  for (const bool late : {false, true}) {
    Interrupts bench;
    bench.raise();
    bench.publish(pci::InterruptHeld{bench.dsa(), 1});
    bench.pass(late ? 2_ms : 500_us);
    bench.inject(true);
    bench.take();
    bench.finish();
    CHECK(bench.counts().lost == 1);
    CHECK(bench.counts().spurious == 1);
    CHECK(bench.counts().not_made_up == (late ? 1 : 0));
    CHECK((bench.count("irq-accounted") != 0) == late);
  }
}

TEST_CASE("a loss of a guest that does not run is made up for when it does") {
  Interrupts bench;
  bench.publish(vmm::GuestPaused{0, "vm0"});
  bench.raise();
  bench.publish(pci::InterruptHeld{bench.dsa(), 1});
  bench.pass(900_ms);
  bench.inject(true);
  bench.publish(vmm::GuestResumed{1, "vm0", kGuest});
  bench.pass(50_ms);
  bench.finish();
  CHECK(bench.count("irq-accounted") == 0);
}

TEST_CASE("a loss is made up for by an interrupt that waits in the vCPU already") {
  Interrupts bench;
  bench.publish(vmm::GuestPaused{0, "vm0"});
  bench.send(1);
  bench.arrive(1);
  bench.inject();
  bench.raise();
  bench.publish(pci::InterruptHeld{bench.dsa(), 1});
  bench.publish(vmm::GuestResumed{1, "vm0", kGuest});
  bench.pass(20_ms);
  bench.take();
  bench.finish();
  CHECK(bench.counts().lost == 1);
  CHECK(bench.counts().not_made_up == 0);
  CHECK(bench.count("irq-accounted") == 0);
}

TEST_CASE("an owner that took its interrupts down knows what it loses") {
  Interrupts bench;
  bench.publish(linux::InterruptsSet{0, bench.place(), 0});
  bench.raise();
  bench.publish(pci::InterruptHeld{bench.dsa(), 1});
  bench.pass(50_ms);
  bench.finish();
  CHECK(bench.counts().lost == 1);
  CHECK(bench.count("irq-accounted") == 0);
}

TEST_CASE("each way to get lost has its words") {
  const auto way_of = [](auto ends) {
    Interrupts bench;
    ends(bench);
    const auto& losses = bench.watch().interrupts().losses();
    REQUIRE(losses.size() == 1);
    CHECK(losses.front().interrupt.id == 1);
    return std::string(losses.front().way);
  };
  CHECK(way_of([](Interrupts& b) {
          b.send(1);
          b.arrive(1, false);
        }) == "its owner has given no eventfd");
  CHECK(way_of([](Interrupts& b) {
          b.send(1);
          b.arrive(1, true, 3);
        }) == "a handler of something else runs");
  CHECK(way_of([](Interrupts& b) {
          b.send(1);
          b.publish(host::InterruptArriving{1});
          b.publish(linux::InterruptEntered{0, Vector(0x21), false});
          b.publish(host::InterruptDelivered{1, b.dsa().requester_id(), Vector(0x21), true});
        }) == "no kernel has a handler for it");
  CHECK(way_of([](Interrupts& b) {
          b.send(1);
          b.publish(host::InterruptLost{1});
        }) == "the platform is reset");
  CHECK(way_of([](Interrupts& b) {
          b.send(1);
          b.arrive(1);
          b.inject(false, true);
        }) == "its VMM discards it");
  CHECK(way_of([](Interrupts& b) {
          b.send(1);
          b.arrive(1);
          b.publish(vmm::GuestStopped{0, "vm0"});
        }) == "its guest is gone");
  CHECK(way_of([](Interrupts& b) {
          b.raise();
          b.publish(pci::InterruptPending{b.dsa(), 1});
          b.publish(pci::FunctionReset{b.dsa(), pci::ResetKind::kFunctionLevel});
        }) == "the device is reset");
  CHECK(way_of([](Interrupts& b) {
          b.send(1);
          b.publish(host::InterruptArriving{1});
          b.publish(linux::InterruptNoted{0, Vector(0x21)});
          b.publish(linux::InterruptReplayed{0, Vector(0x21)});
        }) == "it is replayed before the IOMMU, where nobody has a handler");
}

TEST_CASE("an interrupt that stays in a pending bit is missed, and one that leaves it is not") {
  for (const bool leaves : {false, true}) {
    Interrupts bench;
    bench.raise();
    bench.publish(pci::InterruptPending{bench.dsa(), 1});
    bench.pass(20_ms);
    if (leaves) {
      bench.publish(pci::InterruptUnmasked{bench.dsa(), 1});
      bench.publish(host::InterruptSent{1, bench.dsa().requester_id(), Vector(0x21), 0});
      bench.arrive(1);
      bench.inject();
      bench.take();
    }
    bench.finish();
    CHECK((bench.count("irq-accounted") == 0) == leaves);
  }
}

TEST_CASE("a kernel that finds what nobody raised is caught") {
  Interrupts bench;
  bench.publish(
      linux::InterruptForwarded{1, bench.place(), 1, linux::InterruptOrigin::kCaptured, true});
  bench.finish();
  CHECK(bench.count("irq-accounted") == 1);
}
