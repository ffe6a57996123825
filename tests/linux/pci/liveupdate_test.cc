// PCI functions over a live update: records, shutdown, the next kernel's enumeration
// [linux drivers/pci/liveupdate.c, v9].
#include "model/pci/observations.h"
#include "tests/linux/pci/device_session.h"

namespace {

using namespace baton;
using namespace baton::test;
namespace uapi = linux::uapi;

struct Result {
  std::vector<std::string> writes;  // to handed over functions, by generation 1 until finish
  std::array<bool, 3> master{};     // at the jump: virtio path, accelerator, nvme
  bool dma_works = false;
};

struct Story {
  Result result;
  bool forget_finish = false;
  bool watching = false;
  bool assign_busses = false;  // the second kernel's pci=assign-busses
};

Co<> first_kernel(LuoKernel& kernel, Story& story) {
  Pci pci(kernel);
  co_await pci.live.begin_enumeration();
  co_await pci.core.enumerate();
  co_await pci.core.assign_resources();
  DeviceHandler handler(kernel, pci);
  CHECK(kernel.luo.register_handler(handler));
  CHECK(pci.live.register_flbs(handler));
  const std::array<Sbdf, 3> functions = {kVirtio, kAccelerator, kNvme};
  for (const Sbdf& address : functions) {
    CHECK(pci.core.enable_device(pci.at(address)));
    pci.core.set_master(pci.at(address));
  }
  CHECK(pci.live.preserve(pci.at(kVirtio)).error() == Errno::kNoEnt);  // outside a callback

  const int session = co_await open_session(kernel, false);
  const int virtio = co_await preserve(kernel, session, pci.at(kVirtio), 1);
  CHECK(virtio == 0);
  const int accelerator = co_await preserve(kernel, session, pci.at(kAccelerator), 2);
  CHECK(accelerator == 0);
  const int again = co_await preserve(kernel, session, pci.at(kVirtio), 3);
  CHECK(again == static_cast<int>(Errno::kBusy));
  for (const Sbdf& address : kVirtioPath) CHECK(pci.at(address).outgoing());
  CHECK_FALSE(pci.at(kNvme).outgoing());

  pci.live.freeze(pci.at(kNvme));
  const int frozen = co_await preserve(kernel, session, pci.at(kNvme), 4);
  CHECK(frozen == static_cast<int>(Errno::kInval));
  story.watching = true;
  co_await kexec(kernel, pci);
}

Co<> second_kernel(LuoKernel& kernel, Story& story) {
  const std::array<Sbdf, 3> functions = {kVirtio, kAccelerator, kNvme};
  for (std::size_t i = 0; i < functions.size(); ++i) {
    story.result.master[i] = (config_of(kernel, functions[i], 4, 2) & 4) != 0;
  }
  for (const Sbdf& address : kVirtioPath) {
    if ((config_of(kernel, address, 4, 2) & 4) == 0) story.result.master[0] = false;
  }
  Pci pci(kernel);
  co_await pci.live.begin_enumeration();
  pci.core.set_assign_busses(story.assign_busses);
  co_await pci.core.enumerate();
  co_await pci.core.assign_resources();
  CHECK(pci.live.inherit_bus_numbers());
  // By an IOMMU driver that asks for it.
  for (PciDev* dev : pci.core.devices()) co_await pci.core.enable_acs(*dev);
  for (const Sbdf& address : kVirtioPath) CHECK(pci.at(address).incoming());
  CHECK(pci.at(kAccelerator).incoming());
  CHECK_FALSE(pci.at(kNvme).incoming());
  CHECK(pci.at(kVirtio).resources[4].size == 0x4000);
  CHECK(pci.at(kVirtio).resources[4].prefetchable);
  CHECK(pci.at(kVirtio).resources[4].start.value() != 0);
  CHECK(pci.at(kAccelerator).resources[2].size == 0x20000);
  CHECK(pci.at({0, Bdf(1, 0, 0)}).pref_64_window);
  linux::pci::PciBusType bus(kernel.services, pci.core);
  linux::pci::PciePort port(kernel.services, pci.core);
  const auto registered = co_await bus.register_driver(port);
  CHECK(registered);
  CHECK(pci.core.enable_device(pci.at(kVirtio)));
  CHECK(pci.core.enable_device(pci.at(kAccelerator)));
  story.watching = false;

  DeviceHandler handler(kernel, pci);
  handler.forgets = story.forget_finish;
  CHECK(kernel.luo.register_handler(handler));
  CHECK(pci.live.register_flbs(handler));
  const int session = co_await open_session(kernel, true);
  for (const std::uint64_t token : {1U, 2U}) {
    uapi::LiveupdateRetrieveFd request;
    request.token = token;
    const auto done = co_await call(kernel, session, uapi::kLiveupdateSessionRetrieveFd, request);
    CHECK(done.has_value());
  }
  uapi::LiveupdateFinish finish;
  const auto done = co_await call(kernel, session, uapi::kLiveupdateSessionFinish, finish);
  CHECK(done.has_value());
  for (const Sbdf& address : kVirtioPath) {
    CHECK_FALSE(pci.at(address).incoming());
    CHECK(pci.at(address).was_incoming());
  }
}

struct HandoverWorld {
  explicit HandoverWorld(Story& story, std::vector<linux::Defect> defects = {},
                         linux::Policies policies = {})
      : world({[&story](LuoKernel& kernel) { return first_kernel(kernel, story); },
               [&story](LuoKernel& kernel) { return second_kernel(kernel, story); }},
              config(defects, policies)) {
    world.simulation().topic<host::ConfigAccess>().subscribe([&story](
                                                                 const host::ConfigAccess& access) {
      const bool handed_over = access.address == kAccelerator ||
                               std::ranges::find(kVirtioPath, access.address) != kVirtioPath.end();
      if (!story.watching || !access.write || !handed_over) return;
      story.result.writes.push_back(fmt::format("{} {:02x}={:x} {}", to_string(access.address),
                                                access.offset, access.value, access.by));
    });
  }
  static WorldConfig config(const std::vector<linux::Defect>& defects,
                            const linux::Policies& policies) {
    WorldConfig result = switch_world();
    result.kernels[0].policies = policies;
    for (const linux::Defect defect : defects) result.kernels[0].defects.add(defect);
    return result;
  }
  World world;
};

}  // namespace

