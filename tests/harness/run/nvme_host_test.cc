// An NVMe controller behind a port of an imported host: where it may be, and what the keys refuse.
#include <algorithm>

#include "harness/run/host_builder.h"
#include "harness/run/port_placement.h"
#include "model/pci/bridge.h"
#include "tests/support/source_dir.h"

using namespace baton;
using namespace baton::harness;

namespace {

const std::string kFolder = testing::source_dir() + "/scenarios";

std::string on_host(const std::string& dump, const std::string& device,
                    const std::string& rest = "") {
  return "baton: 1\n"
         "title: t\n"
         "machine:\n"
         "  memory: 8GiB\n"
         "  topology: {lspci: hosts/" +
         dump + ".lspci, add: [{" + device + "}]}\n" + rest + "expect: []\n";
}

std::string nvme_at(const std::string& port) {
  return "kind: nvme, name: nvme0, port: \"" + port + "\"";
}

Diagnostic first_problem(const std::string& text) {
  const Loaded loaded = check_scenario_text("s.yaml", text, kFolder);
  REQUIRE_FALSE(loaded.good());
  return loaded.diagnostics.sorted().front();
}

}  // namespace

TEST_CASE("a controller behind an empty port has an address inside the port's window") {
  Loaded loaded = check_scenario_text("s.yaml", on_host("hotplug", nvme_at("00:04.0")), kFolder);
  INFO(loaded.errors());
  REQUIRE(loaded.good());
  sim::Simulation simulation(0);
  const BuiltHost built = build_host(simulation, loaded);
  REQUIRE(built.added.size() == 1);
  pci::Function& function = *built.added[0];
  CHECK(function.location() == Sbdf{0, Bdf(6, 0, 0)});
  CHECK(loaded.scenario.machine.add[0].address == function.location());
  const auto window = function.bus()->bridge()->memory_window();
  REQUIRE(window);
  CHECK(window->contains(function.config().bar_address(0)));
  CHECK(window->contains(function.config().bar_address(0) + 0x3FFF));
}

TEST_CASE("a controller takes the place of the drive that the dump shows") {
  Loaded loaded =
      check_scenario_text("s.yaml", on_host("switch", nvme_at("0000:02:02.0")), kFolder);
  INFO(loaded.errors());
  REQUIRE(loaded.good());
  sim::Simulation simulation(0);
  const BuiltHost built = build_host(simulation, loaded);
  REQUIRE(built.added.size() == 1);
  CHECK(built.added[0]->location() == Sbdf{0, Bdf(8, 0, 0)});
  CHECK(built.added[0]->config().bar_address(0) == 0xFDA0'0000);
  CHECK(built.machine->fabric().find(Sbdf{0, Bdf(8, 0, 0)}) == built.added[0]);
}

TEST_CASE("a port that is not there, is none, or has something below it is refused with a choice") {
  struct Row {
    const char* dump;
    const char* port;
    const char* message;
  };
  constexpr std::array kRows{
      Row{"hotplug", "00:1c.0", "the dump has no function 0000:00:1c.0"},
      Row{"hotplug", "00:1f.2", "0000:00:1f.2 is no root port and no port of a switch"},
      Row{"switch", "01:00.0", "0000:01:00.0 is no root port and no port of a switch"},
      Row{"hotplug", "00:03.0", "behind 0000:00:03.0 is 0000:01:00.0 already"},
  };
  for (const Row& row : kRows) {
    INFO(row.dump << " " << row.port);
    const Diagnostic problem = first_problem(on_host(row.dump, nvme_at(row.port)));
    CHECK(problem.problem == Problem::kConflict);
    CHECK(problem.message == row.message);
    CHECK(problem.help.starts_with("ports with a place: "));
  }
}

TEST_CASE("a port whose window has no room is refused") {
  Loaded loaded = check_scenario_text("s.yaml", on_host("hotplug", nvme_at("00:04.0")), kFolder);
  REQUIRE(loaded.good());
  loaded.scenario.machine.add.clear();
  sim::Simulation simulation(0);
  const BuiltHost built = build_host(simulation, loaded);
  const Sbdf port{0, Bdf(0, 4, 0)};
  pci::Fabric& fabric = built.machine->fabric();
  CHECK(place_behind_port(fabric, port, 4096));
  CHECK_FALSE(place_behind_port(fabric, port, std::uint64_t{1} << 30));
  fabric.config_write(port, 0x20, 4, 0x0000FFF0);  // closed
  const auto refused = place_behind_port(fabric, port, 16384);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message ==
        "the memory window of 0000:00:04.0 has no room for a BAR of 16384 bytes");
}

