// Remapping units of their own, and memory that firmware keeps: what the keys build, what they
// refuse, and what the kernel refuses then.
#include <algorithm>
#include <fstream>
#include <sstream>

#include "harness/run/host_builder.h"
#include "harness/run/run.h"
#include "tests/support/source_dir.h"

using namespace baton;
using namespace baton::harness;

namespace {

const std::string kFolder = testing::source_dir() + "/scenarios";

std::string with_iommu(const std::string& iommu) {
  return "baton: 1\n"
         "title: t\n"
         "machine:\n"
         "  memory: 8GiB\n"
         "  topology:\n"
         "    lspci: hosts/hotplug.lspci\n"
         "    add:\n"
         "      - {kind: dsa, name: dsa0, bus: 0x6a}\n"
         "      - {kind: dsa, name: dsa1, bus: 0x6f}\n"
         "      - {kind: nvme, name: nvme0, port: \"00:04.0\"}\n"
         "  iommu: {" +
         iommu + "}\nexpect: []\n";
}

std::string first_problem(const std::string& iommu) {
  const Loaded loaded = check_scenario_text("s.yaml", with_iommu(iommu), kFolder);
  REQUIRE_FALSE(loaded.good());
  return loaded.diagnostics.sorted().front().message;
}

}  // namespace

TEST_CASE("a root bus with a unit of its own is translated by it, the others by the segment's") {
  Loaded loaded = check_scenario_text("s.yaml", with_iommu("units: [0x6a, 0x6f]"), kFolder);
  INFO(loaded.errors());
  REQUIRE(loaded.good());
  sim::Simulation simulation(0);
  const BuiltHost built = build_host(simulation, loaded);
  REQUIRE(built.added.size() == 3);
  REQUIRE(built.machine->iommus().size() == 3);
  std::vector<const iommu_vtd::RemappingUnit*> units;
  for (const pci::Function* function : built.added) {
    units.push_back(built.machine->iommu_of(*function));
    CHECK(std::ranges::count(units, units.back()) == 1);
  }
  CHECK(units[2] == built.machine->iommus()[0].get());
}

TEST_CASE("units and reserved regions that cannot be are refused by name") {
  CHECK(first_problem("units: [0x6b]") == "0x6b is no root bus of the host");
  CHECK(first_problem("units: [0x6a, 0x6a]") == "bus 0x6a has a unit of its own already");
  CHECK(first_problem("units: [0, 1, 2, 3, 4, 5, 6, 7]") == "units: at most 7");
  CHECK(first_problem("reserved_regions: [{devices: [dsa9]}]") == "no device \"dsa9\"");
  CHECK(first_problem("reserved_regions: [{size: 5000B, devices: [dsa0]}]") ==
        "size: not a multiple of 4KiB");
  CHECK(first_problem("reserved_regions: [{devices: [nvme0]}]") ==
        "memory reserved for a device that is not on a root bus of segment 0: not built yet");
}

TEST_CASE("every scenario's units know both table modes, and kernels use the one they are told") {
  for (const char* mode : {"legacy", "scalable"}) {
    Loaded loaded =
        check_scenario_text("s.yaml", with_iommu(fmt::format("mode: {}", mode)), kFolder);
    REQUIRE(loaded.good());
    sim::Simulation simulation(0);
    const BuiltHost built = build_host(simulation, loaded);
    CHECK(built.machine->iommus()[0]->profile().scalable_mode());
    CHECK(loaded.scenario.kernel(0).config.iommu_scalable == (std::string(mode) == "scalable"));
  }
}

TEST_CASE("a device whose memory firmware keeps is not given to a VM") {
  std::ifstream stream(kFolder + "/memory-of-the-firmware.yaml");
  std::stringstream text;
  text << stream.rdbuf();
  std::string other = text.str();
  const std::string wanted = "devices: [dsa0]";
  other.replace(other.find(wanted), wanted.size(), "devices: [dsa1]");
  const Loaded loaded = check_scenario_text("s.yaml", other, kFolder);
  INFO(loaded.errors());
  REQUIRE(loaded.good());
  RunOptions options;
  options.keep_log = true;
  const RunResult result = run_scenario(loaded, options);
  CHECK(std::ranges::any_of(result.notes, [](const std::string& note) {
    return note.find("VFIO_DEVICE_ATTACH_IOMMUFD_PT fails with EPERM") != std::string::npos;
  }));
  CHECK(std::ranges::any_of(result.log, [](const LogRow& row) {
    return row.text.find("ineligible for IOMMU domain attach") != std::string::npos;
  }));
}
