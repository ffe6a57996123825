// memfds over a kexec [linux mm/memfd_luo.c, include/linux/kho/abi/memfd.h].
#include <cstring>

#include "model/linux/uapi/liveupdate.h"
#include "model/luo/memfd/memfd.h"
#include "model/luo/memfd/memfd_abi.h"
#include "tests/support/two_kernels.h"

namespace {

using namespace baton;
using namespace baton::luo;
using linux::Defect;
using linux::Errno;
using linux::Result;
using test::LuoKernel;
namespace uapi = linux::uapi;

constexpr std::uint64_t kPages = 300;  // two pages of folio records
constexpr std::uint64_t kToken = 7;

// What a test wants to know of both generations; outlives the kernels.
struct Seen {
  PhysAddr record;
  std::vector<PhysAddr> folios;
  std::uint64_t free_before = 0;
  std::uint64_t free_after = 0;
  std::uint64_t mismatches = 0;
  std::uint64_t pos = 0;
  std::uint64_t size = 0;
  std::uint32_t seals = 0;
  Errno error{};
  std::function<void(LuoKernel&, Seen&)> tamper;  // with preserved bytes, before the jump
};

struct Setup {
  explicit Setup(LuoKernel& kernel) : memfds(kernel.services, kernel.kho, kernel.luo) {
    memfds.init();
  }
  MemfdSubsystem memfds;
};

Co<Result<int>> session(LuoKernel& kernel, bool retrieve) {
  const auto device = co_await kernel.luo.open_device();
  if (!device) {
    co_return linux::fail(device.error());
  }
  uapi::LiveupdateCreateSession argument;
  argument.name = uapi::session_name("vm0");
  const std::uint32_t command =
      retrieve ? uapi::kLiveupdateIoctlRetrieveSession : uapi::kLiveupdateIoctlCreateSession;
  const auto done = co_await (*device)->ioctl(kernel.process, command, uapi::bytes_of(argument));
  co_await kernel.services.files().put(**device);
  if (!done) {
    co_return linux::fail(done.error());
  }
  co_return argument.fd;
}

Co<Result<>> preserve(LuoKernel& kernel, int session_fd, int fd) {
  uapi::LiveupdatePreserveFd argument;
  argument.fd = fd;
  argument.token = kToken;
  linux::File& file = **kernel.process.file(session_fd);
  const auto done = co_await file.ioctl(kernel.process, uapi::kLiveupdateSessionPreserveFd,
                                        uapi::bytes_of(argument));
  co_return done ? Result<>() : linux::fail(done.error());
}

Co<Result<int>> retrieve(LuoKernel& kernel, int session_fd) {
  uapi::LiveupdateRetrieveFd argument;
  argument.token = kToken;
  linux::File& file = **kernel.process.file(session_fd);
  const auto done = co_await file.ioctl(kernel.process, uapi::kLiveupdateSessionRetrieveFd,
                                        uapi::bytes_of(argument));
  if (!done) {
    co_return linux::fail(done.error());
  }
  co_return argument.fd;
}

Co<Result<>> finish(LuoKernel& kernel, int session_fd) {
  uapi::LiveupdateFinish argument;
  linux::File& file = **kernel.process.file(session_fd);
  const auto done =
      co_await file.ioctl(kernel.process, uapi::kLiveupdateSessionFinish, uapi::bytes_of(argument));
  co_return done ? Result<>() : linux::fail(done.error());
}

// A sealed memfd of kPages pages: every third one written, the others holes.
Co<> fill(LuoKernel& kernel, Memfd& memfd) {
  {
    const auto got = co_await memfd.truncate(kPages * 4096);
    CHECK(got.has_value());
  }
  for (std::uint64_t page = 0; page < kPages; page += 3) {
    const std::uint64_t value = page + 1;
    const auto bytes = std::as_bytes(std::span(&value, 1));
    {
      const auto got = co_await memfd.pwrite(kernel.process, bytes, page * 4096);
      CHECK(got == 8U);
    }
  }
  CHECK(memfd.add_seals(kSealGrow | kSealShrink).has_value());
  {
    const auto got = co_await memfd.seek(100, 0);
    CHECK(got == 100U);
  }
}

Co<> old_kernel(LuoKernel& kernel, Seen& seen) {
  Setup setup(kernel);
  Memfd& memfd = *setup.memfds.from_file(**setup.memfds.create("ram"));
  const int fd = *kernel.process.install(memfd);
  co_await fill(kernel, memfd);
  const Result<int> session_fd = co_await session(kernel, false);
  REQUIRE(session_fd.has_value());
  const Result<> preserved = co_await preserve(kernel, *session_fd, fd);
  REQUIRE(preserved.has_value());
  {
    const auto got = co_await memfd.seek(4100, 0);
    CHECK(got == 4100U);
  }  // freeze takes the last position
  for (std::uint64_t page = 0; page < kPages; ++page) {
    seen.folios.push_back(memfd.fault(page * 4096, false)->address);
  }
  if (seen.tamper) {
    seen.tamper(kernel, seen);
  }
  const Result<> refused = co_await kernel.kexec();
  FAIL("kexec returned " << linux::name(refused.error()));
}

Co<> new_kernel(LuoKernel& kernel, Seen& seen) {
  Setup setup(kernel);
  const Result<int> session_fd = co_await session(kernel, true);
  REQUIRE(session_fd.has_value());
  const Result<int> fd = co_await retrieve(kernel, *session_fd);
  if (!fd) {
    seen.error = fd.error();
    const Result<int> again = co_await retrieve(kernel, *session_fd);
    CHECK(again.error() == seen.error);
  } else {
    Memfd& memfd = *setup.memfds.from_file(**kernel.process.file(*fd));
    CHECK(memfd.name() == "/memfd: (deleted)");
    seen.size = memfd.size();
    seen.seals = memfd.seals();
    seen.pos = (co_await memfd.seek(0, 1)).value();
    for (std::uint64_t page = 0; page < kPages; ++page) {
      std::uint64_t value = 0;
      const auto bytes = std::as_writable_bytes(std::span(&value, 1));
      {
        const auto got = co_await memfd.pread(kernel.process, bytes, page * 4096);
        CHECK(got == 8U);
      }
      const bool same_page = memfd.fault(page * 4096, false)->address == seen.folios[page];
      seen.mismatches += value != (page % 3 == 0 ? page + 1 : 0) || !same_page ? 1U : 0U;
    }
  }
  const Result<> finished = co_await finish(kernel, *session_fd);
  CHECK(finished.has_value());
  seen.free_before = kernel.services.pages().free_pages();
  co_await kernel.process.exit();
  seen.free_after = kernel.services.pages().free_pages();
}

// Nobody retrieves.
Co<> careless_kernel(LuoKernel& kernel, Seen& seen) {
  Setup setup(kernel);
  const Result<int> session_fd = co_await session(kernel, true);
  REQUIRE(session_fd.has_value());
  seen.free_before = kernel.services.pages().free_pages();
  const Result<> finished = co_await finish(kernel, *session_fd);
  CHECK(finished.has_value());
  seen.free_after = kernel.services.pages().free_pages();
}

struct Run {
  explicit Run(test::WorldConfig config = {}, Co<> (*second)(LuoKernel&, Seen&) = new_kernel,
               std::function<void(LuoKernel&, Seen&)> tamper = nullptr) {
    seen.tamper = std::move(tamper);
    test::TwoKernels<LuoKernel> world(
        {[this](LuoKernel& kernel) { return old_kernel(kernel, seen); },
         [this, second](LuoKernel& kernel) { return second(kernel, seen); }},
        std::move(config));
    world.run();
    panic = world.panic();
    completed = world.completed(1);
  }

