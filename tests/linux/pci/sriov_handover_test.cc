// Virtual functions over a live update, with policy sriov: adopt (a design target).
#include "model/pci/observations.h"
#include "tests/linux/pci/device_session.h"
#include "tests/linux/pci/sriov_host.h"

namespace {

using namespace baton;
using namespace baton::test;

struct Seen {
  PhysAddr ser;
  std::vector<std::string> writes;  // of the second kernel, to physical and virtual functions
  std::vector<unsigned> counts;     // of virtual functions
  bool found = false;               // the second kernel has the virtual function
};

// As bring_up, with two virtual functions, of which a session holds the first.
Co<> hand_over_first(LuoKernel& kernel, Seen& seen) {
  Pci pci(kernel);
  co_await bring_up(pci);
  DeviceHandler handler(kernel, pci);
  CHECK(kernel.luo.register_handler(handler));
  CHECK(pci.live.register_flbs(handler));
  PciDev& physical = pci.at(kPhysical);
  const auto enabled = co_await pci.core.enable_sriov(physical, 2);
  REQUIRE(enabled);
  CHECK(pci.core.enable_device(pci.at(kFirst)));
  pci.core.set_master(pci.at(kFirst));
  const int session = co_await open_session(kernel, false);
  const int first = co_await preserve(kernel, session, pci.at(kFirst), 1);
  CHECK(first == 0);
  REQUIRE(seen.ser.value() != 0);
  sim::PhysicalMemory& ram = kernel.port.ram();
  const PhysAddr block(ram.load<std::uint64_t>(seen.ser + 8));
  const auto record = [&](unsigned i) { return ram.load<std::uint64_t>(block + 16 + 8ULL * i); };
  const auto expect = [](Sbdf address, std::uint64_t count) {
    return std::uint64_t{address.bdf.value()} << 32 | count << 48;
  };
  CHECK(ram.load<std::uint32_t>(seen.ser + 4) == 2);
  CHECK(record(0) == expect(kFirst, 1));
  CHECK(record(1) == expect(kPhysical, 1));
  // Each counts once; the physical function, once it counts others, has no owner of its own.
  CHECK(pci.live.preserve(pci.at(kFirst)).error() == Errno::kBusy);
  CHECK(pci.live.preserve(physical).error() == Errno::kBusy);
  CHECK(pci.live.preserve(pci.at(kSecond)));
  CHECK(record(1) == expect(kPhysical, 2));
  pci.live.unpreserve(pci.at(kSecond));
  CHECK(record(1) == expect(kPhysical, 1));
  co_await kexec(kernel, pci);
}

Co<> find_again(LuoKernel& kernel, Seen& seen) {
  Pci pci(kernel);
  co_await bring_up(pci);
  const PciDev& physical = pci.at(kPhysical);
  const PciDev* first = pci.core.find(kFirst);
  seen.found = first != nullptr;
  if (!seen.found) {
    CHECK(physical.num_vfs == 0);
    co_return;
  }
  CHECK(physical.incoming());
  CHECK(physical.num_vfs == 2);
  CHECK(physical.vf_bars[0].size == 3 * 0x4000);
  CHECK(first->incoming());
  CHECK(first->resources[0].start == PhysAddr(kVfBars));
  CHECK(first->resources[0].size == 0x4000);
  CHECK(pci.at(kSecond).resources[0].start == PhysAddr(kVfBars + 0x4000));
  CHECK_FALSE(pci.at(kSecond).incoming());
  CHECK((config_of(kernel, kFirst, 0x04, 2) & 4) != 0);
}

// `damage`: to the physical function, once the first kernel is gone.
Seen run(linux::SriovPolicy next, const std::function<void(pci::Function&)>& damage = {}) {
  Seen seen;
  WorldConfig config = sriov_world();
  config.kernels.resize(2);
  config.kernels[0].policies.sriov = linux::SriovPolicy::kAdopt;
  config.kernels[1].policies.sriov = next;
  World world({[&](LuoKernel& kernel) { return hand_over_first(kernel, seen); },
               [&](LuoKernel& kernel) { return find_again(kernel, seen); }},
              config);
  sim::Simulation& simulation = world.machine().simulation();
  simulation.topic<linux::PagesAllocated>().subscribe([&](const linux::PagesAllocated& pages) {
    if (std::string_view(pages.owner) == "pci_ser") seen.ser = pages.range.start;
  });
  simulation.topic<pci::VirtualFunctionsChanged>().subscribe(
      [&](const pci::VirtualFunctionsChanged& changed) { seen.counts.push_back(changed.count); });
  simulation.topic<host::ConfigAccess>().subscribe([&](const host::ConfigAccess& access) {
    if (!access.write || access.generation != 1) return;
    if (access.address != kPhysical && access.address != kFirst) return;
    seen.writes.push_back(fmt::format("{} {:x}", access.by, access.offset));
  });
  simulation.topic<host::KernelJumped>().subscribe([&](const host::KernelJumped&) {
    if (damage) damage(*world.machine().fabric().find(kPhysical));
  });
  world.run();
  CHECK(world.completed(1));
  return seen;
}

}  // namespace

TEST_CASE("policy sriov adopt: virtual functions are found again without a write") {
  const Seen seen = run(linux::SriovPolicy::kAdopt);
  CHECK(seen.found);
  CHECK(seen.counts == std::vector<unsigned>{2});
  CHECK(seen.writes == std::vector<std::string>{});
}

TEST_CASE("policy sriov refuse: a kernel disables the virtual functions that it was handed") {
  const Seen seen = run(linux::SriovPolicy::kRefuse);
  CHECK_FALSE(seen.found);
  CHECK(seen.counts == std::vector<unsigned>{2, 0});
  CHECK_FALSE(seen.writes.empty());
}

TEST_CASE("a number of virtual functions that cannot be is not taken over") {
  for (const std::uint32_t count : {0U, 4U}) {  // of three
    const Seen seen = run(linux::SriovPolicy::kAdopt, [count](pci::Function& physical) {
      physical.config().set(0x110, 2, count);  // NumVFs
    });
    CHECK_FALSE(seen.found);
    CHECK(seen.writes == std::vector<std::string>{});
  }
}
