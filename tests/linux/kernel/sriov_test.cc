// Virtual functions by sysfs [linux drivers/pci/iov.c: sriov_numvfs_store].
#include "model/devices/nvme/nvme.h"
#include "model/linux/kernel/system_calls.h"
#include "model/linux/uapi/vfio.h"
#include "tests/linux/kernel/world.h"

namespace baton::linux::test {
namespace {

constexpr const char* kPhysical = "/sys/bus/pci/devices/0000:6a:02.0/";
constexpr const char* kVirtual = "/sys/bus/pci/devices/0000:6a:02.1/";

void add_nvme(host::Machine& machine) {
  pci::Bus& bus = *machine.fabric().find(Sbdf{0, Bdf(0x6A, 1, 0)})->bus();
  devices::nvme::NvmeConfig config;
  config.vfs = 4;
  pci::Function& added =
      machine.fabric().add(bus, 2, 0, devices::nvme::make_nvme(machine.simulation(), config));
  const unsigned sriov = added.config().find(pci::ExtendedCapabilityId::kSriov);
  machine.fabric().config_write(added.location(), static_cast<std::uint16_t>(sriov + 0x24), 4,
                                0xF900'0000);
}

Options host_with_nvme(bool allowed) {
  Options options;
  options.build = add_nvme;
  if (allowed) options.command_line += " vfio-pci.enable_sriov=1";
  return options;
}

// What each file says, or why not.
class User {
 public:
  User(Kernel& kernel, Record& record)
      : calls_(kernel, kernel.create_process("p")), record_(record) {}

  Co<> write(std::string path, std::string text) {
    const Result<> done = co_await calls_.write_file(path, text);
    record_.lines.push_back(done ? "ok" : std::string(name(done.error())));
  }
  Co<> read(std::string path) {
    const Result<std::string> text = co_await calls_.read_file(path);
    record_.lines.push_back(text ? text->substr(0, text->size() - 1)
                                 : std::string(name(text.error())));
  }

 private:
  SystemCalls calls_;
  Record& record_;
};

Co<> bind(User& user, const char* device, const char* address) {
  const std::string path = device;
  co_await user.write(path + "driver_override", "vfio-pci");
  co_await user.write("/sys/bus/pci/drivers/vfio-pci/bind", address);
}

Co<> use_virtual_functions(Kernel& kernel, Record& record) {
  User user(kernel, record);
  const std::string physical = kPhysical;
  const std::string first = kVirtual;
  co_await user.read(physical + "sriov_totalvfs");
  co_await user.write(physical + "sriov_numvfs", "2");  // no driver
  co_await bind(user, kPhysical, "0000:6a:02.0");
  co_await user.write(physical + "sriov_numvfs", "5");
  co_await user.write(physical + "sriov_numvfs", "many");
  co_await user.write(physical + "sriov_numvfs", "2");
  co_await user.read(physical + "sriov_numvfs");
  co_await user.write(physical + "sriov_numvfs", "3");
  co_await user.read(first + "vendor");
  co_await user.read(first + "sriov_numvfs");  // a VF has none
  co_await bind(user, kVirtual, "0000:6a:02.1");
  co_await user.read(first + "vfio-dev");
  co_await user.write(physical + "sriov_numvfs", "0");
  co_await user.read(first + "vendor");
  co_await user.write(physical + "sriov_numvfs", "1");
  co_await user.read(first + "driver");  // bound again: the override outlives it
}

// What a VF's owner sees: ids, BAR and memory enable that the hardware of a VF does not have.
Co<> look_through_vfio(Kernel& kernel, Record& record) {
  User user(kernel, record);
  const std::string physical = kPhysical;
  co_await user.write(physical + "driver_override", "pci-pf-stub");
  co_await user.write("/sys/bus/pci/drivers/pci-pf-stub/bind", "0000:6a:02.0");
  co_await user.write(physical + "sriov_numvfs", "1");
  co_await bind(user, kVirtual, "0000:6a:02.1");
  SystemCalls calls(kernel, kernel.create_process("owner"));
  const Result<int> iommufd = co_await calls.open("/dev/iommu");
  const Result<int> cdev = co_await calls.open("/dev/vfio/devices/vfio0");
  REQUIRE(iommufd);
  REQUIRE(cdev);
  uapi::VfioDeviceBindIommufd request;
  request.iommufd = *iommufd;
  const auto bound =
      co_await calls.ioctl(*cdev, uapi::kVfioDeviceBindIommufd, uapi::bytes_of(request));
  CHECK(bound);
  const std::uint64_t config = uapi::vfio_region_offset(uapi::kVfioPciConfigRegionIndex);
  std::uint32_t value = 0;
  for (const unsigned offset : {0x00U, 0x04U, 0x10U}) {
    const auto read = co_await calls.pread(*cdev, uapi::bytes_of(value), config + offset);
    CHECK(read);
    if (offset == 4) value &= 0xFFFF;
    record.lines.push_back(fmt::format("{:08x}", value));
  }
  value = 0xFFFFFFFF;
  const auto written = co_await calls.pwrite(*cdev, uapi::bytes_of(value), config + 0x10);
  CHECK(written);
  const auto size = co_await calls.pread(*cdev, uapi::bytes_of(value), config + 0x10);
  CHECK(size);
  record.lines.push_back(fmt::format("{:08x}", value));
}

Co<> ask_without_parameter(Kernel& kernel, Record& record) {
  User user(kernel, record);
  co_await bind(user, kPhysical, "0000:6a:02.0");
  const std::string path = std::string(kPhysical) + "sriov_numvfs";
  co_await user.write(path, "2");
}

}  // namespace

TEST_CASE("user space makes virtual functions appear by sriov_numvfs, and binds them") {
  World world({use_virtual_functions}, host_with_nvme(true));
  world.run();
  CHECK(world.record.lines == std::vector<std::string>{"4", "ENOENT", "ok", "ok", "ERANGE",
                                                       "EINVAL", "ok", "2", "EBUSY", "0x1b36",
                                                       "ENOENT", "ok", "ok", "vfio1", "ok",
                                                       "ENOENT", "ok", "vfio-pci"});
}

TEST_CASE("the owner of a virtual function sees ids, a BAR to size and memory that is on") {
  World world({look_through_vfio}, host_with_nvme(false));
  world.run();
  CHECK(world.record.lines == std::vector<std::string>{"ok", "ok", "ok", "ok", "ok", "00101b36",
                                                       "00000002", "00000004", "ffffc004"});
}

TEST_CASE("vfio-pci enables no virtual functions without its parameter") {
  World world({ask_without_parameter}, host_with_nvme(false));
  world.run();
  CHECK(world.record.lines == std::vector<std::string>{"ok", "ok", "ENOENT"});
}

}  // namespace baton::linux::test
