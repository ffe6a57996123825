// A live update of many devices: n DSAs, each in a session of its own with an iommufd and a memfd
// of 4 GiB in folios of 2 MiB, from the first open to the last finish, two boots included. The user
// is a process of a scenario; every invariant watches.
//
// Usage: handover [n...]   by default 1 8 64 160; at most 170, for FLB baton-iommufd-v1 is one page
#include <chrono>
#include <cstdlib>
#include <string>

#include <fmt/format.h>

#include "harness/report/text_report.h"
#include "harness/run/host_builder.h"
#include "harness/run/run.h"

namespace {

using namespace baton::harness;

// 32 devices on a bus.
std::string devices_of(unsigned count) {
  std::string text;
  for (unsigned i = 0; i < count; ++i) {
    text += fmt::format("      - {{kind: dsa, name: dsa{}, bus: {:#x}, device: {}}}\n", i,
                        0x20 + i / 32, i % 32);
  }
  return text;
}

// Interrupts stay unconfigured: one CPU has vectors for two hundred.
std::string scenario_of(unsigned n) {
  std::string text = fmt::format(
      "baton: 1\ntitle: t\nmachine:\n  memory: {}GiB\n  topology:\n    lspci: hosts/flat.lspci\n"
      "    add:\n{}  iommu: {{mode: legacy}}\nkernels:\n"
      "  - {{preset: vision, cmdline: \"transparent_hugepage_shmem=always\"}}\n"
      "policies: {{driver_binding: first-match}}\nprocesses:\n",
      8 + n * 5, devices_of(n));
  const std::string repeat = fmt::format(", repeat: {}}}\n", n);
  const auto call = [&](std::string_view words) {
    text += fmt::format("      - {{{}{}", words, repeat);
  };
  const auto once = [&](std::string_view words) { text += fmt::format("      - {{{}}}\n", words); };
  const auto begin = [&](unsigned kernel) {
    text += fmt::format("  - name: owner\n    kernel: {}\n    calls:\n", kernel);
    once("setrlimit: RLIMIT_NOFILE, value: 8192");
    once("open: /sys/bus/pci/drivers/vfio-pci/new_id, as: new-id");
    once("write: new-id, text: \"8086 0b25\"");
    once("open: /dev/liveupdate, as: luo");
  };
  begin(0);
  call("memfd_create: vm, flags: [MFD_ALLOW_SEALING], as: \"m%i\"");
  call("ftruncate: \"m%i\", length: 4GiB");
  call("fcntl: \"m%i\", seals: [F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW]");
  call("open: /dev/iommu, as: \"i%i\"");
  call("ioctl: IOMMU_IOAS_ALLOC, on: \"i%i\", as: \"a%i\"");
  call("open: \"/dev/vfio/devices/vfio%i\", as: \"c%i\"");
  call("ioctl: VFIO_DEVICE_BIND_IOMMUFD, on: \"c%i\", iommufd: \"i%i\", as: \"d%i\"");
  call("ioctl: IOMMU_HWPT_ALLOC, on: \"i%i\", dev_id: \"d%i\", pt_id: \"a%i\", as: \"h%i\"");
  call("ioctl: VFIO_DEVICE_ATTACH_IOMMUFD_PT, on: \"c%i\", pt_id: \"h%i\"");
  call(
      "ioctl: IOMMU_IOAS_MAP_FILE, on: \"i%i\", flags: 7, ioas_id: \"a%i\", fd: \"m%i\", length: "
      "4GiB, iova: 4GiB");
  call("ioctl: IOMMU_HWPT_LIVEUPDATE_MARK_PRESERVE, on: \"i%i\", hwpt_id: \"h%i\", hwpt_token: 9");
  call("ioctl: LIVEUPDATE_IOCTL_CREATE_SESSION, on: luo, name: \"vm%i\", as: \"s%i\"");
  call("ioctl: LIVEUPDATE_SESSION_PRESERVE_FD, on: \"s%i\", fd: \"m%i\", token: 1");
  // The owner of a group in the next kernel is the token of its iommufd.
  call("ioctl: LIVEUPDATE_SESSION_PRESERVE_FD, on: \"s%i\", fd: \"i%i\", token: \"10%i\"");
  call("ioctl: LIVEUPDATE_SESSION_PRESERVE_FD, on: \"s%i\", fd: \"c%i\", token: 3");
  once("kexec_file_load: next");
  once("reboot: kexec");
  begin(1);
  call("ioctl: LIVEUPDATE_IOCTL_RETRIEVE_SESSION, on: luo, name: \"vm%i\", as: \"s%i\"");
  call("ioctl: LIVEUPDATE_SESSION_RETRIEVE_FD, on: \"s%i\", token: 1, as: \"m%i\"");
  call("ioctl: LIVEUPDATE_SESSION_RETRIEVE_FD, on: \"s%i\", token: \"10%i\", as: \"i%i\"");
  call("ioctl: LIVEUPDATE_SESSION_RETRIEVE_FD, on: \"s%i\", token: 3, as: \"c%i\"");
  call("ioctl: VFIO_DEVICE_BIND_IOMMUFD, on: \"c%i\", iommufd: \"i%i\"");
  call("ioctl: LIVEUPDATE_SESSION_FINISH, on: \"s%i\"");
  return text + "expect: [{holds: all}]\n";
}

bool measure(unsigned n) {
  const auto begin = std::chrono::steady_clock::now();
  const Loaded loaded = check_scenario_text("handover.yaml", scenario_of(n),
                                            std::string(BATON_SOURCE) + "/scenarios");
  if (!loaded.good()) {
    fmt::print("{}\n", loaded.errors());
    return false;
  }
  const RunResult result = run_scenario(loaded, {});
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - begin;
  fmt::print("{:>4} devices  {:>7.3f} s  {:>7.2f} ms a device  {}\n", n, spent.count(),
             spent.count() * 1000 / n, result.passed() ? "" : format_failures(result));
  return result.passed();
}

}  // namespace

int main(int count, char** words) {
  bool good = true;
  if (count < 2) {
    for (const unsigned n : {1U, 8U, 64U, 160U}) good = measure(n) && good;
  }
  for (int i = 1; i < count; ++i) {
    good = measure(static_cast<unsigned>(std::strtoul(words[i], nullptr, 10))) && good;
  }
  return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
