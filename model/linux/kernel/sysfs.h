// The files of sysfs and procfs that user space of a live update uses [linux
// drivers/pci/pci-sysfs.c, drivers/base/bus.c, kernel/ksysfs.c]:
//
//   /sys/bus/pci/devices                        names, one a line
//   /sys/bus/pci/devices/<sbdf>/vendor, device, class, driver_override, reset
//   /sys/bus/pci/devices/<sbdf>/sriov_totalvfs, sriov_numvfs    of physical functions
//   /sys/bus/pci/devices/<sbdf>/driver          name of the bound driver (there a symbolic link)
//   /sys/bus/pci/devices/<sbdf>/iommu_group     number of its group (there a symbolic link)
//   /sys/bus/pci/devices/<sbdf>/vfio-dev        names, one a line
//   /sys/bus/pci/drivers/<name>/bind, unbind
//   /sys/bus/pci/drivers_probe
//   /sys/bus/pci/incoming/<sbdf>   what the function is called now that the previous kernel handed
//   over
//                                  as <sbdf>; baton's own, no upstream series has it
//   /sys/kernel/kexec_loaded
//   /proc/cmdline
//
// Every other path is ENOENT; writing what is only read is EACCES, as is the reverse.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "model/linux/base/file.h"
#include "model/linux/kernel/kernel.h"
#include "model/linux/pci/pci_dev.h"

namespace baton::linux {

// "0000:6a:01.0", "10000:e1:00.0".
std::optional<Sbdf> pci_address(std::string_view text);

class Sysfs {
 public:
  explicit Sysfs(Kernel::State& kernel) : kernel_(kernel) {}

  bool exists(std::string_view path) const;
  Result<std::string> read(std::string_view path) const;
  // `path` and `text` outlive the call.
  Co<Result<>> write(const std::string& path, const std::string& text);

 private:
  struct DeviceFile {
    pci::PciDev* dev;
    std::string_view attribute;
  };
  struct DriverFile {
    pci::Driver* driver;
    std::string_view attribute;
  };

  pci::PciDev* device(std::string_view text) const;
  std::optional<DeviceFile> device_file(std::string_view path) const;
  std::optional<DriverFile> driver_file(std::string_view path) const;
  const pci::PciDev* incoming(std::string_view path) const;
  std::string read_device(const DeviceFile& file) const;
  bool locked_down(const pci::PciDev& dev) const;
  Co<Result<>> write_num_vfs(pci::PciDev& dev, std::string_view text);
  Co<Result<>> write_device(pci::PciDev& dev, std::string_view attribute, std::string_view text);
  Co<Result<>> write_driver(const DriverFile& file, std::string_view text);
  Co<Result<>> write_id(const DriverFile& file, std::string_view text);

  Kernel::State& kernel_;
};

// One open file of sysfs: reads hand out the text from the file's position, each write is one
// store.
class SysfsFile final : public File {
 public:
  SysfsFile(Sysfs& sysfs, std::string path) : sysfs_(sysfs), path_(std::move(path)) {}

  std::string name() const override { return path_; }
  Co<Result<std::size_t>> read(Process& process, std::span<std::byte> to) override;
  Co<Result<std::size_t>> write(Process& process, std::span<const std::byte> from) override;

 private:
  Sysfs& sysfs_;
  std::string path_;
  std::size_t position_ = 0;
};

}  // namespace baton::linux
