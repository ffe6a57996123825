// The system calls that processes make: the one boundary between user space and a kernel. Paths,
// request numbers, struct bytes and errno are Linux's.
//
// An error is published as SystemCallFailed. A call keeps a reference to the file it works on until
// it returns, as fdget() does.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/linux/base/process.h"

namespace baton::linux {

class Kernel;

class SystemCalls {
 public:
  SystemCalls(Kernel& kernel, Process& process);

  Process& process() { return process_; }

  // /dev/liveupdate, /dev/iommu, /dev/vfio/devices/vfioN, /dev/null, and sysfs files for reading
  // and writing.
  Co<Result<int>> open(std::string path);
  Co<Result<>> close(int fd);
  Co<Result<std::int64_t>> ioctl(int fd, std::uint32_t command, std::span<std::byte> argument);
  Co<Result<std::size_t>> read(int fd, std::span<std::byte> to);
  Co<Result<std::size_t>> write(int fd, std::span<const std::byte> from);
  Co<Result<std::size_t>> pread(int fd, std::span<std::byte> to, std::uint64_t offset);
  Co<Result<std::size_t>> pwrite(int fd, std::span<const std::byte> from, std::uint64_t offset);
  Co<Result<std::uint64_t>> lseek(int fd, std::int64_t offset, int whence);
  Co<Result<int>> dup(int fd);
  // readlink of /proc/self/fd/N.
  Co<Result<std::string>> read_link(int fd);
  Co<Result<>> setrlimit_nofile(std::uint64_t most);
  // Flags as in memfd.h; without any: MFD_ALLOW_SEALING | MFD_CLOEXEC.
  Co<Result<int>> memfd_create(std::string name, std::uint32_t flags = 3);
  Co<Result<>> ftruncate(int fd, std::uint64_t size);
  Co<Result<>> fcntl_add_seals(int fd, std::uint32_t seals);
  Co<Result<std::uint32_t>> fcntl_get_seals(int fd);
  Co<Result<UserAddr>> mmap(int fd, std::uint64_t offset, std::uint64_t length, bool writable);
  Co<Result<UserAddr>> mmap_anonymous(std::uint64_t length);
  Co<Result<>> munmap(UserAddr start, std::uint64_t length);
  // eventfd(0): read() takes the counter (8 bytes) and blocks while it is 0.
  Co<Result<int>> eventfd();
  // open, read or write everything, close. sysfs: see sysfs.h. A directory reads as its names, one
  // a line.
  Co<Result<std::string>> read_file(std::string path);
  Co<Result<>> write_file(std::string path, std::string text);
  // kexec_file_load of the scenario's kernel `kernel`. EADDRNOTAVAIL.
  Co<Result<>> kexec_file_load(std::size_t kernel, std::string command_line);
  // reboot(LINUX_REBOOT_CMD_KEXEC): returns only an error; on success the caller never runs again.
  // EBUSY, EINVAL without an image, and what live update says.
  Co<Result<>> reboot_kexec();
  // reboot(LINUX_REBOOT_CMD_RESTART): platform reset, then the boot loader starts kernel `kernel`
  // with this command line. Never returns.
  Co<Result<>> reboot_cold(std::size_t kernel = 0, std::string command_line = {});

  // The calling thread sleeps.
  Co<> sleep(sim::Duration duration);

 private:
  void failed(std::string_view call, Errno error);
  void tell(std::string_view call, bool answered, std::optional<Errno> error);
  // Publishes an error on its way to the caller.
  template <class T>
  Result<T> checked(std::string_view call, Result<T> result) {
    if (!result) {
      failed(call, result.error());
    }
    return result;
  }
  Result<File*> hold(int fd);
  Co<> drop(File& file);
  Co<Result<int>> install(File& file, std::string_view call);
  Co<Result<File*>> open_file(const std::string& path);

  Kernel& kernel_;
  Process& process_;
};

}  // namespace baton::linux
