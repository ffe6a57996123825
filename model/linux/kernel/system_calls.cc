#include "model/linux/kernel/system_calls.h"

#include <fmt/format.h>

#include <charconv>

#include "model/linux/base/eventfd.h"
#include "model/linux/base/observations.h"
#include "model/linux/kernel/ioctl_names.h"
#include "model/linux/kernel/observations.h"
#include "model/linux/kernel/state.h"

namespace baton::linux {

namespace {

// What can be read from it is nothing, what is written to it is gone.
class NullFile final : public File {
 public:
  std::string name() const override { return "/dev/null"; }
  Co<Result<std::size_t>> read(Process&, std::span<std::byte>) override {
    co_return std::size_t{0};
  }
  Co<Result<std::size_t>> write(Process&, std::span<const std::byte> from) override {
    co_return from.size();
  }
};

// N of "/dev/vfio/devices/vfioN" or "/dev/vfio/N".
std::optional<unsigned> number_behind(std::string_view prefix, std::string_view path) {
  if (!path.starts_with(prefix)) {
    return std::nullopt;
  }
  path.remove_prefix(prefix.size());
  unsigned index = 0;
  const auto parsed = std::from_chars(path.data(), path.data() + path.size(), index);
  if (path.empty() || parsed.ec != std::errc() || parsed.ptr != path.data() + path.size()) {
    return std::nullopt;
  }
  return index;
}

}  // namespace

SystemCalls::SystemCalls(Kernel& kernel, Process& process) : kernel_(kernel), process_(process) {}

void SystemCalls::failed(std::string_view call, Errno error) {
  KernelServices& services = kernel_.services();
  services.print(sim::LogLevel::kDebug, "{}: {}: {}", process_.name(), call, name(error));
  const auto& topic = services.port().simulation().topic<SystemCallFailed>();
  if (topic.active()) {
    topic.publish({.generation = services.generation(),
                   .process = process_.name(),
                   .call = call,
                   .error = error});
  }
}

void SystemCalls::tell(std::string_view call, bool answered, std::optional<Errno> error) {
  KernelServices& services = kernel_.services();
  const auto& topic = services.port().simulation().topic<SystemCallMade>();
  if (topic.active()) {
    topic.publish({services.generation(), process_.name(), call, answered, error});
  }
}

Result<File*> SystemCalls::hold(int fd) {
  const Result<File*> file = process_.file(fd);
  if (file) {
    kernel_.services().files().get(**file);
  }
  return file;
}

Co<> SystemCalls::drop(File& file) { return kernel_.services().files().put(file); }

// A new descriptor for a file whose reference the caller holds.
Co<Result<int>> SystemCalls::install(File& file, std::string_view call) {
  const Result<int> fd = process_.install(file);
  if (!fd) {
    co_await drop(file);
    failed(call, fd.error());
  }
  co_return fd;
}

Co<Result<File*>> SystemCalls::open_file(const std::string& path) {
  Kernel::State& kernel = *kernel_.state_;
  if (path == "/dev/liveupdate") {
    if (!kernel.luo_.enabled()) {
      co_return fail(Errno::kNoEnt);  // the device node was never made
    }
    co_return co_await kernel.luo_.open_device();
  }
  if (path == "/dev/null") {
    co_return &kernel.services_.files().add(std::make_unique<NullFile>());
  }
  if (path == "/dev/iommu") {
    co_return kernel.iommufd_.open_device();
  }
  if (path == "/dev/vfio/vfio") {
    co_return kernel.vfio_pci_.open_container();
  }
  if (const auto index = number_behind("/dev/vfio/devices/vfio", path)) {
    co_return kernel.vfio_pci_.open_cdev(*index);
  }
  if (const auto number = number_behind("/dev/vfio/", path)) {
    co_return kernel.vfio_pci_.open_group(*number);
  }
  if (constexpr std::string_view kStub = "/dev/pci-lu-stub/"; path.starts_with(kStub)) {
    const std::optional<Sbdf> address = pci_address(std::string_view(path).substr(kStub.size()));
    co_return address ? kernel.pci_lu_stub_.open(*address) : fail(Errno::kNoEnt);
  }
  if (constexpr std::string_view kStub = "/dev/pci-lu-stub-pf/"; path.starts_with(kStub)) {
    const std::optional<Sbdf> address = pci_address(std::string_view(path).substr(kStub.size()));
    co_return address ? kernel.pci_lu_stub_pf_.open(*address) : fail(Errno::kNoEnt);
  }
  if (kernel.sysfs_.exists(path)) {
    co_return &kernel.services_.files().add(std::make_unique<SysfsFile>(kernel.sysfs_, path));
  }
  co_return fail(Errno::kNoEnt);
}

Co<Result<int>> SystemCalls::open(std::string path) {
  const std::string call = "open " + path;
  if (!process_.has_free_descriptor()) {
    failed(call, Errno::kMFile);
    co_return fail(Errno::kMFile);
  }
  tell(call, false, {});
  const Result<File*> file = co_await open_file(path);
  if (!file) {
    tell(call, true, file.error());
    failed(call, file.error());
    co_return fail(file.error());
  }
  const Result<int> fd = co_await install(**file, call);
  tell(call, true, fd ? std::nullopt : std::optional(fd.error()));
  co_return fd;
}

Co<Result<>> SystemCalls::close(int fd) {
  const Result<> closed = co_await process_.close(fd);
  co_return checked("close", closed);
}

Co<Result<std::int64_t>> SystemCalls::ioctl(int fd, std::uint32_t command,
                                            std::span<std::byte> argument) {
  const std::string call = "ioctl " + ioctl_name(command);
  const Result<File*> file = hold(fd);
  if (!file) {
    failed(call, file.error());
    co_return fail(file.error());
  }
  tell(call, false, {});
  const Result<std::int64_t> result = co_await (*file)->ioctl(process_, command, argument);
  co_await drop(**file);
  tell(call, true, result ? std::nullopt : std::optional(result.error()));
  co_return checked(call, result);
}

Co<Result<std::size_t>> SystemCalls::read(int fd, std::span<std::byte> to) {
  const Result<File*> file = hold(fd);
  if (!file) {
    failed("read", file.error());
    co_return fail(file.error());
  }
  const Result<std::size_t> result = co_await (*file)->read(process_, to);
  co_await drop(**file);
  co_return checked("read", result);
}

Co<Result<std::size_t>> SystemCalls::write(int fd, std::span<const std::byte> from) {
  const Result<File*> file = hold(fd);
  if (!file) {
    failed("write", file.error());
    co_return fail(file.error());
  }
  const Result<std::size_t> result = co_await (*file)->write(process_, from);
  co_await drop(**file);
  co_return checked("write", result);
}

Co<Result<std::size_t>> SystemCalls::pread(int fd, std::span<std::byte> to, std::uint64_t offset) {
  const Result<File*> file = hold(fd);
  if (!file) {
    failed("pread", file.error());
    co_return fail(file.error());
  }
  const Result<std::size_t> result = co_await (*file)->pread(process_, to, offset);
  co_await drop(**file);
  co_return checked("pread", result);
}

Co<Result<std::size_t>> SystemCalls::pwrite(int fd, std::span<const std::byte> from,
                                            std::uint64_t offset) {
  const Result<File*> file = hold(fd);
  if (!file) {
    failed("pwrite", file.error());
    co_return fail(file.error());
  }
  const Result<std::size_t> result = co_await (*file)->pwrite(process_, from, offset);
  co_await drop(**file);
  co_return checked("pwrite", result);
}

Co<Result<std::uint64_t>> SystemCalls::lseek(int fd, std::int64_t offset, int whence) {
  const Result<File*> file = hold(fd);
  if (!file) {
    failed("lseek", file.error());
    co_return fail(file.error());
  }
  const Result<std::uint64_t> result = co_await (*file)->seek(offset, whence);
  co_await drop(**file);
  co_return checked("lseek", result);
}

Co<Result<int>> SystemCalls::dup(int fd) {
  const Result<int> result = process_.duplicate(fd);
  co_return checked("dup", result);
}

Co<Result<std::string>> SystemCalls::read_link(int fd) {
  const Result<File*> file = process_.file(fd);
  Result<std::string> result = file ? Result<std::string>((*file)->name()) : fail(Errno::kNoEnt);
  if (result && result->starts_with("anon_inode:[luo_session]") &&
      kernel_.services().has(Defect::kLuoLongLinkName)) {
    result = fail(Errno::kNameTooLong);
  }
  co_return checked("readlink /proc/self/fd", result);
}

Co<Result<>> SystemCalls::setrlimit_nofile(std::uint64_t most) {
  const Result<> result = process_.limit_descriptors(most);
  co_return checked("setrlimit RLIMIT_NOFILE", result);
}

Co<Result<int>> SystemCalls::memfd_create(std::string name, std::uint32_t flags) {
  const Result<File*> file = kernel_.state_->memfd_.create(name, flags);
  if (!file) {
    failed("memfd_create", file.error());
    co_return fail(file.error());
  }
  co_return co_await install(**file, "memfd_create");
}

Co<Result<int>> SystemCalls::eventfd() {
  KernelServices& services = kernel_.services();
  EventFd& file = services.files().add(std::make_unique<EventFd>(services.port()));
  co_return co_await install(file, "eventfd");
}

Co<Result<>> SystemCalls::ftruncate(int fd, std::uint64_t size) {
  const Result<File*> file = hold(fd);
  if (!file) {
    failed("ftruncate", file.error());
    co_return fail(file.error());
  }
  const Result<> result = co_await (*file)->truncate(size);
  co_await drop(**file);
  co_return checked("ftruncate", result);
}

Co<Result<>> SystemCalls::fcntl_add_seals(int fd, std::uint32_t seals) {
  const Result<File*> file = process_.file(fd);
  if (!file) {
    failed("fcntl F_ADD_SEALS", file.error());
    co_return fail(file.error());
  }
  luo::Memfd* memfd = kernel_.state_->memfd_.from_file(**file);
  const Result<> result = memfd == nullptr ? fail(Errno::kInval) : memfd->add_seals(seals);
  co_return checked("fcntl F_ADD_SEALS", result);
}

Co<Result<std::uint32_t>> SystemCalls::fcntl_get_seals(int fd) {
  const Result<File*> file = process_.file(fd);
  if (!file) {
    failed("fcntl F_GET_SEALS", file.error());
    co_return fail(file.error());
  }
  luo::Memfd* memfd = kernel_.state_->memfd_.from_file(**file);
  const Result<std::uint32_t> result =
      memfd == nullptr ? fail(Errno::kInval) : Result<std::uint32_t>(memfd->seals());
  co_return checked("fcntl F_GET_SEALS", result);
}

Co<Result<UserAddr>> SystemCalls::mmap(int fd, std::uint64_t offset, std::uint64_t length,
                                       bool writable) {
  const Result<File*> file = process_.file(fd);
  if (!file) {
    failed("mmap", file.error());
    co_return fail(file.error());
  }
  const Result<UserAddr> result = process_.map_file(**file, offset, length, writable);
  co_return checked("mmap", result);
}

Co<Result<UserAddr>> SystemCalls::mmap_anonymous(std::uint64_t length) {
  const Result<UserAddr> result = process_.map_anonymous(length);
  co_return checked("mmap", result);
}

Co<Result<>> SystemCalls::munmap(UserAddr start, std::uint64_t length) {
  const Result<> result = co_await process_.unmap(start, length);
  co_return checked("munmap", result);
}

Co<Result<std::string>> SystemCalls::read_file(std::string path) {
  const Result<std::string> result = kernel_.state_->sysfs_.read(path);
  co_return checked("read " + path, result);
}

Co<Result<>> SystemCalls::write_file(std::string path, std::string text) {
  tell("write " + path, false, {});
  const Result<> result = co_await kernel_.state_->sysfs_.write(path, text);
  tell("write " + path, true, result ? std::nullopt : std::optional(result.error()));
  co_return checked("write " + path, result);
}

Co<Result<>> SystemCalls::kexec_file_load(std::size_t kernel, std::string command_line) {
  const Result<> result = kernel_.state_->load_kexec_image(kernel, std::move(command_line));
  co_return checked("kexec_file_load", result);
}

Co<Result<>> SystemCalls::reboot_kexec() {
  constexpr std::string_view kReboot = "reboot LINUX_REBOOT_CMD_KEXEC";
  tell(kReboot, false, {});
  const Result<> result = co_await kernel_.state_->kexec();
  tell(kReboot, true, result ? std::nullopt : std::optional(result.error()));
  co_return checked("reboot LINUX_REBOOT_CMD_KEXEC", result);
}

Co<Result<>> SystemCalls::reboot_cold(std::size_t kernel, std::string command_line) {
  co_await kernel_.state_->restart(kernel, std::move(command_line));
  co_return Result<>{};
}

Co<> SystemCalls::sleep(sim::Duration duration) { return kernel_.services().spend(duration); }

}  // namespace baton::linux
