// Every row of the errno table is provoked by a process; docs/uapi.md is the table.

#include <fstream>
#include <set>
#include <sstream>

#include "harness/report/text_report.h"
#include "harness/run/host_builder.h"
#include "harness/run/run.h"
#include "harness/scenario/state_reference.h"
#include "harness/scenario/uapi_reference.h"
#include "model/linux/uapi/errno_rows.h"
#include "tests/harness/run/provocations.h"
#include "tests/support/source_dir.h"

using namespace baton;
using namespace baton::harness;
namespace uapi = baton::linux::uapi;

namespace {

constexpr std::string_view kLuo = "open: /dev/liveupdate, as: luo\n";
constexpr std::string_view kSession =
    "ioctl: LIVEUPDATE_IOCTL_CREATE_SESSION, on: luo, name: s, as: s\n";
constexpr std::string_view kRetrieve =
    "ioctl: LIVEUPDATE_IOCTL_RETRIEVE_SESSION, on: luo, name: s, as: s\n";
constexpr std::string_view kPreserve =
    "memfd_create: m, as: m\n"
    "ioctl: LIVEUPDATE_SESSION_PRESERVE_FD, on: s, fd: m, token: 1\n";
constexpr std::string_view kReboot = "kexec_file_load: next\nreboot: kexec\n";
constexpr std::string_view kOpenDevice =
    "open: /sys/bus/pci/devices/0000:6a:01.0/driver_override, as: override\n"
    "write: override, text: vfio-pci\n"
    "open: /sys/bus/pci/drivers/vfio-pci/bind, as: bind\n"
    "write: bind, text: \"0000:6a:01.0\"\n"
    "open: /dev/vfio/devices/vfio0, as: cdev\n"
    "open: /dev/iommu, as: iommufd\n";
constexpr std::string_view kOpenGroup =
    "open: /sys/bus/pci/devices/0000:6a:01.0/driver_override, as: override\n"
    "write: override, text: vfio-pci\n"
    "open: /sys/bus/pci/drivers/vfio-pci/bind, as: bind\n"
    "write: bind, text: \"0000:6a:01.0\"\n"
    "open: /dev/vfio/8, as: group\n";
constexpr std::string_view kLegacy =
    "open: /dev/vfio/vfio, as: container\n"
    "ioctl: VFIO_GROUP_SET_CONTAINER, on: group, container: container\n"
    "ioctl: VFIO_SET_IOMMU, on: container, type: 3\n"
    "ioctl: VFIO_GROUP_GET_DEVICE_FD, on: group, name: \"0000:6a:01.0\", as: device\n";
constexpr std::string_view kBindDevice =
    "ioctl: IOMMU_IOAS_ALLOC, on: iommufd, as: ioas\n"
    "memfd_create: guest, flags: [MFD_ALLOW_SEALING], as: memory\n"
    "ftruncate: memory, length: 64KiB\n"
    "fcntl: memory, seals: [F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW]\n"
    "ioctl: IOMMU_IOAS_MAP_FILE, on: iommufd, flags: 7, ioas_id: ioas, fd: memory, length: 64KiB, "
    "iova: 0x100000\n"
    "ioctl: VFIO_DEVICE_BIND_IOMMUFD, on: cdev, iommufd: iommufd, as: device\n"
    "ioctl: IOMMU_HWPT_ALLOC, on: iommufd, dev_id: device, pt_id: ioas, as: hwpt\n"
    "ioctl: VFIO_DEVICE_ATTACH_IOMMUFD_PT, on: cdev, pt_id: hwpt\n";
constexpr std::string_view kPreserveDevice =
    "ioctl: IOMMU_HWPT_LIVEUPDATE_MARK_PRESERVE, on: iommufd, hwpt_id: hwpt, hwpt_token: 9\n"
    "ioctl: LIVEUPDATE_SESSION_PRESERVE_FD, on: s, fd: memory, token: 1\n"
    "ioctl: LIVEUPDATE_SESSION_PRESERVE_FD, on: s, fd: iommufd, token: 2\n"
    "ioctl: LIVEUPDATE_SESSION_PRESERVE_FD, on: s, fd: cdev, token: 3\n";

std::string process(std::string_view name, unsigned kernel, std::string_view calls) {
  std::string text = fmt::format("  - name: {}\n    kernel: {}\n    calls:\n", name, kernel);
  std::istringstream lines{std::string(calls)};
  for (std::string line; std::getline(lines, line);) text += fmt::format("      - {{{}}}\n", line);
  return text;
}

// The kernels of a setup, and the calls before those of the row: in the first kernel, and in the
// one that the row is about.
struct Setup {
  std::string kernels = "[{preset: vision}]";
  std::string before;  // empty: the row is about the first kernel
  std::string first;
};

// Those of devices that are handed over in stages.
void stage_setup(std::string_view name, const std::string& preserved, Setup& setup) {
  if (name == "vfio_session") {
    setup.first = fmt::format("{}{}{}{}", kOpenDevice, kBindDevice, kLuo, kSession);
  }
  if (name == "vfio_unsealed") {
    std::string bind(kBindDevice);
    const std::size_t seal = bind.find("fcntl:");
    bind.erase(seal, bind.find('\n', seal) + 1 - seal);
    setup.first = fmt::format("{}{}{}{}{}", kOpenDevice, bind, kLuo, kSession,
                              kPreserveDevice.substr(0, kPreserveDevice.find('\n') + 1));
  }
  if (name == "mainline") {
    setup.kernels = "[{preset: v7.2}]";
    setup.first = fmt::format("{}{}", kOpenDevice, kBindDevice);
  }
  if (name == "next_heir" || name == "next_heir_bound") {
    setup.kernels = "[{preset: next}]";
    setup.before = preserved + std::string(kReboot);
    setup.first = fmt::format("{}{}", kLuo, kRetrieve);
    if (name == "next_heir_bound")
      setup.first += kOpenDevice.substr(0, kOpenDevice.find("open: /dev"));
  }
  if (name == "locked") {
    setup.kernels = "[{preset: vision, policies: {prepared_lockdown: all}}]";
    setup.first = preserved;
  }
  const std::string interrupts =
      "eventfd: 0, as: irq\nioctl: VFIO_DEVICE_SET_IRQS, on: {}, flags: 0x24, index: 2, start: 1, "
      "count: 1, eventfds: [irq]\n";
  if (name == "vfio_interrupts") {
    setup.kernels = "[{preset: next}]";
    setup.first = preserved + fmt::format(fmt::runtime(interrupts), "cdev");
  }
  // The second device refuses the reboot when the first is frozen already.
  if (name == "vfio_dead") {
    setup.kernels = "[{preset: next, iommu: none}]";
    setup.first = fmt::format(
        "{}{}{}{}ioctl: LIVEUPDATE_SESSION_PRESERVE_FD, on: s, fd: cdev, token: 3\n"
        "open: /sys/bus/pci/devices/0000:6f:01.0/driver_override, as: other_override\n"
        "write: other_override, text: vfio-pci\nwrite: bind, text: \"0000:6f:01.0\"\n"
        "open: /dev/vfio/devices/vfio1, as: other\n"
        "ioctl: VFIO_DEVICE_BIND_IOMMUFD, on: other, iommufd: iommufd, as: device1\n"
        "ioctl: LIVEUPDATE_SESSION_PRESERVE_FD, on: s, fd: other, token: 4\n{}"
        "kexec_file_load: next\nreboot: kexec, fails: EINVAL\n",
        kOpenDevice, kBindDevice, kLuo, kSession, fmt::format(fmt::runtime(interrupts), "other"));
  }
}

Setup setup_of(std::string_view name) {
  Setup setup;
  const std::string handed_over = fmt::format("{}{}{}{}", kLuo, kSession, kPreserve, kReboot);
  if (name == "off") setup.kernels = "[{preset: vision, cmdline: \"liveupdate=off\"}]";
  if (name == "luo") setup.first = kLuo;
  if (name == "session") setup.first = fmt::format("{}{}", kLuo, kSession);
  if (name == "nohandler") {
    setup.kernels = "[{preset: vision}, {preset: vision, memfd: none}]";
    setup.before = handed_over;
  }
  if (name == "heir" || name == "incoming") {
    setup.before = handed_over;
    setup.first = name == "heir" ? std::string(kLuo) : fmt::format("{}{}", kLuo, kRetrieve);
  }
  if (name == "iommufd") setup.first = "open: /dev/iommu, as: iommufd\n";
  if (name == "vfio_open") setup.first = kOpenDevice;
  if (name == "vfio_group") setup.first = kOpenGroup;
  if (name == "vfio_legacy") setup.first = fmt::format("{}{}", kOpenGroup, kLegacy);
  if (name == "vfio") setup.first = fmt::format("{}{}", kOpenDevice, kBindDevice);
  const std::string preserved =
      fmt::format("{}{}{}{}{}", kOpenDevice, kBindDevice, kLuo, kSession, kPreserveDevice);
  if (name == "vfio_preserved") setup.first = preserved;
  if (name == "vfio_heir") {
    setup.before = preserved + std::string(kReboot);
    setup.first = fmt::format("{}{}", kLuo, kRetrieve);
  }
  stage_setup(name, preserved, setup);
  if (name == "rebooting") {
    setup.first =
        "kexec_file_load: next\nfork: first, calls: [{reboot: kexec}]\nsleep: 1ms\n"
        "reboot: kexec, fails: EBUSY\n";
  }
  return setup;
}

std::string scenario_of(const test::Provocation& row) {
  const Setup setup = setup_of(row.setup);
  std::string text = fmt::format(
      "baton: 1\ntitle: t\nmachine:\n  memory: 4GiB\n  topology:\n    lspci: hosts/flat.lspci\n"
      "    add: [{{kind: dsa, name: dsa0, bus: 0x6a, device: 1}},"
      " {{kind: dsa, name: dsa1, bus: 0x6f, device: 1}}]\nkernels: {}\nprocesses:\n",
      setup.kernels);
  const bool heir = !setup.before.empty();
  if (heir) text += process("before", 0, setup.before);
  text += process("test", heir ? 1 : 0, setup.first + std::string(row.calls));
  return text + "expect: [{holds: process-calls}]\n";
}

}  // namespace

