// luod and VMMs over kernels, from the console's point of view.
#include "tests/vmm/user_space_world.h"

namespace {

using namespace baton;
using namespace baton::test;
using Story = std::vector<std::string>;

constexpr std::int64_t kBoot = 1500;  // ms, more than a boot takes

Options with_device() {
  Options options;
  options.user.vms.push_back(small_vm("vm0", {kDsa}));
  options.user.next_kernels.push_back({1, UserWorld::kCommandLine});
  return options;
}

Options without_device() {
  Options options;
  options.user.vms.push_back(small_vm("vm0", {}));
  options.user.vms.push_back(small_vm("vm1", {}));
  options.user.next_kernels.push_back({1, UserWorld::kCommandLine});
  return options;
}

void check_sound(const vmm::GuestStatus& status) {
  CHECK(status.magic == vmm::GuestStatus::kMagic);
  CHECK(status.state == vmm::GuestState::kRunning);
  CHECK(status.mismatches == 0);
  CHECK(status.member_errors == 0);
  CHECK(status.batch_errors == 0);
  CHECK(status.batches_lost == 0);
}

}  // namespace

TEST_CASE("a guest with a DSA lives on in the next kernel, and its device never stops") {
  UserWorld world(with_device());
  world.run_for(kBoot);
  const vmm::GuestStatus before = world.status();
  check_sound(before);
  CHECK(before.batches_done > 0);
  world.type_after(100, "live-update");
  world.run_for(2 * kBoot);
  CHECK(world.halted.empty());
  CHECK(world.story == Story{"0 vm0 started", "0 vm0 paused", "1 vm0 resumed"});
  const vmm::GuestStatus after = world.status();
  check_sound(after);
  CHECK(after.batches_done > before.batches_done);
  CHECK(after.driver_resets == before.driver_resets);
  // The guest slept a poll interval at most when it was paused.
  const auto gap = static_cast<std::uint64_t>((world.resumed - world.paused).ps());
  CHECK(after.longest_stall_ps + std::uint64_t{5'000'000'000} >= gap);
}

TEST_CASE("a guest is carried over three kernels") {
  UserWorld world(with_device());
  for (int i = 0; i < 3; ++i) {
    world.type_after(2 * kBoot, "live-update");
  }
  world.run_for(2 * kBoot);
  CHECK(world.halted.empty());
  CHECK(world.story == Story{"0 vm0 started", "0 vm0 paused", "1 vm0 resumed", "1 vm0 paused",
                             "2 vm0 resumed", "2 vm0 paused", "3 vm0 resumed"});
  check_sound(world.status());
}

TEST_CASE("a cancelled live update leaves the guest running, and another one succeeds") {
  UserWorld world(with_device());
  world.type_after(kBoot, "create-session");
  world.type_after(10, "preserve");
  world.type_after(10, "cancel");
  world.run_for(100);
  CHECK(world.story ==
        Story{"0 vm0 started", "0 create-session: done", "0 preserve: done", "0 cancel: done"});
  const vmm::GuestStatus before = world.status();
  world.type_after(100, "live-update");
  world.run_for(2 * kBoot);
  CHECK(world.story.back() == "1 vm0 resumed");
  CHECK(world.status().batches_done > before.batches_done);
  check_sound(world.status());
}

TEST_CASE("a guest that nobody preserved dies with its kernel, and a new one starts") {
  UserWorld world(with_device());
  world.type_after(kBoot, "kexec");
  world.run_for(2 * kBoot);
  CHECK(world.story == Story{"0 vm0 started", "0 vm0 paused", "1 vm0 started"});
  check_sound(world.status());
}

TEST_CASE("a cold reboot starts every guest anew") {
  UserWorld world(with_device());
  world.type_after(kBoot, "cold-reboot");
  world.run_for(70'000);  // firmware takes its minute
  CHECK(world.story == Story{"0 vm0 started", "1 vm0 started"});
}

TEST_CASE("guests without devices are memory and registers, and are carried over") {
  UserWorld world(without_device());
  world.type_after(kBoot, "live-update");
  world.run_for(2 * kBoot);
  CHECK(world.story == Story{"0 vm0 started", "0 vm1 started", "0 vm0 paused", "0 vm1 paused",
                             "1 vm0 resumed", "1 vm1 resumed"});
  CHECK(world.status().state == vmm::GuestState::kIdle);
}

TEST_CASE("retrieve and finish wait for the operator when luod is told so") {
  Options options = with_device();
  options.user.auto_restore = false;
  UserWorld world(std::move(options));
  world.type_after(kBoot, "live-update");
  world.type_after(2 * kBoot, "finish");
  world.type_after(10, "retrieve");
  world.type_after(10, "finish");
  world.run_for(100);
  CHECK(world.story == Story{"0 vm0 started", "0 vm0 paused",
                             "1 vm0: LIVEUPDATE_SESSION_FINISH: EBUSY", "1 finish: not done",
                             "1 vm0 resumed", "1 retrieve: done", "1 finish: done"});
  check_sound(world.status());
}

TEST_CASE("a second live update before the first has finished is refused") {
  Options options = without_device();
  options.user.auto_restore = false;
  UserWorld world(std::move(options));
  world.type_after(kBoot, "live-update");
  world.type_after(2 * kBoot, "retrieve");
  world.type_after(10, "live-update");
  world.run_for(100);
  CHECK(world.story.back() == "1 live-update: not done");
  world.type_after(0, "finish");
  world.type_after(10, "live-update");
  world.run_for(2 * kBoot);
  CHECK(world.story.back() == "1 vm1 paused");
  CHECK(world.machine().generation() == 2);
}

TEST_CASE("when a kernel cannot preserve VFIO devices, the policy on refusal decides") {
  Options options = with_device();
  options.first.pieces.vfio = linux::VfioLiveUpdate::kNone;
  const std::string refusal = "0 vm0: LIVEUPDATE_SESSION_PRESERVE_FD vfio: ENOENT";
  SECTION("stop: everything goes on") {
    UserWorld world(std::move(options));
    world.type_after(kBoot, "live-update");
    world.run_for(2 * kBoot);
    CHECK(world.story == Story{"0 vm0 started", refusal, "0 live-update: not done"});
    check_sound(world.status());
  }
  SECTION("go-on-without: the guest goes on with its memory, and its device starts over") {
    UserWorld world(std::move(options));
    world.type_after(kBoot, "live-update on_refusal=go-on-without");
    world.run_for(2 * kBoot);
    // Refused with its address space, and without.
    CHECK(world.story == Story{"0 vm0 started", refusal, refusal, "0 vm0 paused", "1 vm0 resumed"});
    CHECK(world.status().driver_resets == 1);
    CHECK(world.status().mismatches == 0);
  }
  SECTION("shut-down-vm: the guest ends first") {
    options.user.on_refusal = vmm::OnRefusal::kShutDownVm;
    UserWorld world(std::move(options));
    world.type_after(kBoot, "live-update");
    world.run_for(2 * kBoot);
    CHECK(world.story == Story{"0 vm0 started", refusal, "0 vm0 stopped", "1 vm0 started"});
  }
}

TEST_CASE("where the kernel demands it, a VMM takes the interrupts down before the reboot") {
  Options options = with_device();
  options.first.policies.interrupts = linux::InterruptPolicy::kRequireDisabled;
  options.next.policies.interrupts = linux::InterruptPolicy::kRequireDisabled;
  options.user.interrupts = {linux::InterruptPolicy::kRequireDisabled};
  UserWorld world(std::move(options));
  world.type_after(kBoot, "live-update");
  world.run_for(2 * kBoot);
  CHECK(world.story == Story{"0 vm0 started", "0 vm0 paused", "1 vm0 resumed"});
  check_sound(world.status());
}

TEST_CASE("a reboot is refused while interrupts are configured, and the guest goes on") {
  Options options = with_device();
  options.first.policies.interrupts = linux::InterruptPolicy::kRequireDisabled;
  options.user.interrupts = {linux::InterruptPolicy::kRequireDisabled};
  options.user.vms[0].releases_interrupts = false;
  const std::string refusal = "0 luod: reboot LINUX_REBOOT_CMD_KEXEC: EINVAL";
  SECTION("as part of a live update: nothing stays preserved, whatever on_refusal says") {
    for (const char* line : {"live-update", "live-update on_refusal=shut-down-vm"}) {
      Options copy = options;
      UserWorld world(std::move(copy));
      world.type_after(kBoot, line);
      world.run_for(kBoot);
      CHECK(world.story == Story{"0 vm0 started", "0 vm0 paused", refusal, "0 vm0 resumed",
                                 fmt::format("0 {}: not done", line)});
      const vmm::GuestStatus after = world.status();
      check_sound(after);
      world.run_for(kBoot);
      CHECK(world.status().batches_done > after.batches_done);
    }
  }
  SECTION("as a single step: what was preserved stays so, and a second try is refused again") {
    UserWorld world(std::move(options));
    world.type_after(kBoot, "preserve");
    world.type_after(10, "kexec");
    world.type_after(100, "kexec");
    world.type_after(100, "cancel");
    world.run_for(kBoot);
    CHECK(world.story == Story{"0 vm0 started", "0 preserve: done", "0 vm0 paused", refusal,
                               "0 vm0 resumed", "0 kexec: not done", "0 vm0 paused", refusal,
                               "0 vm0 resumed", "0 kexec: not done", "0 cancel: done"});
    check_sound(world.status());
  }
}

TEST_CASE("lines that nobody understands are answered") {
  Options options = without_device();
  options.user.next_kernels.clear();
  UserWorld world(std::move(options));
  world.type_after(kBoot, "dance");
  world.type_after(10, "live-update on_refusal=maybe");
  world.type_after(10, "kexec");
  world.run_for(10);
  CHECK(world.story == Story{"0 vm0 started", "0 vm1 started", "0 luod: unknown command: EINVAL",
                             "0 dance: not done", "0 luod: on_refusal: EINVAL",
                             "0 live-update on_refusal=maybe: not done",
                             "0 luod: open next kernel: ENOENT", "0 kexec: not done"});
}
