// machine.changes: what can be asked for, and what happens to the host.
#include "harness/run/machine_changes.h"

#include <algorithm>

#include "harness/report/text_report.h"
#include "harness/run/run.h"
#include "model/host/observations.h"
#include "tests/support/source_dir.h"

using namespace baton;
using namespace baton::harness;

namespace {

const std::string kFolder = testing::source_dir() + "/scenarios";

std::string scenario_with(std::string_view changes, std::string_view script = "live-update") {
  return fmt::format(R"(baton: 1
title: changes
machine:
  topology:
    lspci: hosts/reversed.lspci
    add:
      - {{kind: nvme, name: nvme0, port: "00:03.0"}}
      - {{kind: nvme, name: nvme1, port: "00:06.0"}}
      - {{kind: dsa, name: dsa0, bus: 0x6a, device: 1}}
      - {{kind: dsa, name: dsa1, segment: 1, bus: 0x6a, device: 1}}
  changes:
    - {{{}}}
script:
  - {{at: 1ms, do: {}}}
expect:
  - {{holds: all}}
)",
                     changes, script);
}

std::string problem(std::string_view changes, std::string_view script = "live-update") {
  const Loaded loaded = check_scenario_text("s.yaml", scenario_with(changes, script), kFolder);
  return loaded.good() ? "" : loaded.diagnostics.sorted().front().message;
}

struct Changed {
  explicit Changed(std::string_view changes)
      : loaded(check_scenario_text("s.yaml", scenario_with(changes), kFolder)),
        built(build_host(simulation, loaded)) {
    INFO(loaded.errors());
    REQUIRE(loaded.good());
    MachineChanges machine(simulation, built, loaded.scenario.machine);
    // As kernels leave a device that works.
    for (pci::Function* function : built.added) function->config().set(4, 2, 6);
    const auto made = machine.make(loaded.scenario.machine.changes.at(0));
    REQUIRE(made.has_value());
    for (pci::Function* function : built.added) {
      places.push_back(to_string(function->location()) + (function->bus_master() ? " on" : " off"));
    }
  }

  sim::Simulation simulation{1};
  Loaded loaded;
  BuiltHost built;
  std::vector<std::string> places;  // of nvme0, nvme1, dsa0, dsa1
};

}  // namespace

TEST_CASE("a card that is moved or exchanged loses its power, the others go on") {
  CHECK(Changed("do: move, device: nvme0, to: \"00:05.0\"").places ==
        std::vector<std::string>{"0000:02:00.0 off", "0000:01:00.0 on", "0000:6a:01.0 on",
                                 "0001:6a:01.0 on"});
  CHECK(Changed("do: exchange, device: nvme0, with: nvme1").places ==
        std::vector<std::string>{"0000:01:00.0 off", "0000:04:00.0 off", "0000:6a:01.0 on",
                                 "0001:6a:01.0 on"});
}

TEST_CASE("a device that is removed answers nobody") {
  Changed changed("do: remove, device: dsa0");
  CHECK(changed.places[2].ends_with(" off"));
  CHECK(changed.built.machine->fabric().find(Sbdf{0, Bdf(0x6A, 1, 0)}) == nullptr);
}

TEST_CASE("what firmware renumbers keeps running under another name") {
  CHECK(Changed("do: swap-segments, segments: [0, 1]").places ==
        std::vector<std::string>{"0001:04:00.0 on", "0001:01:00.0 on", "0001:6a:01.0 on",
                                 "0000:6a:01.0 on"});
  Changed changed("do: renumber, function: \"00:03.0\", as: \"00:08.1\"");
  CHECK(changed.places[0] == "0000:04:00.0 on");
  pci::Fabric& fabric = changed.built.machine->fabric();
  CHECK(fabric.find(Sbdf{0, Bdf(0, 3, 0)}) == nullptr);
  CHECK(fabric.find(Sbdf{0, Bdf(0, 8, 1)}) != nullptr);
}

