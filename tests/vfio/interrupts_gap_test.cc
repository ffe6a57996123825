// What a reboot that fails after the freeze gives back of a device's interrupts, policy by policy,
// and what a kernel without remapping says to policies that need it.
#include "model/iommu_vtd/profiles.h"
#include "tests/vfio/remapped_kernel.h"

namespace {

using namespace baton;
using namespace baton::test;
using linux::InterruptPolicy;

struct Outcome {
  std::size_t writes = 0;        // of configuration space, by freeze and unfreeze
  std::uint64_t found = 0;       // interrupts of the freeze that the owner heard of
  bool works = false;            // and one later
  std::optional<Errno> refused;  // of the freeze itself
};

Co<> cancel(RemappedKernel& kernel, VfioNotes& notes, Outcome& outcome) {
  bool frozen = false;
  FailingHandler handler(kernel, [&] {
    frozen = true;
    notes.dsa().signal_msix(2);
  });
  CHECK(kernel.luo.register_handler(handler));
  std::vector<linux::EventFd*> fds;
  Owner owner = co_await own_device(kernel, fds);
  const int session = co_await preserve_all(kernel, owner);
  const int failing = open_test_file(kernel, 1);
  AWAIT_EQUAL(preserve_fd(kernel, session, failing, 77), 0);
  notes.watching = true;
  const auto rebooted = co_await kernel.luo.reboot();
  CHECK_FALSE(rebooted.has_value());
  if (!frozen) outcome.refused = rebooted.error();
  outcome.writes = notes.writes.size();
  co_await kernel.services.spend(sim::Duration::microseconds(10));
  outcome.found = fds[2]->count();
  notes.dsa().signal_msix(2);
  co_await kernel.services.spend(sim::Duration::microseconds(10));
  outcome.works = fds[2]->count() == outcome.found + 1;
}

Outcome cancelled(InterruptPolicy policy, bool remapping = true, bool posting = true) {
  WorldConfig config;
  linux::KernelConfig& kernel = config.kernels[0];
  kernel.vfio_disable_denylist = true;
  kernel.policies.interrupts = policy;
  config.interrupt_remapping = remapping;
  if (posting) config.iommu_profile = iommu_vtd::with_posted_interrupts(config.iommu_profile);
  config.build = [](host::Machine& machine) {
    pci::Bus& root = machine.fabric().add_root_bus(0, 0x6A, 0x6A);
    machine.fabric().add(root, 1, 0, devices::dsa::make_dsa(machine.simulation(), {}));
  };
  return cancelled_handover<Outcome>(config, cancel);
}

}  // namespace

TEST_CASE("a reboot that fails after the freeze gives interrupts back, by each policy") {
  // Off and on again: what came in between is lost.
  const Outcome disabled = cancelled(InterruptPolicy::kDisableInFreeze);
  CHECK(disabled.writes == 2);
  CHECK(disabled.found == 0);
  CHECK(disabled.works);
  const Outcome dropped = cancelled(InterruptPolicy::kIrteDrop);
  CHECK(dropped.writes == 0);
  CHECK(dropped.found == 0);
  CHECK(dropped.works);
  const Outcome captured = cancelled(InterruptPolicy::kPostedCapture);
  CHECK(captured.writes == 0);
  CHECK(captured.found == 1);
  CHECK(captured.works);
  for (const InterruptPolicy policy : {InterruptPolicy::kRemember, InterruptPolicy::kKeep}) {
    const Outcome kept = cancelled(policy);
    CHECK(kept.writes == 0);
    CHECK(kept.found == 1);  // nothing was ever done about them
    CHECK(kept.works);
  }
}

TEST_CASE("a freeze is refused where interrupts cannot be held back as the policy says") {
  CHECK(cancelled(InterruptPolicy::kIrteDrop, false).refused == Errno::kOpNotSupp);
  CHECK(cancelled(InterruptPolicy::kPostedCapture, false).refused == Errno::kOpNotSupp);
  CHECK(cancelled(InterruptPolicy::kPostedCapture, true, false).refused == Errno::kOpNotSupp);
  CHECK(cancelled(InterruptPolicy::kRequireDisabled).refused == Errno::kInval);
  // Nothing is left half done.
  CHECK(cancelled(InterruptPolicy::kPostedCapture, true, false).works);
}