  Seen seen;
  std::string panic;
  bool completed = false;
};

test::WorldConfig with(Defect defect) {
  test::WorldConfig config;
  config.kernels.front().defects.add(defect);
  config.kernels.emplace_back();
  return config;
}

// The record of the preserved memfd: the page that begins with its position and size.
PhysAddr find_record(LuoKernel& kernel) {
  for (std::uint64_t page = 256; page < kernel.port.ram().size() / 4096; ++page) {
    const PhysAddr at(page * 4096);
    if (kernel.services.pages().is_allocated(at) &&
        kernel.port.ram().load<std::uint64_t>(at + 8) == kPages * 4096 &&
        kernel.port.ram().load<std::uint64_t>(at + 24) == kPages) {
      return at;
    }
  }
  FAIL("no record found");
  return PhysAddr();
}

PhysAddr folio_array(LuoKernel& kernel, PhysAddr record) {
  const PhysAddr chunk(kernel.port.ram().load<std::uint64_t>(record + 32));
  return PhysAddr(kernel.port.ram().load<std::uint64_t>(chunk + 8));
}

Errno error_after(const std::function<void(LuoKernel&, Seen&)>& tamper) {
  const Run run({}, new_kernel, tamper);
  CHECK(run.panic.empty());
  CHECK(run.completed);
  return run.seen.error;
}

Co<> cancelling(LuoKernel& kernel, Seen& seen) {
  Setup setup(kernel);
  Memfd& memfd = *setup.memfds.from_file(**setup.memfds.create("ram"));
  const int fd = *kernel.process.install(memfd);
  co_await fill(kernel, memfd);
  for (std::uint64_t page = 0; page < kPages; ++page) {
    CHECK(memfd.fault(page * 4096, false).has_value());
  }
  seen.free_before = kernel.services.pages().free_pages();
  const Result<int> session_fd = co_await session(kernel, false);
  REQUIRE(session_fd.has_value());
  {
    const auto got = co_await preserve(kernel, *session_fd, fd);
    CHECK(got.has_value());
  }
  {
    const auto got = co_await preserve(kernel, *session_fd, fd);
    CHECK(got.error() == Errno::kExist);
  }

  // Frozen: what is there can be written, nothing can grow or shrink.
  const std::array<std::byte, 8> bytes{};
  {
    const auto got = co_await memfd.pwrite(kernel.process, bytes, 4096);
    CHECK(got == 8U);
  }
  {
    const auto got = co_await memfd.pwrite(kernel.process, bytes, kPages * 4096);
    CHECK(got.error() == Errno::kPerm);
  }
  {
    const auto got = co_await memfd.truncate(0);
    CHECK(got.error() == Errno::kPerm);
  }
  {
    const auto got = co_await memfd.truncate(kPages * 4096 + 1);
    CHECK(got.error() == Errno::kPerm);
  }
  {
    const auto got = co_await memfd.truncate(kPages * 4096);
    CHECK(got.has_value());
  }

  {
    const auto got = co_await kernel.process.close(*session_fd);
    CHECK(got.has_value());
  }
  seen.free_after = kernel.services.pages().free_pages();
}

Co<> frozen_without_seals(LuoKernel& kernel, Seen& seen) {
  Setup setup(kernel);
  Memfd& memfd = *setup.memfds.from_file(**setup.memfds.create("ram"));
  const int fd = *kernel.process.install(memfd);
  const Result<int> session_fd = co_await session(kernel, false);
  REQUIRE(session_fd.has_value());
  {
    const auto got = co_await memfd.truncate(std::uint64_t{1} << 44);
    CHECK(got.has_value());
  }
  {
    const auto got = co_await preserve(kernel, *session_fd, fd);
    CHECK(got.error() == Errno::kFBig);
  }
  {
    const auto got = co_await memfd.truncate(std::uint64_t{1} << 32);
    CHECK(got.has_value());
  }
  {
    const auto got = co_await preserve(kernel, *session_fd, fd);
    CHECK(got.error() == Errno::kNoMem);
  }
  {
    const auto got = co_await memfd.truncate(4096);
    CHECK(got.has_value());
  }
  {
    const auto got = co_await preserve(kernel, *session_fd, fd);
    CHECK(got.has_value());
  }
  {
    const auto got = co_await memfd.truncate(8192);
    CHECK(got.error() == Errno::kPerm);
  }
  const std::array<std::byte, 8> bytes{};
  {
    const auto got = co_await memfd.pwrite(kernel.process, bytes, 4096);
    CHECK(got.error() == Errno::kPerm);
  }
  {
    const auto got = co_await kernel.process.close(*session_fd);
    CHECK(got.has_value());
  }
  {
    const auto got = co_await memfd.truncate(8192);
    CHECK(got.has_value());
  }
  seen.size = memfd.size();
}

}  // namespace