TEST_CASE("changes that cannot be are refused, with the reason") {
  CHECK(problem("do: move, device: nvme0, to: \"00:05.0\"").empty());
  CHECK(problem("do: move, device: nvme0") == "\"to\" is missing");
  CHECK(problem("do: move, device: nvme0, to: \"00:05.0\", with: nvme1") ==
        "with: not of a change of kind move");
  CHECK(problem("do: move, device: nvme7, to: \"00:05.0\"") == "no device \"nvme7\"");
  CHECK(problem("do: move, device: nvme0, to: somewhere") == "to: cannot read \"somewhere\"");
  CHECK(problem("do: move, device: dsa0, to: \"00:05.0\"") ==
        "\"dsa0\" is part of the root complex, no card");
  CHECK(problem("do: move, device: nvme0, to: \"00:06.0\"") ==
        "nvme0 is moved to the slot below 0000:00:06.0: the slot below 0000:00:06.0 is taken");
  CHECK(problem("do: move, device: nvme0, to: \"00:1f.2\"") ==
        "nvme0 is moved to the slot below 0000:00:1f.2: 0000:00:1f.2 is no root port and no port "
        "of a switch");
  CHECK(problem("do: exchange, device: nvme0, with: nvme0") ==
        "a card cannot change places with itself");
  CHECK(problem("do: renumber, function: \"00:03.0\", as: \"00:04.0\"") ==
        "function 0000:00:03.0 becomes 0000:00:04.0: there is a function 0000:00:04.0 already");
  CHECK(problem("do: renumber, function: \"00:1d.0\", as: \"00:1d.1\"") ==
        "function 0000:00:1d.0 becomes 0000:00:1d.1: no function 0000:00:1d.0");
  CHECK(problem("do: renumber, function: \"00:03.0\", as: \"01:03.0\"") ==
        "as: not another device or function number of the same bus");
  CHECK(problem("do: swap-segments, segments: [0]") == "segments: not two numbers that differ");
  CHECK(problem("do: swap-segments, segments: [0, 7]") ==
        "segments 0000 and 0007 change their numbers: the host has no segment 0007");
}

TEST_CASE("a change stands before a kernel that a kexec starts") {
  CHECK(problem("kernel: 2, do: remove, device: dsa0") == "the script starts no kernel 2");
  CHECK(problem("do: remove, device: dsa0", "cold-reboot") ==
        "kernel 1 is started by a cold reboot");
}

TEST_CASE("a card is inserted once, and none of a VM's") {
  CHECK(problem("do: insert, device: nvme0").empty());
  CHECK(problem("do: insert, device: dsa0") == "\"dsa0\" is part of the root complex, no card");
  CHECK(problem("do: remove, device: nvme0}\n    - {do: insert, device: nvme0") ==
        "a card that is touched before it is inserted");
  const std::string vm =
      "do: insert, device: nvme0}\nvms:\n  - {name: vm0, memory: 64MiB, devices: [nvme0], "
      "workload: {kind: disk, rate: 20MB/s}";
  CHECK(problem(vm) == "the card of a VM is there from the beginning");
}

TEST_CASE("a card that is inserted is not there before, and is found after") {
  const Loaded loaded =
      check_scenario_text("s.yaml", scenario_with("kernel: 1, do: insert, device: nvme0"), kFolder);
  INFO(loaded.errors());
  REQUIRE(loaded.good());
  std::vector<unsigned> found;
  class Finder final : public RunObserver {
   public:
    explicit Finder(std::vector<unsigned>& found) : found_(found) {}
    void attach(Watch& watch, const Scenario&) override {
      watch.simulation().topic<host::ConfigAccess>().subscribe(
          [this](const host::ConfigAccess& seen) {
            if (seen.address != Sbdf{0, Bdf(4, 0, 0)} || seen.write || seen.offset != 0) return;
            if ((seen.value & 0xFFFF) != 0xFFFF) found_.push_back(seen.generation);
          });
    }

   private:
    std::vector<unsigned>& found_;
  } finder(found);
  RunOptions options;
  options.observers = {&finder};
  static_cast<void>(run_scenario(loaded, options));
  REQUIRE_FALSE(found.empty());
  CHECK(std::ranges::all_of(found, [](unsigned generation) { return generation == 1; }));
}

TEST_CASE(
    "bus numbers that are lost or broken change what routes, and what a kernel takes for good") {
  const auto buses = [](std::string_view what) {
    Changed changed(what);
    const pci::Function* port = changed.built.machine->fabric().find(Sbdf{0, Bdf(0, 3, 0)});
    REQUIRE(port != nullptr);
    return port->config().read(0x18, 4) & 0xFFFFFF;
  };
  CHECK(buses("do: lose-buses, function: \"00:03.0\"") == 0);
  CHECK(buses("do: break-buses, function: \"00:03.0\"") == 0x0404FF);
  const Loaded loaded = check_scenario_text(
      "s.yaml", scenario_with("do: lose-buses, function: \"00:1f.0\""), kFolder);
  CHECK(loaded.errors().find("0000:00:1f.0 is no bridge") != std::string::npos);
}

