// Open files: struct file and its operations [linux include/linux/fs.h].
//
// A File is owned by the kernel's FileTable and referenced by descriptors, by LUO, by mappings. The
// last put() runs release(), a call that may sleep; destruction by kernel death runs nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/linux/base/errno.h"
#include "sim/actor.h"
#include "sim/address.h"

namespace baton::linux {

class Process;

// Where a page of a mapping is: RAM, or device memory (an address that is not RAM).
struct MappedPage {
  PhysAddr address;
  bool device = false;
};

class File {
 public:
  virtual ~File() = default;

  // What readlink of /proc/self/fd/N shows: "/memfd:vm0 (deleted)", "anon_inode:[luo_session] s".
  virtual std::string name() const = 0;

  // ioctl: `argument` is the caller's struct as bytes, in and out; its first u32 is usually its
  // size. Pointers inside it are addresses in `process`. Default: ENOTTY.
  virtual Co<Result<std::int64_t>> ioctl(Process& process, std::uint32_t command,
                                         std::span<std::byte> argument);
  virtual Co<Result<std::size_t>> read(Process& process, std::span<std::byte> to);
  virtual Co<Result<std::size_t>> write(Process& process, std::span<const std::byte> from);
  virtual Co<Result<std::size_t>> pread(Process& process, std::span<std::byte> to,
                                        std::uint64_t offset);
  virtual Co<Result<std::size_t>> pwrite(Process& process, std::span<const std::byte> from,
                                         std::uint64_t offset);
  virtual Co<Result<std::uint64_t>> seek(std::int64_t offset, int whence);
  virtual Co<Result<>> truncate(std::uint64_t size);

  // mmap: may `length` bytes from `offset` be mapped? Pages come on fault.
  virtual Result<> map(std::uint64_t offset, std::uint64_t length, bool writable);
  // The page at file offset `offset` for a process's access. EFAULT stands for SIGBUS.
  virtual Result<MappedPage> fault(std::uint64_t offset, bool write);
  // A process has one more, one less area of this file [linux vm_ops open, close].
  virtual void area_added(bool writable);
  virtual void area_removed(bool writable);

  // The last reference is gone.
  virtual Co<> release();

  unsigned references() const { return references_; }

 private:
  friend class FileTable;
  unsigned references_ = 1;
};

// All open files of one kernel.
class FileTable {
 public:
  ~FileTable();

  // Takes ownership; one reference, the caller's.
  template <class T>
  T& add(std::unique_ptr<T> file) {
    T& result = *file;
    files_.push_back(std::move(file));
    return result;
  }
  void get(File& file) { ++file.references_; }
  Co<> put(File& file);

  std::size_t open_files() const { return files_.size(); }

 private:
  std::vector<std::unique_ptr<File>> files_;
};

}  // namespace baton::linux