TEST_CASE("a memfd comes back with its pages in place, its size, position and seals") {
  const Run run;
  CHECK(run.panic.empty());
  REQUIRE(run.completed);
  CHECK(run.seen.mismatches == 0);
  CHECK(run.seen.size == kPages * 4096);
  CHECK(run.seen.pos == 4100);
  CHECK(run.seen.seals == (kSealGrow | kSealShrink));
  CHECK(run.seen.free_after == run.seen.free_before + kPages);
}

TEST_CASE("finishing a session without retrieving frees the memfd") {
  const Run run({}, careless_kernel);
  REQUIRE(run.completed);
  // Folios, the array's pages, the record, the chunk that lists the array.
  CHECK(run.seen.free_after >= run.seen.free_before + kPages + 2 + 1 + 1);
}

TEST_CASE("closing the session before the kexec undoes preservation without a trace") {
  Seen seen;
  test::TwoKernels<LuoKernel> world(
      {[&seen](LuoKernel& kernel) { return cancelling(kernel, seen); }});
  world.run();
  REQUIRE(world.completed(0));
  // The pages of KHO's radix tree stay.
  CHECK(seen.free_before - seen.free_after < 16);
}

TEST_CASE("a preserved memfd refuses to change its size until it is unpreserved") {
  Seen seen;
  test::TwoKernels<LuoKernel> world(
      {[&seen](LuoKernel& kernel) { return frozen_without_seals(kernel, seen); }});
  world.run();
  REQUIRE(world.completed(0));
  CHECK(seen.size == 8192);
}