TEST_CASE("keys of the one kind of device are refused for the other") {
  struct Row {
    const char* device;
    Problem problem;
  };
  constexpr std::array kRows{
      Row{"kind: nvme, name: d", Problem::kMissingKey},
      Row{"kind: dsa, name: d", Problem::kMissingKey},
      Row{"kind: dsa, name: d, bus: 0x6a, port: \"00:04.0\"", Problem::kConflict},
      Row{"kind: dsa, name: d, bus: 0x6a, size: 2GiB", Problem::kConflict},
      Row{"kind: nvme, name: d, port: \"00:04.0\", bus: 0x6a", Problem::kConflict},
      Row{"kind: nvme, name: d, port: \"00:04.0\", device: 3", Problem::kConflict},
      Row{"kind: nvme, name: d, port: \"00:04\"", Problem::kBadValue},
      Row{"kind: nvme, name: d, port: \"00:24.0\"", Problem::kBadValue},
      Row{"kind: nvme, name: d, port: \"00:04.8\"", Problem::kBadValue},
      Row{"kind: nvme, name: d, port: \"00:04.0\", size: 5KiB", Problem::kOutOfRange},
  };
  for (const Row& row : kRows) {
    INFO(row.device);
    CHECK(first_problem(on_host("hotplug", row.device)).problem == row.problem);
  }
}

TEST_CASE("two controllers behind one port are a conflict") {
  const std::string two = nvme_at("00:04.0") + "}, {kind: nvme, name: nvme1, port: \"00:04.0\"";
  const Diagnostic problem = first_problem(on_host("hotplug", two));
  CHECK(problem.problem == Problem::kConflict);
  CHECK(problem.message == "behind 0000:00:04.0 is nvme0");
}

TEST_CASE("a disk workload is held against its device, its queue, its memory and its disk") {
  const auto with = [](const std::string& memory, const std::string& workload,
                       const std::string& device = nvme_at("00:04.0")) {
    return on_host("hotplug", device,
                   "vms:\n  - {name: vm0, memory: " + memory + ", devices: [nvme0], workload: {" +
                       workload + "}}\n");
  };
  CHECK(check_scenario_text("s.yaml", with("256MiB", "kind: disk"), kFolder).good());
  CHECK(first_problem(with("256MiB", "kind: copy")).problem == Problem::kConflict);
  CHECK(first_problem(with("256MiB", "kind: disk, size: 6KiB")).problem == Problem::kOutOfRange);
  CHECK(first_problem(with("256MiB", "kind: disk, depth: 600")).problem == Problem::kOutOfRange);
  const Diagnostic queue = first_problem(with("256MiB", "kind: disk, size: 4KiB, rate: 100MB/s"));
  CHECK(queue.message == "the controller's queue cannot hold the work of a kexec");
  CHECK(first_problem(with("4MiB", "kind: disk")).caret_note.starts_with("it needs "));
  CHECK(first_problem(with("256MiB", "kind: disk", nvme_at("00:04.0") + ", size: 1MiB")).problem ==
        Problem::kConflict);
}

TEST_CASE("the queue that a disk workload gets holds the work of the gap") {
  for (const char* rate : {"10MB/s", "50MB/s", "100MB/s", "130MB/s"}) {
    INFO(rate);
    const Loaded loaded = check_scenario_text(
        "s.yaml",
        on_host(
            "hotplug", nvme_at("00:04.0"),
            std::string("vms:\n  - {name: vm0, memory: 1GiB, devices: [nvme0], workload: {kind: "
                        "disk, depth: 16, rate: ") +
                rate + "}}\n"),
        kFolder);
    INFO(loaded.errors());
    REQUIRE(loaded.good());
    const VmSpec& vm = loaded.scenario.vms.at(0);
    CHECK(vm.device == vmm::GuestDevice::kNvme);
    CHECK(vmm::disk_workload_fits(vm.workload, vm.memory));
    CHECK(std::uint64_t{vmm::disk_commands(vm.workload)} * vm.workload.size >=
          vm.bytes_per_second / 1000 * kGapMilliseconds - vm.workload.size);
  }
}
