// memfds with huge pages, and how much a large guest costs [linux mm/shmem.c, mm/memfd_luo.c].
#include <unistd.h>

#include <fstream>

#include "model/luo/memfd/memfd.h"
#include "model/luo/memfd/memfd_abi.h"
#include "tests/support/two_kernels.h"

namespace {

using namespace baton;
using namespace baton::luo;
using linux::Errno;
using linux::Result;
using test::LuoKernel;

constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;
constexpr std::uint64_t kHuge = 2 * kMiB;

std::string line(std::string_view huge) {
  return fmt::format("{} transparent_hugepage_shmem={}", test::kCommandLine, huge);
}

struct Notes {
  std::uint64_t record = 0;
  std::uint64_t folios = 0;
  std::uint64_t bytes = 0;
  std::vector<PhysAddr> pages;  // where some pages of the file were
  std::uint64_t allocated = 0;  // blocks that both kernels took
  std::uint64_t resident = 0;
};

std::uint64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t total = 0;
  std::uint64_t resident = 0;
  statm >> total >> resident;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

struct Booted {
  explicit Booted(LuoKernel& kernel) : memfds(kernel.services, kernel.kho, kernel.luo) {
    memfds.init(kernel.handoff.command_line);
  }
  Memfd& make(std::uint32_t flags = kMfdCloexec | kMfdAllowSealing) {
    return *memfds.from_file(**memfds.create("guest", flags));
  }
  MemfdSubsystem memfds;
};

PhysAddr page_of(Memfd& memfd, std::uint64_t offset) {
  const Result<linux::MappedPage> page = memfd.fault(offset, true);
  REQUIRE(page.has_value());
  return page->address;
}

// Runs one body on a kernel with this setting; it ends or the test fails.
void on_kernel(std::string_view huge, Co<> (*body)(LuoKernel&), std::uint64_t memory = 256 * kMiB) {
  test::WorldConfig config;
  config.memory = memory;
  config.command_lines = {line(huge)};
  test::TwoKernels<LuoKernel> world({[body](LuoKernel& kernel) { return body(kernel); }}, config);
  world.run();
  CHECK(world.panic().empty());
  CHECK(world.completed(0));
}

Co<> first_kernel(LuoKernel& kernel, Notes& notes) {
  Booted booted(kernel);
  Memfd& memfd = booted.make();
  const auto sized = co_await memfd.truncate(notes.bytes);
  CHECK(sized.has_value());
  for (std::uint64_t offset = 0; offset < notes.bytes; offset += notes.bytes / 4) {
    kernel.port.ram().store(page_of(memfd, offset), offset + 1);
  }
  FileArgs args;
  args.file = &memfd;
  const auto preserved = co_await booted.memfds.preserve(args);
  REQUIRE(preserved.has_value());
  notes.record = args.serialized_data;
  notes.folios = memfd.folios();
  for (std::uint64_t offset = 0; offset < notes.bytes; offset += notes.bytes / 4) {
    notes.pages.push_back(page_of(memfd, offset));
  }
  co_await kernel.jump();
}

Co<> second_kernel(LuoKernel& kernel, Notes& notes) {
  Booted booted(kernel);
  FileArgs args;
  args.serialized_data = notes.record;
  const auto file = co_await booted.memfds.retrieve(args);
  REQUIRE(file.has_value());
  Memfd& memfd = *booted.memfds.from_file(**file);
  CHECK(memfd.size() == notes.bytes);
  CHECK(memfd.folios() == notes.folios);
  std::size_t n = 0;
  for (std::uint64_t offset = 0; offset < notes.bytes; offset += notes.bytes / 4) {
    const PhysAddr page = page_of(memfd, offset);
    CHECK(page == notes.pages.at(n++));
    CHECK(kernel.port.ram().load<std::uint64_t>(page) == offset + 1);
  }
  notes.resident = resident_bytes();
  const std::uint64_t before = kernel.services.pages().free_pages();
  co_await memfd.release();
  CHECK(kernel.services.pages().free_pages() >= before + notes.bytes / sim::kPageSize);
}

// A guest of this size over a kexec.
Notes carry(std::uint64_t bytes, std::string_view huge) {
  Notes notes;
  notes.bytes = bytes;
  const std::uint64_t before = resident_bytes();
  test::WorldConfig config;
  config.memory = (bytes + bytes / 32 + 512 * kMiB) / (4 * kMiB) * (4 * kMiB);
  config.command_lines = {line(huge)};
  test::TwoKernels<LuoKernel> world({[&](LuoKernel& k) { return first_kernel(k, notes); },
                                     [&](LuoKernel& k) { return second_kernel(k, notes); }},
                                    config);
  world.simulation().topic<linux::PagesAllocated>().subscribe(
      [&](const linux::PagesAllocated&) { ++notes.allocated; });
  world.run();
  CHECK(world.panic().empty());
  CHECK(world.completed(1));
  notes.resident = notes.resident > before ? notes.resident - before : 0;
  return notes;
}

Co<> mixes(LuoKernel& kernel) {
  Booted booted(kernel);
  Memfd& memfd = booted.make();
  const auto sized = co_await memfd.truncate(2 * kHuge + 3 * 4096);
  CHECK(sized.has_value());
  // Two huge pages inside the file, single ones behind them.
  const PhysAddr middle = page_of(memfd, kHuge + 5 * 4096);
  CHECK(middle.value() % kHuge == 5 * 4096);
  CHECK(memfd.folios() == 1);
  CHECK(page_of(memfd, kHuge) + 5 * 4096 == middle);
  static_cast<void>(page_of(memfd, 2 * kHuge + 4096));
  CHECK(memfd.folios() == 2);
  // A page that is there keeps its place small.
  Memfd& growing = booted.make();
  const std::array<std::byte, 1> byte{};
  const auto written = co_await growing.write(kernel.process, byte);
  CHECK(written == 1U);
  const auto grown = co_await growing.truncate(kHuge);
  CHECK(grown.has_value());
  static_cast<void>(page_of(growing, kHuge - 1));
  CHECK(growing.folios() == 2);
}

Co<> reaches_behind_the_end(LuoKernel& kernel) {
  Booted booted(kernel);
  Memfd& memfd = booted.make();
  const auto sized = co_await memfd.truncate(4096);
  CHECK(sized.has_value());
  const std::uint64_t before = kernel.services.pages().free_pages();
  static_cast<void>(page_of(memfd, 0));
  CHECK(kernel.services.pages().free_pages() == before - 512);
  CHECK(memfd.fault(4096, false).error() == Errno::kFault);
}

Co<> truncates(LuoKernel& kernel) {
  Booted booted(kernel);
  auto& pages = kernel.services.pages();
  Memfd& memfd = booted.make();
  const std::uint64_t before = pages.free_pages();
  const auto sized = co_await memfd.truncate(2 * kHuge);
  CHECK(sized.has_value());
  const PhysAddr first = page_of(memfd, 0);
  kernel.port.ram().store(page_of(memfd, kHuge + 8 * 4096), std::uint64_t{7});
  const auto shrunk = co_await memfd.truncate(kHuge + 4096);
  CHECK(shrunk.has_value());
  CHECK(pages.free_pages() == before - 513);
  CHECK(memfd.folios() == 2);
  CHECK(page_of(memfd, 0) == first);
  // A folio that somebody holds cannot be split: its tail is cleared.
  const Result<PhysAddr> pinned = memfd.pin(4096);
  CHECK(pinned == first + 4096);
  kernel.port.ram().store(first + 0x5000, std::uint64_t{7});
  const auto again = co_await memfd.truncate(4096);
  CHECK(again.has_value());
  CHECK(pages.free_pages() == before - 512);
  CHECK(kernel.port.ram().load<std::uint64_t>(first + 0x5000) == 0);
  co_await memfd.release();
  CHECK(pages.is_allocated(first));
  pages.free(*pinned);  // a page inside the block drops the block
  CHECK(pages.free_pages() == before);
}

Co<> falls_back(LuoKernel& kernel) {
  Booted booted(kernel);
  auto& pages = kernel.services.pages();
  std::vector<PhysAddr> taken;
  for (unsigned order : {10U, 9U}) {
    for (auto block = pages.allocate(order, "hog"); block; block = pages.allocate(order, "hog")) {
      taken.push_back(*block);
    }
  }
  CHECK(taken.size() > 10);
  Memfd& memfd = booted.make();
  const auto sized = co_await memfd.truncate(kHuge);
  CHECK(sized.has_value());
  static_cast<void>(page_of(memfd, 0));
  CHECK(memfd.folios() == 1);
  CHECK(memfd.fault(kHuge - 4096, false).has_value());
  CHECK(memfd.folios() == 2);
}

Co<> hugetlb_is_refused(LuoKernel& kernel) {
  Booted booted(kernel);
  Memfd& memfd = booted.make(kMfdHugetlb | kMfdAllowSealing);
  CHECK_FALSE(booted.memfds.can_preserve(memfd));
  const auto odd = co_await memfd.truncate(4096);
  CHECK(odd.error() == Errno::kInval);
  const auto sized = co_await memfd.truncate(kHuge);
  CHECK(sized.has_value());
  CHECK(memfd.map(0, kHuge, true).error() == Errno::kNoMem);
  const std::array<std::byte, 1> byte{};
  const auto written = co_await memfd.write(kernel.process, byte);
  CHECK(written.error() == Errno::kInval);
  CHECK(booted.memfds.create("x", 0x100).error() == Errno::kInval);
  CHECK(booted.make(kMfdCloexec).seals() == kSealSeal);
}

}  // namespace