TEST_CASE("a forgotten folio refuses the whole memfd") {
  const Run run(with(Defect::kMemfdSkipFolio));
  CHECK(run.panic.empty());
  CHECK(run.completed);
  CHECK(run.seen.error == Errno::kIo);
}

TEST_CASE("a forgotten folio array refuses the whole memfd") {
  const Run run(with(Defect::kMemfdSkipFolioArray));
  CHECK(run.completed);
  CHECK(run.seen.error == Errno::kInval);
}

TEST_CASE("a forgotten record is read as what overwrote it and refused") {
  const Run run(with(Defect::kMemfdSkipRecord));
  CHECK(run.completed);
  CHECK(run.seen.error != Errno{});
}

TEST_CASE("a record that lies is refused with an error, never a crash") {
  const auto in_record = [](std::uint64_t offset, std::uint64_t value) {
    return [offset, value](LuoKernel& kernel, Seen&) {
      kernel.port.ram().store(find_record(kernel) + offset, value);
    };
  };
  CHECK(error_after(in_record(16, 0x80)) == Errno::kOpNotSupp);                    // seals
  CHECK(error_after(in_record(16, std::uint64_t{1} << 32)) == Errno::kOpNotSupp);  // flags
  CHECK(error_after(in_record(8, UINT64_MAX)) == Errno::kInval);                   // size
  CHECK(error_after(in_record(8, 4096)) == Errno::kInval);                         // size
  CHECK(error_after(in_record(24, UINT64_MAX)) == Errno::kInval);                  // nr_folios
  CHECK(error_after(in_record(24, 1000)) == Errno::kInval);                        // nr_folios
  CHECK(error_after(in_record(32, 0x123)) == Errno::kInval);                       // chunk
  CHECK(error_after(in_record(40, UINT64_MAX)) == Errno::kInval);                  // pages
}

TEST_CASE("folio records that lie are refused with an error, never a crash") {
  const auto in_array = [](std::uint64_t offset, std::uint64_t value) {
    return [offset, value](LuoKernel& kernel, Seen&) {
      kernel.port.ram().store(folio_array(kernel, find_record(kernel)) + offset, value);
    };
  };
  CHECK(error_after(in_array(0, abi::kFolioPfnMask)) == Errno::kIo);  // outside of RAM
  CHECK(error_after(in_array(16, 0x100)) == Errno::kIo);              // not preserved
  CHECK(error_after(in_array(24, 0)) == Errno::kExist);               // index used twice
  CHECK(error_after(in_array(24, UINT64_MAX)) == Errno::kInval);      // index outside
  CHECK(error_after(in_array(24, kPages)) == Errno::kInval);
}

TEST_CASE("an empty slot of the folio array is a hole") {
  const Run run({}, new_kernel, [](LuoKernel& kernel, Seen&) {
    kernel.port.ram().store(folio_array(kernel, find_record(kernel)), std::uint64_t{0});
  });
  REQUIRE(run.completed);
  CHECK(run.seen.mismatches == 1);
}
