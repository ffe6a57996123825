#include "model/linux/base/file.h"

#include <algorithm>

#include "sim/check.h"

namespace baton::linux {

// What a file without the operation answers [linux fs/ioctl.c, fs/read_write.c, mm/mmap.c].

Co<Result<std::int64_t>> File::ioctl(Process& /*process*/, std::uint32_t /*command*/,
                                     std::span<std::byte> /*argument*/) {
  co_return fail(Errno::kNoTty);
}

Co<Result<std::size_t>> File::read(Process& /*process*/, std::span<std::byte> /*to*/) {
  co_return fail(Errno::kInval);
}

Co<Result<std::size_t>> File::write(Process& /*process*/, std::span<const std::byte> /*from*/) {
  co_return fail(Errno::kInval);
}

Co<Result<std::size_t>> File::pread(Process& /*process*/, std::span<std::byte> /*to*/,
                                    std::uint64_t /*offset*/) {
  co_return fail(Errno::kSPipe);
}

Co<Result<std::size_t>> File::pwrite(Process& /*process*/, std::span<const std::byte> /*from*/,
                                     std::uint64_t /*offset*/) {
  co_return fail(Errno::kSPipe);
}

Co<Result<std::uint64_t>> File::seek(std::int64_t /*offset*/, int /*whence*/) {
  co_return fail(Errno::kSPipe);
}

Co<Result<>> File::truncate(std::uint64_t /*size*/) { co_return fail(Errno::kInval); }

Result<> File::map(std::uint64_t /*offset*/, std::uint64_t /*length*/, bool /*writable*/) {
  return fail(Errno::kNoDev);
}

Result<MappedPage> File::fault(std::uint64_t /*offset*/, bool /*write*/) {
  return fail(Errno::kFault);
}

void File::area_added(bool /*writable*/) {}

void File::area_removed(bool /*writable*/) {}

Co<> File::release() { co_return; }

FileTable::~FileTable() = default;

Co<> FileTable::put(File& file) {
  BATON_CHECK(file.references_ > 0, "a file without references is put");
  if (--file.references_ > 0) {
    co_return;
  }
  co_await file.release();
  const auto entry = std::find_if(files_.begin(), files_.end(),
                                  [&file](const auto& other) { return other.get() == &file; });
  BATON_CHECK(entry != files_.end(), "a file of another kernel");
  files_.erase(entry);
}

}  // namespace baton::linux