namespace {

// A drive in a slot, preserved by a process, and pulled out before `calls`.
std::string pulled(std::string_view calls) {
  return fmt::format(R"(baton: 1
title: pulled
machine:
  topology:
    lspci: hosts/hotplug.lspci
    add: [{{kind: nvme, name: nvme0, port: "00:04.0"}}]
  changes: [{{at: 400ms, do: remove, device: nvme0}}]
processes:
  - name: owner
    calls:
      - {{open: "/sys/bus/pci/devices/0000:06:00.0/driver_override", as: override}}
      - {{write: override, text: vfio-pci}}
      - {{open: /sys/bus/pci/drivers/vfio-pci/bind, as: bind}}
      - {{write: bind, text: "0000:06:00.0"}}
      - {{open: /dev/iommu, as: iommufd}}
      - {{open: /dev/vfio/devices/vfio0, as: cdev}}
      - {{ioctl: VFIO_DEVICE_BIND_IOMMUFD, on: cdev, iommufd: iommufd}}
      - {{open: /dev/liveupdate, as: luo}}
      - {{ioctl: LIVEUPDATE_IOCTL_CREATE_SESSION, on: luo, name: s, as: session}}
      - {{ioctl: LIVEUPDATE_SESSION_PRESERVE_FD, on: session, fd: cdev, token: 1}}
      - {{kexec_file_load: next}}
      - {{sleep: 2s}}
{}expect: [{{holds: process-calls}}]
)",
                     calls);
}

RunResult run_pulled(std::string_view calls) {
  const Loaded loaded = check_scenario_text("s.yaml", pulled(calls), kFolder);
  INFO(loaded.errors());
  REQUIRE(loaded.good());
  RunOptions options;
  options.keep_log = true;
  return run_scenario(loaded, options);
}

bool logged(const RunResult& result, std::string_view text) {
  return std::ranges::any_of(
      result.log, [&](const auto& line) { return line.text.find(text) != std::string::npos; });
}

}  // namespace

TEST_CASE("a card can be pulled out at a time of its own, and nothing else can be done then") {
  CHECK(problem("do: remove, device: nvme0, at: 5ms").empty());
  CHECK(problem("do: move, device: nvme0, to: \"00:05.0\", at: 5ms") ==
        "at: a card can only be removed while a kernel runs");
  CHECK(problem("do: remove, device: nvme0, at: 5ms, kernel: 1") ==
        "kernel: the change has a time of its own");
  CHECK(problem("do: remove, device: dsa0, at: 5ms") ==
        "\"dsa0\" is part of the root complex, no card");
}

TEST_CASE(
    "a preserved device that was pulled out is frozen by nobody, nor preserved again: ENODEV") {
  const RunResult result = run_pulled(
      R"(      - {reboot: kexec, fails: ENODEV}
      - {close: session}
      - {ioctl: LIVEUPDATE_IOCTL_CREATE_SESSION, on: luo, name: s, as: session}
      - {ioctl: LIVEUPDATE_SESSION_PRESERVE_FD, on: session, fd: cdev, token: 1, fails: ENODEV}
      - {open: /dev/vfio/devices/vfio0, fails: ENODEV}
      - {close: cdev}
      - {sleep: 1500ms}
      - {open: /dev/vfio/devices/vfio0, fails: ENOENT}
      - {open: "/sys/bus/pci/devices/0000:06:00.0/vendor", fails: ENOENT}
      - {reboot: kexec}
)");
  INFO(format_failures(result));
  CHECK(result.passed());
  CHECK(logged(result, "pciehp: Link Down, Card not present"));
  CHECK(logged(result, "vfio-pci 0000:06:00.0: gone from its bus, cannot be handed over"));
}

TEST_CASE("a pulled device whose session is closed lets the reboot go on") {
  const RunResult result = run_pulled(
      R"(      - {close: session}
      - {close: cdev}
      - {reboot: kexec}
  - name: heir
    kernel: 1
    calls:
      - {open: "/sys/bus/pci/devices/0000:06:00.0/vendor", fails: ENOENT}
)");
  INFO(format_failures(result));
  CHECK(result.passed());
}

// Its slot has a button and reports no link: the kernel hears nothing.
TEST_CASE("a device that is gone without a word is noticed when its interrupts are held back") {
  std::string text = pulled(R"(      - {reboot: kexec, fails: ENODEV}
)");
  const auto put = [&text](std::string_view what, std::string_view instead) {
    for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos;) {
      text.replace(at, what.size(), instead);
      at += instead.size();
    }
  };
  put("hosts/hotplug.lspci", "hosts/switch.lspci");
  put("00:04.0", "02:02.0");
  put("0000:06:00.0", "0000:08:00.0");
  put("      - {open: /dev/liveupdate, as: luo}\n",
      "      - {eventfd: 0, as: irq}\n"
      "      - {ioctl: VFIO_DEVICE_SET_IRQS, on: cdev, flags: 0x24, index: 2, count: 1, "
      "eventfds: [irq]}\n"
      "      - {open: /dev/liveupdate, as: luo}\n");
  const Loaded loaded = check_scenario_text("s.yaml", text, kFolder);
  INFO(loaded.errors());
  REQUIRE(loaded.good());
  RunOptions options;
  options.keep_log = true;
  const RunResult result = run_scenario(loaded, options);
  INFO(format_failures(result));
  CHECK(result.passed());
  CHECK_FALSE(logged(result, "pciehp: Link Down"));
  CHECK(logged(result, "vfio-pci 0000:08:00.0: gone from its bus, cannot be handed over"));
}
