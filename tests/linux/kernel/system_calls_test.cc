// The boundary between processes and a kernel: refusals, sysfs, reboot.
#include "tests/linux/kernel/world.h"

namespace baton::linux::test {
namespace {

constexpr const char* kDevice = "/sys/bus/pci/devices/0000:6a:01.0/";
constexpr const char* kVfio = "/sys/bus/pci/drivers/vfio-pci/";

template <class T>
std::string shown(const Result<T>& result) {
  return result ? "ok" : std::string(name(result.error()));
}

std::string shown(const Result<std::string>& result) {
  return result ? result->substr(0, result->size() - 1) : std::string(name(result.error()));
}

Co<> bad_descriptors(Kernel& kernel, Record& record) {
  SystemCalls calls(kernel, kernel.create_process("p"));
  std::array<std::byte, 8> bytes{};
  const Result<> closed = co_await calls.close(3);
  const Result<std::int64_t> ioctl = co_await calls.ioctl(3, 0x3B80, bytes);
  const Result<std::size_t> read = co_await calls.read(-1, bytes);
  const Result<std::size_t> write = co_await calls.write(1024, bytes);
  const Result<std::size_t> pread = co_await calls.pread(3, bytes, 0);
  const Result<std::size_t> pwrite = co_await calls.pwrite(3, bytes, 0);
  const Result<> truncate = co_await calls.ftruncate(3, 0);
  const Result<> seals = co_await calls.fcntl_add_seals(3, 0);
  const Result<UserAddr> map = co_await calls.mmap(3, 0, 4096, true);
  for (const std::string& text :
       {shown(closed), shown(ioctl), shown(read), shown(write), shown(pread), shown(pwrite),
        shown(truncate), shown(seals), shown(map)}) {
    record.lines.push_back(text);
  }
}

Co<> bad_paths(Kernel& kernel, Record& record) {
  SystemCalls calls(kernel, kernel.create_process("p"));
  for (const char* path : {"/dev/zero", "/dev/vfio/devices/vfio0", "/dev/vfio/devices/vfio",
                           "/dev/vfio/devices/vfio0x", "/sys/bus/pci/devices/0000:6a:02.0/vendor",
                           "/sys/bus/pci/devices/0000:6a:01.0/nothing"}) {
    const Result<int> opened = co_await calls.open(path);
    record.lines.push_back(shown(opened));
  }
}

Co<> bind_vfio(Kernel& kernel, Record& record) {
  SystemCalls calls(kernel, kernel.create_process("p"));
  const std::string device = kDevice;
  const std::string vfio = kVfio;
  const std::string address = "0000:6a:01.0\n";
  const auto tell = [&record](std::string text) { record.lines.push_back(std::move(text)); };
  const Result<std::string> vendor = co_await calls.read_file(device + "vendor");
  tell(shown(vendor));
  const Result<std::string> class_code = co_await calls.read_file(device + "class");
  tell(shown(class_code));
  const Result<std::string> unset = co_await calls.read_file(device + "driver_override");
  tell(shown(unset));
  const Result<> no_match = co_await calls.write_file(vfio + "bind", address);
  tell(shown(no_match));
  const Result<> set = co_await calls.write_file(device + "driver_override", "vfio-pci\n");
  tell(shown(set));
  const Result<std::string> before = co_await calls.read_file(device + "vfio-dev");
  tell(shown(before));
  const Result<> bound = co_await calls.write_file(vfio + "bind", address);
  tell(shown(bound));
  const Result<std::string> driver = co_await calls.read_file(device + "driver");
  tell(shown(driver));
  const Result<std::string> cdev = co_await calls.read_file(device + "vfio-dev");
  tell(shown(cdev));
  const Result<> twice = co_await calls.write_file(vfio + "bind", address);
  tell(shown(twice));
  const Result<> nobody = co_await calls.write_file(vfio + "bind", "0000:6a:03.0");
  tell(shown(nobody));
  const Result<> other_domain = co_await calls.write_file(vfio + "bind", "10000:6a:01.0");
  tell(shown(other_domain));
  const Result<> unbound = co_await calls.write_file(vfio + "unbind", address);
  tell(shown(unbound));
  const Result<> again = co_await calls.write_file(vfio + "unbind", address);
  tell(shown(again));
  const Result<> probed = co_await calls.write_file("/sys/bus/pci/drivers_probe", address);
  tell(shown(probed));
  const Result<> read_only = co_await calls.write_file(device + "vendor", "1");
  tell(shown(read_only));
  const Result<std::string> write_only = co_await calls.read_file(vfio + "bind");
  tell(shown(write_only));
}

Co<> reboots(Kernel& kernel, Record& record) {
  SystemCalls calls(kernel, kernel.create_process("p"));
  const Result<> none = co_await calls.reboot_kexec();
  record.lines.push_back(shown(none));
  const Result<> loaded = co_await calls.kexec_file_load(0, "");
  record.lines.push_back(shown(loaded));
}

Co<> second_reboot(Kernel& kernel, Record& record) {
  SystemCalls calls(kernel, kernel.create_process("second"));
  co_await calls.sleep(sim::Duration::milliseconds(1));
  const Result<> rebooted = co_await calls.reboot_kexec();
  record.lines.push_back("second " + shown(rebooted));
  const Result<> loaded = co_await calls.kexec_file_load(0, "");
  record.lines.push_back("load " + shown(loaded));
}

Co<> reboot_twice(Kernel& kernel, Record& record) {
  SystemCalls calls(kernel, kernel.create_process("first"));
  const Result<> loaded = co_await calls.kexec_file_load(0, "");
  record.lines.push_back(shown(loaded));
  kernel.spawn(second_reboot(kernel, record));
  const Result<> rebooted = co_await calls.reboot_kexec();
  record.lines.push_back("first " + shown(rebooted));
}

Co<> cold_reboot(Kernel& kernel, Record&) {
  SystemCalls calls(kernel, kernel.create_process("p"));
  co_await calls.reboot_cold(0, "again");
}

Co<> tell_generation(Kernel& kernel, Record& record) {
  SystemCalls calls(kernel, kernel.create_process("p"));
  const Result<std::string> line = co_await calls.read_file("/proc/cmdline");
  record.lines.push_back(fmt::format("{} {}", kernel.services().generation(), shown(line)));
}

Co<> listen(Kernel& kernel, Record& record) {
  for (int i = 0; i < 3; ++i) {
    const std::string line = co_await kernel.console_line();
    record.lines.push_back(line);
  }
}

}  // namespace

TEST_CASE("Every call on a descriptor that is not open is EBADF, and is reported") {
  World world({bad_descriptors});
  world.run();
  CHECK(world.record.lines == std::vector<std::string>(9, "EBADF"));
  REQUIRE(world.record.failures.size() == 9);
  CHECK(world.record.failures[1] == "p ioctl IOMMU_DESTROY: EBADF");
}

TEST_CASE("Paths that do not exist are ENOENT") {
  World world({bad_paths});
  world.run();
  CHECK(world.record.lines == std::vector<std::string>(6, "ENOENT"));
}

TEST_CASE("sysfs binds vfio-pci to a function by override, and unbinds it") {
  Options options;
  options.command_line = "vfio-pci.disable_denylist=1";  // the DSA is on the list
  World world({bind_vfio}, options);
  world.run();
  CHECK(world.record.lines == std::vector<std::string>{"0x8086", "0x088000", "(null)", "ENODEV",
                                                       "ok", "ENOENT", "ok", "vfio-pci", "vfio0",
                                                       "EBUSY", "ENODEV", "ENODEV", "ok", "ENODEV",
                                                       "ok", "EACCES", "EACCES"});
}

TEST_CASE("A DSA is on vfio-pci's denylist: bind is refused without the module parameter") {
  World world({bind_vfio});
  world.run();
  REQUIRE(world.record.lines.size() == 17);
  CHECK(world.record.lines[6] == "EINVAL");
}

TEST_CASE("reboot without a loaded image is EINVAL") {
  World world({reboots});
  world.run();
  CHECK(world.record.lines == std::vector<std::string>{"EINVAL", "ok"});
  CHECK(world.machine().generation() == 0);
}

TEST_CASE("An image that finds no place in scratch is EADDRNOTAVAIL") {
  Options options;
  options.command_line = "kho_scratch=4M,4M,4M";
  World world({reboots}, options);
  world.run();
  CHECK(world.record.lines == std::vector<std::string>{"EINVAL", "EADDRNOTAVAIL"});
}

TEST_CASE("A second reboot while one is under way is EBUSY, and so is loading an image") {
  World world({reboot_twice, idle});
  world.run();
  CHECK(world.record.lines == std::vector<std::string>{"ok", "second EBUSY", "load EBUSY"});
  CHECK(world.machine().generation() == 1);
}

TEST_CASE("A cold reboot boots the named kernel without anything of the old one") {
  World world({cold_reboot, tell_generation});
  world.run();
  CHECK(world.record.lines == std::vector<std::string>{"1 kho=on liveupdate=on again"});
}

TEST_CASE("Console lines that were typed during the boot wait for init") {
  World world({listen});
  world.machine().type("one");
  world.simulation().run_until(sim::Time() + sim::Duration::milliseconds(500));
  world.machine().type("two");
  world.run();
  world.machine().type("three");
  world.run();
  CHECK(world.record.lines == std::vector<std::string>{"one", "two", "three"});
}

}  // namespace baton::linux::test