TEST_CASE("a function that is handed over sees no configuration write from freeze to finish") {
  Story story;
  HandoverWorld handover(story);
  std::vector<std::string> resets;
  handover.world.simulation().topic<pci::FunctionReset>().subscribe(
      [&](const pci::FunctionReset& reset) { resets.push_back(reset.function.name()); });
  handover.world.run();
  CHECK(handover.world.panic().empty());
  CHECK(handover.world.completed(1));
  CHECK(story.result.writes == std::vector<std::string>{});
  CHECK(story.result.master == std::array{true, true, false});
  CHECK(resets.empty());
}

TEST_CASE("a device that nobody finished stops the kernel at the last finish") {
  Story story;
  story.forget_finish = true;
  HandoverWorld handover(story);
  handover.world.run();
  CHECK(handover.world.panic().find("0000:07:00.0 (1)") != std::string::npos);
  CHECK(handover.world.panic().find("0000:00:03.0 (1)") != std::string::npos);
}

TEST_CASE("defect pci-skip-records: lost records stop the next kernel's boot") {
  Story story;
  HandoverWorld handover(story, {linux::Defect::kPciSkipRecords});
  handover.world.run();
  CHECK(handover.world.panic().find("PCI") != std::string::npos);
  CHECK_FALSE(handover.world.completed(1));
}

TEST_CASE("defect pci-clear-bus-master: the path of a preserved function is cut at shutdown") {
  Story story;
  HandoverWorld handover(story, {linux::Defect::kPciClearBusMaster});
  handover.world.run();
  CHECK(story.result.master == std::array{false, false, false});
}

TEST_CASE("defect pci-clear-bridge-bus-master: the ports above are cut off, the function is not") {
  Story story;
  HandoverWorld handover(story, {linux::Defect::kPciClearBridgeBusMaster});
  handover.world.run();
  CHECK(story.result.master == std::array{false, true, false});
}

TEST_CASE("defects of enumeration: handed over functions and bridges are written as when cold") {
  const auto writes = [](linux::Defect defect, const std::string& what) {
    Story story;
    HandoverWorld handover(story, {defect});
    handover.world.run();
    return std::ranges::count_if(story.result.writes, [&](const std::string& write) {
      return write.find(what) != std::string::npos;
    });
  };
  CHECK(writes(linux::Defect::kPciSizeBars, "0000:6a:01.0 10=ffffffff __pci_size_bars") == 1);
  CHECK(writes(linux::Defect::kPciProbeWindows,
               "0000:00:03.0 28=ffffffff pci_read_bridge_windows") == 1);
  CHECK(writes(linux::Defect::kPciRenumberBuses, "0000:00:03.0 18=0 pci_scan_bridge") == 1);
}

