// memfd as a file [linux mm/shmem.c, mm/memfd.c].
//
// CHECK names its expression twice, and GCC 12 would await it twice: await first, then check.
#include <cstring>

#include "model/luo/memfd/memfd.h"
#include "tests/support/two_kernels.h"

namespace {

using namespace baton;
using namespace baton::luo;
using linux::Errno;
using linux::Result;
using test::LuoKernel;

std::span<const std::byte> text(std::string_view value) {
  return std::as_bytes(std::span(value.data(), value.size()));
}

// Runs one body on a booted kernel; it ends or the test fails.
void on_kernel(Co<> (*body)(LuoKernel&, MemfdSubsystem&)) {
  const auto run = [body](LuoKernel& kernel) -> Co<> {
    return [](LuoKernel& booted, Co<> (*inner)(LuoKernel&, MemfdSubsystem&)) -> Co<> {
      MemfdSubsystem memfds(booted.services, booted.kho, booted.luo);
      memfds.init();
      co_await inner(booted, memfds);
    }(kernel, body);
  };
  test::TwoKernels<LuoKernel> world({run});
  world.run();
  CHECK(world.panic().empty());
  CHECK(world.completed(0));
}

Memfd& made(MemfdSubsystem& memfds, std::string_view name = "test") {
  return *memfds.from_file(**memfds.create(name));
}

Co<> reads_and_writes(LuoKernel& kernel, MemfdSubsystem& memfds) {
  Memfd& file = made(memfds);
  CHECK(file.name() == "/memfd:test (deleted)");
  {
    const auto got = co_await file.write(kernel.process, text("hello"));
    CHECK(got == 5U);
  }
  {
    const auto got = co_await file.pwrite(kernel.process, text("far"), 3 * 4096 - 1);
    CHECK(got == 3U);
  }
  CHECK(file.size() == 3 * 4096 + 2);
  std::array<std::byte, 16> buffer{};
  {
    const auto got = co_await file.read(kernel.process, buffer);
    CHECK(got == 16U);
  }  // a hole behind "hello"
  CHECK(buffer[0] == std::byte{0});
  {
    const auto got = co_await file.seek(0, 0);
    CHECK(got == 0U);
  }
  {
    const auto got = co_await file.read(kernel.process, buffer);
    CHECK(got == 16U);
  }
  CHECK(std::memcmp(buffer.data(), "hello", 6) == 0);
  {
    const auto got = co_await file.pread(kernel.process, buffer, 3 * 4096 - 1);
    CHECK(got == 3U);
  }
  CHECK(std::memcmp(buffer.data(), "far", 3) == 0);
  {
    const auto got = co_await file.pread(kernel.process, buffer, 1 << 20);
    CHECK(got == 0U);
  }
  {
    const auto got = co_await file.seek(-2, 2);
    CHECK(got == 3U * 4096);
  }
  {
    const auto got = co_await file.seek(-1, 1);
    CHECK(got == 3U * 4096 - 1);
  }
  {
    const auto got = co_await file.seek(-1, 0);
    CHECK(got.error() == Errno::kInval);
  }
  {
    const auto got = co_await file.seek(0, 9);
    CHECK(got.error() == Errno::kInval);
  }
  {
    const auto got = co_await file.pwrite(kernel.process, text("x"), INT64_MAX);
    CHECK(got.error() == Errno::kFBig);
  }
}

Co<> changes_size(LuoKernel& kernel, MemfdSubsystem& memfds) {
  Memfd& file = made(memfds);
  const std::uint64_t before = kernel.services.pages().free_pages();
  {
    const auto got = co_await file.truncate(4 * 4096);
    CHECK(got.has_value());
  }
  CHECK(kernel.services.pages().free_pages() == before);
  CHECK(file.fault(3 * 4096, false).has_value());
  CHECK(file.fault(4 * 4096, false).error() == Errno::kFault);
  {
    const auto got = co_await file.pwrite(kernel.process, text("abcdef"), 0);
    CHECK(got == 6U);
  }
  CHECK(kernel.services.pages().free_pages() == before - 2);
  {
    const auto got = co_await file.truncate(3);
    CHECK(got.has_value());
  }
  CHECK(kernel.services.pages().free_pages() == before - 1);
  {
    const auto got = co_await file.truncate(6);
    CHECK(got.has_value());
  }
  std::array<std::byte, 6> buffer{};
  {
    const auto got = co_await file.pread(kernel.process, buffer, 0);
    CHECK(got == 6U);
  }
  CHECK(std::memcmp(buffer.data(), "abc\0\0\0", 6) == 0);
  {
    const auto got = co_await file.truncate(UINT64_MAX);
    CHECK(got.error() == Errno::kInval);
  }
  co_await kernel.services.files().put(file);
  CHECK(kernel.services.pages().free_pages() == before);
}

Co<> pins(LuoKernel& kernel, MemfdSubsystem& memfds) {
  Memfd& file = made(memfds);
  {
    const auto got = co_await file.truncate(4096);
    CHECK(got.has_value());
  }
  CHECK(file.pin(4096).error() == Errno::kInval);
  const Result<PhysAddr> page = file.pin(0);
  REQUIRE(page.has_value());
  co_await kernel.services.files().put(file);
  CHECK(kernel.services.pages().is_allocated(*page));
  kernel.services.pages().free(*page);
  CHECK_FALSE(kernel.services.pages().is_allocated(*page));
}

Co<> seals_forbid(LuoKernel& kernel, MemfdSubsystem& memfds) {
  Memfd& file = made(memfds);
  {
    const auto got = co_await file.truncate(4096);
    CHECK(got.has_value());
  }
  CHECK(file.add_seals(0x40).error() == Errno::kInval);
  CHECK(file.add_seals(kSealGrow | kSealShrink).has_value());
  {
    const auto got = co_await file.truncate(4097);
    CHECK(got.error() == Errno::kPerm);
  }
  {
    const auto got = co_await file.truncate(0);
    CHECK(got.error() == Errno::kPerm);
  }
  {
    const auto got = co_await file.truncate(4096);
    CHECK(got.has_value());
  }
  {
    const auto got = co_await file.pwrite(kernel.process, text("x"), 4096);
    CHECK(got.error() == Errno::kPerm);
  }
  const std::string long_text(5000, 'x');
  {
    const auto got = co_await file.pwrite(kernel.process, text(long_text), 0);
    CHECK(got == 4096U);
  }
  const UserAddr area = *kernel.process.map_file(file, 0, 4096, true);
  CHECK(file.add_seals(kSealWrite).error() == Errno::kBusy);
  {
    const auto got = co_await kernel.process.unmap(area, 4096);
    CHECK(got.has_value());
  }
  CHECK(file.add_seals(kSealWrite | kSealSeal).has_value());
  {
    const auto got = co_await file.pwrite(kernel.process, text("x"), 0);
    CHECK(got.error() == Errno::kPerm);
  }
  CHECK(kernel.process.map_file(file, 0, 4096, true).error() == Errno::kPerm);
  CHECK(kernel.process.map_file(file, 0, 4096, false).has_value());
  CHECK(file.add_seals(kSealGrow).error() == Errno::kPerm);
  CHECK(file.seals() == (kSealGrow | kSealShrink | kSealWrite | kSealSeal));
}

Co<> refuses_names(LuoKernel&, MemfdSubsystem& memfds) {
  CHECK(memfds.create(std::string(249, 'n')).has_value());
  CHECK(memfds.create(std::string(250, 'n')).error() == Errno::kInval);
  Memfd& file = made(memfds);
  CHECK(file.add_seals(kSealExec).has_value());
  CHECK((file.seals() & (kSealWrite | kSealGrow)) == (kSealWrite | kSealGrow));
  CHECK(file.map(INT64_MAX, 4096, false).error() == Errno::kOverflow);
  co_return;
}

}  // namespace

TEST_CASE("a memfd is a file of pages with holes that read as zero") {
  on_kernel(reads_and_writes);
}

TEST_CASE("truncation frees pages, zeroes the tail of the last one and allocates nothing") {
  on_kernel(changes_size);
}

TEST_CASE("a pinned page outlives its memfd") { on_kernel(pins); }

TEST_CASE("seals forbid growth, shrinking, writing and further seals") { on_kernel(seals_forbid); }

TEST_CASE("names have a limit, and SEAL_EXEC implies the others") { on_kernel(refuses_names); }
