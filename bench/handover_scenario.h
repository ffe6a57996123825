// The scenario of a live update of many devices: n DSAs, each in a session of its own with an
// iommufd, a memfd and nine MSI-X vectors, from the first open to the last finish. The user is a
// process; 32 devices on a bus, 20 devices' vectors on a CPU.
#pragma once

#include <string>
#include <string_view>

#include <fmt/format.h>

namespace baton::bench {

// 32 devices on a bus.
inline std::string devices_of(unsigned count) {
  std::string text;
  for (unsigned i = 0; i < count; ++i) {
    text += fmt::format("      - {{kind: dsa, name: dsa{}, bus: {:#x}, device: {}}}\n", i,
                        0x20 + i / 32, i % 32);
  }
  return text;
}

// `memory`: of each memfd, "4GiB".
inline std::string handover_scenario(unsigned n, std::string_view memory) {
  std::string text = fmt::format(
      "baton: 1\ntitle: t\nmachine:\n  memory: {}GiB\n  cpus: {}\n  topology:\n    lspci: "
      "hosts/flat.lspci\n"
      "    add:\n{}  iommu: {{mode: legacy}}\nkernels:\n"
      "  - {{preset: vision, cmdline: \"transparent_hugepage_shmem=always\"}}\n"
      "policies: {{driver_binding: first-match}}\nprocesses:\n",
      8 + n * 5, 1 + n / 20, devices_of(n));
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
  const auto set_interrupts = [&] {
    call("eventfd: 0, as: \"e%i\"");
    call(
        "ioctl: VFIO_DEVICE_SET_IRQS, on: \"c%i\", flags: 0x24, index: 2, count: 9, eventfds: "
        "[\"e%i\", \"e%i\", \"e%i\", \"e%i\", \"e%i\", \"e%i\", \"e%i\", \"e%i\", \"e%i\"]");
  };
  begin(0);
  call("memfd_create: vm, flags: [MFD_ALLOW_SEALING], as: \"m%i\"");
  call(fmt::format("ftruncate: \"m%i\", length: {}", memory));
  call("fcntl: \"m%i\", seals: [F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW]");
  call("open: /dev/iommu, as: \"i%i\"");
  call("ioctl: IOMMU_IOAS_ALLOC, on: \"i%i\", as: \"a%i\"");
  call("open: \"/dev/vfio/devices/vfio%i\", as: \"c%i\"");
  call("ioctl: VFIO_DEVICE_BIND_IOMMUFD, on: \"c%i\", iommufd: \"i%i\", as: \"d%i\"");
  call("ioctl: IOMMU_HWPT_ALLOC, on: \"i%i\", dev_id: \"d%i\", pt_id: \"a%i\", as: \"h%i\"");
  call("ioctl: VFIO_DEVICE_ATTACH_IOMMUFD_PT, on: \"c%i\", pt_id: \"h%i\"");
  call(fmt::format(
      "ioctl: IOMMU_IOAS_MAP_FILE, on: \"i%i\", flags: 7, ioas_id: \"a%i\", fd: \"m%i\", "
      "length: {}, iova: 4GiB",
      memory));
  set_interrupts();
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
  set_interrupts();
  call("ioctl: LIVEUPDATE_SESSION_FINISH, on: \"s%i\"");
  return text + "expect: [{holds: all}]\n";
}

}  // namespace baton::bench