TEST_CASE("handed over bridges keep their numbers although the command line has assign-busses") {
  Story story;
  story.assign_busses = true;
  HandoverWorld handover(story);
  handover.world.run();
  CHECK(handover.world.completed(1));
  CHECK(story.result.writes == std::vector<std::string>{});
}

TEST_CASE("policy bus_numbers reassign: bridges above running devices lose their numbers") {
  Story story;
  story.assign_busses = true;
  linux::Policies policies;
  policies.bus_numbers = linux::BusNumberPolicy::kReassign;
  HandoverWorld handover(story, {}, policies);
  handover.world.run();
  CHECK(handover.world.completed(1));
  const auto has = [&](const std::string& write) {
    return std::ranges::count(story.result.writes, write) == 1;
  };
  CHECK(has("0000:00:03.0 18=0 pci_scan_bridge_extend"));
  CHECK(has("0000:00:03.0 18=690100 pci_scan_bridge_extend"));
  CHECK(has("0000:00:03.0 1a=8 pci_scan_bridge_extend"));
}

TEST_CASE("policy acs: a handed over port's ACS control is adopted, or written again") {
  for (const bool rewrite : {false, true}) {
    Story story;
    linux::Policies policies;
    policies.acs = rewrite ? linux::AcsPolicy::kRewrite : linux::AcsPolicy::kAdopt;
    HandoverWorld handover(story, {}, policies);
    handover.world.run();
    CHECK(handover.world.completed(1));
    const auto writes = std::ranges::count_if(story.result.writes, [](const std::string& write) {
      return write.find("=1d pci_enable_acs") != std::string::npos;
    });
    CHECK((writes != 0) == rewrite);
    CHECK(std::ssize(story.result.writes) == writes);
  }
}

namespace {

// The records, byte by byte, as endpoints come and go.
Co<> look_at_records(LuoKernel& kernel) {
  Pci pci(kernel);
  co_await pci.core.enumerate();
  co_await pci.core.assign_resources();
  DeviceHandler handler(kernel, pci);
  CHECK(kernel.luo.register_handler(handler));
  CHECK(pci.live.register_flbs(handler));
  PhysAddr ser;
  const auto& topic = kernel.port.simulation().topic<linux::PagesAllocated>();
  const_cast<sim::Topic<linux::PagesAllocated>&>(topic).subscribe(
      [&ser](const linux::PagesAllocated& pages) {
        if (std::string_view(pages.owner) == "pci_ser") ser = pages.range.start;
      });
  const int session = co_await open_session(kernel, false);
  const int virtio = co_await preserve(kernel, session, pci.at(kVirtio), 1);
  CHECK(virtio == 0);
  const int nvme = co_await preserve(kernel, session, pci.at(kNvme), 2);
  CHECK(nvme == 0);
  REQUIRE(ser.value() != 0);
  sim::PhysicalMemory& ram = kernel.port.ram();
  CHECK(ram.load<std::uint32_t>(ser) == 2);
  CHECK(ram.load<std::uint32_t>(ser + 4) == 8);  // 07, five bridges above, 08, 02:02.0
  const PhysAddr block(ram.load<std::uint64_t>(ser + 8));
  const auto record = [&](unsigned i) { return ram.load<std::uint64_t>(block + 16 + 8ULL * i); };
  const auto expect = [](Bdf bdf, std::uint64_t count) {
    return std::uint64_t{bdf.value()} << 32 | count << 48;
  };
  CHECK(ram.load<std::uint64_t>(block) == 0);
  CHECK(ram.load<std::uint64_t>(block + 8) == 8);
  CHECK(record(0) == expect(Bdf(7, 0, 0), 1));
  CHECK(record(1) == expect(Bdf(5, 1, 0), 1));
  CHECK(record(4) == expect(Bdf(1, 0, 0), 2));
  CHECK(record(5) == expect(Bdf(0, 3, 0), 2));
  CHECK(record(6) == expect(Bdf(8, 0, 0), 1));
  CHECK(record(7) == expect(Bdf(2, 2, 0), 1));
  pci.live.unpreserve(pci.at(kVirtio));
  CHECK(record(0) == 0);
  CHECK(record(5) == expect(Bdf(0, 3, 0), 1));
  CHECK(ram.load<std::uint32_t>(ser + 4) == 4);
  CHECK(pci.live.preserve(pci.at(kAccelerator)));
  CHECK(record(0) == expect(Bdf(0x6A, 1, 0), 1));  // a free slot first
}

}  // namespace

TEST_CASE("records have the bytes of pci_ser version 2, and free slots are used again") {
  World world({look_at_records}, switch_world());
  world.run();
  CHECK(world.completed(0));
}
