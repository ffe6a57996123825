// Virtual functions by sysfs [linux drivers/pci/iov.c: sriov_numvfs_store].
#include "model/devices/nvme/nvme.h"
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

TEST_CASE("vfio-pci enables no virtual functions without its parameter") {
  World world({ask_without_parameter}, host_with_nvme(false));
  world.run();
  CHECK(world.record.lines == std::vector<std::string>{"ok", "ok", "ENOENT"});
}

}  // namespace baton::linux::test
