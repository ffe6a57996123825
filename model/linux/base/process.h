// A process: a descriptor table and an address space. Its code is a coroutine of the kernel's
// Context that reaches the kernel through linux::SystemCalls alone (model/linux/kernel) and its own
// memory through load() and store() here.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "model/host/kernel_port.h"
#include "model/linux/base/errno.h"
#include "model/linux/base/file.h"
#include "model/linux/base/page_alloc.h"
#include "sim/address.h"

namespace baton::linux {

inline constexpr int kMaxDescriptors = 1024;      // RLIMIT_NOFILE, soft, until setrlimit
inline constexpr int kMostDescriptors = 1048576;  // fs.nr_open: nobody can have more

class Process {
 public:
  Process(host::KernelPort& port, PageAllocator& pages, FileTable& files, std::string name);
  ~Process();

  const std::string& name() const { return name_; }

  // Descriptors. install() takes over the caller's reference and returns the lowest free number:
  // EMFILE. get() returns EBADF.
  Result<int> install(File& file);
  Result<File*> file(int descriptor);
  // Whether install() would succeed: what get_unused_fd_flags() decides before a call does work.
  bool has_free_descriptor() const;
  Co<Result<>> close(int descriptor);
  // The same open file in another process, as SCM_RIGHTS passes it. EBADF, EMFILE.
  Result<int> send_descriptor(int descriptor, Process& to);
  // A second descriptor of the same open file. EBADF, EMFILE.
  Result<int> duplicate(int descriptor) { return send_descriptor(descriptor, *this); }
  // setrlimit(RLIMIT_NOFILE) of a process with CAP_SYS_RESOURCE. EPERM above kMostDescriptors.
  Result<> limit_descriptors(std::uint64_t most);
  // Gives a new process every descriptor under its number, as fork does. Memory is not copied.
  void share_descriptors(Process& child);

  // Address space. Areas of files hold a reference; anonymous areas hold zeroed pages of their own.
  // EINVAL for a length of 0 or an unaligned offset, else what the file says.
  Result<UserAddr> map_file(File& file, std::uint64_t offset, std::uint64_t length, bool writable);
  Result<UserAddr> map_anonymous(std::uint64_t length);
  Co<Result<>> unmap(UserAddr start, std::uint64_t length);

  // The process's own loads and stores; EFAULT stands for SIGSEGV and SIGBUS. Device memory takes
  // 1, 2, 4 or 8 bytes; store_64bytes is MOVDIR64B.
  Result<> load(UserAddr from, std::span<std::byte> to);
  Result<> store(UserAddr to, std::span<const std::byte> from);
  Result<> store_64bytes(UserAddr to, std::span<const std::byte> from);

  // For kernel code: the page behind an address (get_user_pages), faulted in. EFAULT, ENOMEM.
  Result<MappedPage> page_at(UserAddr address, bool write);
  // The file and offset mapped at an address, null for anonymous memory.
  struct FileAt {
    File* file = nullptr;
    std::uint64_t offset = 0;
  };
  Result<FileAt> file_at(UserAddr address);

  // Whether an ioctl's argument lies in memory that the process may not write: kernels read it, and
  // their answer ends in EFAULT.
  bool answers_fault() const { return answers_fault_; }
  void set_answers_fault(bool fault) { answers_fault_ = fault; }

  // Closes every descriptor and mapping, as exit does.
  Co<> exit();

 private:
  struct Area {
    UserAddr start;
    std::uint64_t length;
    File* file;  // null for anonymous
    std::uint64_t offset;
    bool writable;
    std::map<std::uint64_t, PhysAddr> pages;  // anonymous: page number in the process to page
  };
  using Areas = std::map<UserAddr, Area>;

  Area* area_of(UserAddr address);
  Result<UserAddr> place(Area area);
  void split_at(UserAddr address);
  Co<> drop(Area& area);
  Result<MappedPage> anonymous_page(Area& area, UserAddr address);

  host::KernelPort& port_;
  PageAllocator& pages_;
  FileTable& files_;
  std::string name_;
  std::vector<File*> descriptors_;
  int descriptor_limit_ = kMaxDescriptors;
  bool answers_fault_ = false;
  Areas areas_;
  UserAddr next_area_{0x7F00'0000'0000};
};

}  // namespace baton::linux
