// Devices that cannot be where a scenario wants them, found when the host is built.
#include "harness/run/host_builder.h"
#include "tests/support/source_dir.h"

using namespace baton;
using namespace baton::harness;

namespace {

// The errors of vmd.yaml with its list of devices replaced.
std::string errors_with(const std::string& devices) {
  const std::string folder = testing::source_dir() + "/scenarios";
  const std::string text =
      "baton: 1\ntitle: t\nmachine:\n  memory: 64GiB\n  topology:\n"
      "    lspci: hosts/reversed.lspci\n    add: [" +
      devices + "]\nscript: []\nexpect: [{holds: all}]\n";
  return check_scenario_text("s.yaml", text, folder).errors();
}

const std::string kVmd = "{kind: vmd, name: vmd0, bus: 0x64, device: 5}";

}  // namespace

TEST_CASE("a VMD that enumeration would not find is refused") {
  CHECK(errors_with(kVmd).empty());
  CHECK(errors_with("{kind: vmd, name: vmd0, bus: 0x64, device: 5, function: 5}")
            .contains("a device without function 0 is found by nobody"));
}

TEST_CASE("virtual functions are refused where they are not built") {
  CHECK(errors_with("{kind: nvme, name: n, port: \"00:03.0\", vfs: 2}").empty());
  CHECK(errors_with(kVmd + ", {kind: nvme, name: n, port: \"10000:00:03.0\", vfs: 2}")
            .contains("virtual functions behind a VMD: not built yet"));
  CHECK(errors_with("{kind: nvme, name: n, port: \"00:03.0\", vfs: 2}, "
                    "{kind: nvme, name: m, port: \"00:03.0\", function: 1}")
            .contains("vfs: virtual functions are on cards of one function"));
}

TEST_CASE("a VM names a virtual function by its drive and number, and the host keeps the drive") {
  const std::string folder = testing::source_dir() + "/scenarios";
  const auto errors = [&](const std::string& vms) {
    const std::string text =
        "baton: 1\ntitle: t\nmachine:\n  memory: 64GiB\n  topology:\n"
        "    lspci: hosts/switch.lspci\n"
        "    add: [{kind: nvme, name: n, port: \"02:02.0\", vfs: 2}]\nvms:\n" +
        vms + "script: []\nexpect: [{holds: all}]\n";
    return check_scenario_text("s.yaml", text, folder).errors();
  };
  const auto vm = [](const std::string& name, const std::string& device) {
    return "  - {name: " + name + ", memory: 64MiB, devices: [" + device +
           "], workload: {kind: disk, rate: 50MB/s}}\n";
  };
  CHECK(errors(vm("a", "n-vf1") + vm("b", "n-vf2")).empty());
  CHECK(errors(vm("a", "n-vf3")).contains("devices of the machine: n, n-vf1, n-vf2"));
  CHECK(errors(vm("a", "n-vf1") + vm("b", "n-vf1")).contains("belongs to a already"));
  CHECK(errors(vm("a", "n-vf1") + vm("b", "n")).contains("\"n\" is b's, \"n-vf1\" needs it"));
}

TEST_CASE("keys of a drive are refused for a DSA") {
  for (const char* key : {"vfs: 2", "unsupported_request: fatal", "buffer: 1MiB"}) {
    INFO(key);
    const std::string device = "{kind: dsa, name: d, bus: 0x6a, ";
    CHECK_FALSE(errors_with(device + key + "}").empty());
  }
}

TEST_CASE("rate and session are for devices that processes drive, and name a session of theirs") {
  const std::string dsa = "{kind: dsa, name: d, bus: 0x6a, ";
  CHECK(errors_with(dsa + "rate: 100MB/s}").empty());
  CHECK(errors_with(dsa + "session: vm}").contains("d: no process creates the session \"vm\""));
  const std::string vmd = "{kind: vmd, name: vmd0, bus: 0x64, device: 5, ";
  CHECK(errors_with(vmd + "rate: 100MB/s}").contains("rate: it moves nothing"));
  CHECK(errors_with(vmd + "session: vm}").contains("session: its driver keeps it"));
  const auto with_vm = [](const char* key) {
    const std::string file = testing::source_dir() + "/scenarios/quickstart.yaml";
    return check_scenario(file, {fmt::format("machine.topology.add[0].{}", key)}).errors();
  };
  CHECK(with_vm("rate=50MB/s").contains("\"dsa0\" has a rate of its own"));
  CHECK(with_vm("session=s").contains("\"dsa0\" is handed over in session s of a process"));
}