TEST_CASE("every row of the errno table is provoked") {
  std::set<std::string> provoked;
  for (const test::Provocation& row : test::kProvocations) {
    INFO(row.call << ": " << row.error << ", " << row.when);
    provoked.insert(fmt::format("{} {} {}", row.call, row.error, row.when));
    const Loaded loaded =
        check_scenario_text("errno.yaml", scenario_of(row), testing::source_dir() + "/scenarios");
    INFO(loaded.errors());
    REQUIRE(loaded.good());
    CHECK(loaded.text.find(fmt::format("fails: {}", row.error)) != std::string::npos);
    const RunResult result = run_scenario(loaded, {});
    INFO(format_failures(result));
    CHECK(result.passed());
  }
  for (const uapi::ErrnoRow& row : uapi::errno_rows()) {
    INFO(row.call << ": " << row.error << ", " << row.when);
    CHECK(provoked.erase(fmt::format("{} {} {}", row.call, row.error, row.when)) == 1);
  }
  CHECK(provoked.empty());
}

TEST_CASE("docs/uapi.md is what the tables of the user interface say") {
  std::ifstream stream(testing::source_dir() + "/docs/uapi.md");
  std::ostringstream content;
  content << stream.rdbuf();
  CHECK(content.str() == uapi_reference());
}

TEST_CASE("docs/state-machines.md is what the tables of the state machines say") {
  std::ifstream stream(testing::source_dir() + "/docs/state-machines.md");
  std::ostringstream content;
  content << stream.rdbuf();
  CHECK(content.str() == state_reference());
}
