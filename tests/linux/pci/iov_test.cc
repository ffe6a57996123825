// Virtual functions that a kernel makes appear, what it refuses, and what the next kernel does to
// them [linux drivers/pci/iov.c].
#include "model/pci/observations.h"
#include "tests/linux/pci/sriov_host.h"

namespace {

using namespace baton;
using namespace baton::test;

struct Story {
  std::vector<std::uint32_t> controls;  // written to SR-IOV control, by generation 1
  std::vector<unsigned> counts;
};

Co<> first_kernel(LuoKernel& kernel) {
  Pci pci(kernel);
  co_await bring_up(pci);
  PciDev& physical = pci.at(kPhysical);
  REQUIRE(physical.sriov_cap == 0x100);
  CHECK(pci.core.find(kFirst) == nullptr);
  std::vector<Sbdf> added;
  std::vector<Sbdf> removed;
  pci.core.set_virtual_function_hooks(
      [&](PciDev& dev) -> Co<> {
        added.push_back(dev.address);
        co_return;
      },
      [&](PciDev& dev) -> Co<> {
        removed.push_back(dev.address);
        co_return;
      });
  CHECK(pci.core.total_vfs(physical) == 3);
  const auto too_many = co_await pci.core.enable_sriov(physical, 4);
  CHECK(too_many.error() == Errno::kInval);
  PciDev& other = pci.at(kAccelerator);
  const auto not_physical = co_await pci.core.enable_sriov(other, 1);
  CHECK(not_physical.error() == Errno::kInval);
  const auto enabled = co_await pci.core.enable_sriov(physical, 2);
  REQUIRE(enabled);
  CHECK(added == std::vector{kFirst, kSecond});
  const auto again = co_await pci.core.enable_sriov(physical, 1);
  CHECK(again.error() == Errno::kInval);

  PciDev& virtfn = pci.at(kSecond);
  CHECK(virtfn.is_virtual());
  CHECK(virtfn.vendor == 0x8086);
  CHECK(virtfn.device == 0x1521);
  CHECK(virtfn.class_code == 0x020000);
  CHECK(virtfn.resources[0].start == PhysAddr(kVfBars + 0x4000));
  CHECK(virtfn.resources[0].size == 0x4000);
  CHECK(virtfn.has_flr);
  CHECK(pci.live.preserve(virtfn).error() == Errno::kInval);

  co_await pci.core.disable_sriov(physical);
  CHECK(removed == std::vector{kFirst, kSecond});
  CHECK(pci.core.find(kSecond) == nullptr);
  CHECK(config_of(kernel, kSecond, 0x08, 4) == 0xFFFFFFFF);
  const auto back = co_await pci.core.enable_sriov(physical, 1);
  REQUIRE(back);
  REQUIRE(pci.core.find(kFirst) != nullptr);
  pci.core.set_master(pci.at(kFirst));
  pci.core.set_virtual_function_hooks({}, {});
  co_await kernel.kexec();
}

Co<> second_kernel(LuoKernel& kernel) {
  CHECK((config_of(kernel, kFirst, 0x04, 2) & 4) != 0);  // it still does DMA
  Pci pci(kernel);
  co_await bring_up(pci);
  CHECK(pci.core.find(kFirst) == nullptr);
  CHECK(config_of(kernel, kFirst, 0x08, 4) == 0xFFFFFFFF);
  CHECK(pci.at(kPhysical).num_vfs == 0);
}

}  // namespace

TEST_CASE("a driver makes virtual functions appear; the next kernel's enumeration ends them") {
  Story story;
  World world({[](LuoKernel& kernel) { return first_kernel(kernel); },
               [](LuoKernel& kernel) { return second_kernel(kernel); }},
              sriov_world());
  world.machine().simulation().topic<pci::VirtualFunctionsChanged>().subscribe(
      [&](const pci::VirtualFunctionsChanged& seen) { story.counts.push_back(seen.count); });
  world.machine().simulation().topic<host::ConfigAccess>().subscribe(
      [&](const host::ConfigAccess& access) {
        if (access.write && access.generation == 1 && access.address == kPhysical &&
            access.offset == 0x108) {
          story.controls.push_back(access.value);
        }
      });
  world.run();
  CHECK(world.completed(1));
  CHECK(story.counts == std::vector<unsigned>{2, 0, 1, 0});
  REQUIRE(story.controls.size() == 2);
  CHECK(story.controls == std::vector<std::uint32_t>{0, 0});  // VF Enable cleared, then set up
}
