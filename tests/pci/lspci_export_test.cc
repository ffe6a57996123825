// Export of a host, judged by the real lspci on the original dump and on baton's.

#include "model/pci/lspci_export.h"

#include <algorithm>

#include "rig.h"
#include "tests/support/tool.h"

using namespace baton;
using namespace baton::pci;
using namespace baton::pci::test;

namespace {

constexpr const char* kHosts[] = {"t01-flat.lspci", "t03-switch.lspci", "t05-hotplug-reserve.lspci",
                                  "t06-multifunction.lspci", "ppc-2domains.lspci"};

struct Host {
  explicit Host(const std::string& text) {
    const auto dump = parse_lspci(text);
    REQUIRE(dump.has_value());
    REQUIRE(import_topology(simulation, fabric, *dump).has_value());
  }
  sim::Simulation simulation{1};
  FlatRam ram;
  Fabric fabric{simulation, ram, FabricTiming{}};
};

std::optional<std::string> lspci(const std::string& file, std::vector<std::string> arguments) {
  arguments.insert(arguments.end(), {"-F", file});
  const auto run = testing::run_tool("lspci", arguments);
  if (!run) return std::nullopt;
  CHECK(run->status == 0);
  // A machine without kernel modules makes -v complain, whatever is in the file.
  CHECK((run->errors.empty() || (run->errors.starts_with("lspci: Unable to load libkmod") &&
                                 std::ranges::count(run->errors, '\n') == 1)));
  return run->out;
}

}  // namespace

TEST_CASE("the real lspci sees the same ids and the same tree in an exported host") {
  for (const char* name : kHosts) {
    INFO(name);
    const std::string original = file_text(name);
    const testing::TemporaryFile before(original);
    const testing::TemporaryFile after(export_lspci(Host(original).fabric));
    for (const char* option : {"-n", "-t", "-nxxxx"}) {
      INFO(option);
      const auto expected = lspci(before.path(), {option});
      if (!expected) return;
      CHECK_FALSE(expected->empty());
      CHECK(lspci(after.path(), {option}) == expected);
    }
    const auto decoded = lspci(after.path(), {"-vvv"});
    REQUIRE(decoded.has_value());
    CHECK(decoded == lspci(before.path(), {"-vvv"}));
  }
}

TEST_CASE("an export is what lspci -n -xxxx prints, and imports to the same bytes") {
  for (const char* name : kHosts) {
    INFO(name);
    const std::string text = export_lspci(Host(file_text(name)).fabric);
    CHECK(export_lspci(Host(text).fabric) == text);
    const testing::TemporaryFile file(text);
    const auto printed = lspci(file.path(), {"-nxxxx"});
    if (!printed) return;
    CHECK(*printed == text);
  }
}

TEST_CASE("domains are printed when there is more than domain 0") {
  CHECK(export_lspci(Host(file_text("t01-flat.lspci")).fabric).starts_with("00:00.0 0600: "));
  CHECK(export_lspci(Host(file_text("ppc-2domains.lspci")).fabric).starts_with("0000:00:02.0 "));
}

TEST_CASE("an exported function shows what a kernel wrote to it, at its new bus number") {
  Host host(file_text("t03-switch.lspci"));
  std::string before = export_lspci(host.fabric);
  Function* below = nullptr;
  for (Function* function : host.fabric.functions()) {
    if (function->location().bdf.bus() == 1) below = function;
  }
  REQUIRE(below != nullptr);
  const Sbdf bridge = below->bus()->bridge()->location();
  host.fabric.config_write(bridge, 0x18, 4, 0x00303000);
  const std::string after = export_lspci(host.fabric);
  CHECK(after != before);
  CHECK(after.find("\n30:00.0 ") != std::string::npos);
  CHECK(after.find("\n01:00.0 ") == std::string::npos);
  // Numbers for nobody: what is below is out of reach, and no longer there.
  host.fabric.config_write(bridge, 0x18, 4, 0);
  CHECK(export_lspci(host.fabric).size() < after.size());
}