TEST_CASE("within_size takes huge pages where they fit into the file, single ones elsewhere") {
  on_kernel("within_size", mixes);
}

TEST_CASE("always takes huge pages that reach behind the end of the file") {
  on_kernel("always", reaches_behind_the_end);
}

TEST_CASE("truncation splits a huge page, or clears the tail of one that is pinned") {
  on_kernel("force", truncates);
}

TEST_CASE("without a free block of 2 MiB a memfd takes single pages") {
  on_kernel("always", falls_back);
}

TEST_CASE("a memfd of HugeTLB pages is not preserved") { on_kernel("never", hugetlb_is_refused); }

TEST_CASE("huge pages cross a kexec as they are, beside single ones") {
  const Notes notes = carry(64 * kMiB + 4096, "within_size");
  CHECK(notes.folios == 33);
  const Notes beyond = carry(64 * kMiB + 4096, "always");
  CHECK(beyond.folios == 33);
  const Notes single = carry(64 * kMiB + 4096, "advise");
  CHECK(single.folios == 16385);
}

TEST_CASE("1 TiB of guest memory costs a record, a key and a block for each 2 MiB of it") {
  const Notes small = carry(64 * kGiB, "within_size");
  const Notes large = carry(1024 * kGiB, "within_size");
  CHECK(small.folios == 32768);
  CHECK(large.folios == 524288);
  // Blocks: the folios, 256 records to a page of the array, a chunk for 511 of those, a tree page
  // for 64 GiB. What both kernels take besides does not grow, but for a few tables of the tree.
  const auto expected = [](const Notes& notes) {
    const std::uint64_t array = notes.folios / 256;
    return notes.folios + array + array / 511 + 1 + notes.bytes / (64 * kGiB);
  };
  const std::uint64_t more = large.allocated - small.allocated;
  const std::uint64_t told = expected(large) - expected(small);
  CHECK(more >= told);
  CHECK(more <= told + 8);
  CHECK(large.resident < 200 * kMiB);
}
