// The requests of /dev/iommu and their errors [linux drivers/iommu/iommufd/].
#include "tests/iommufd/iommufd_fixture.h"

namespace {

using namespace baton;
using namespace baton::test;

constexpr std::uint64_t kPage = sim::kPageSize;

void run(IommufdBody function) {
  IommufdBench bench({function});
  bench.world.run();
  CHECK(bench.world.panic().empty());
  CHECK(bench.world.completed(0));
}

Co<> dispatch(IommufdKernel& kernel) {
  const int fd = kernel.open_iommufd();
  uapi::iommu_ioas_alloc cmd;
  AWAIT_EQUAL(request(kernel, fd, 0x3B82, cmd), error(Errno::kNoTty));
  AWAIT_EQUAL(request(kernel, fd, 0x3B96, cmd), error(Errno::kNoTty));
  AWAIT_EQUAL(request(kernel, fd, 0x3C81, cmd), error(Errno::kNoTty));
  cmd.size = 8;
  AWAIT_EQUAL(request(kernel, fd, uapi::kIommuIoasAlloc, cmd), error(Errno::kInval));
  cmd.size = 16;  // more than the caller has
  AWAIT_EQUAL(request(kernel, fd, uapi::kIommuIoasAlloc, cmd), error(Errno::kFault));
  std::uint16_t too_short = 0;
  AWAIT_EQUAL(request(kernel, fd, uapi::kIommuIoasAlloc, too_short), error(Errno::kFault));
  std::array<std::uint32_t, 4> longer{16, 0, 0, 0};
  AWAIT_EQUAL(request(kernel, fd, uapi::kIommuIoasAlloc, longer), 0);
  CHECK(longer[2] == 1);
  longer[3] = 1;
  AWAIT_EQUAL(request(kernel, fd, uapi::kIommuIoasAlloc, longer), error(Errno::kTooBig));
}

Co<> objects(IommufdKernel& kernel) {
  const int fd = kernel.open_iommufd();
  iommufd::Iommufd& iommufd = kernel.iommufd_of(fd);
  uapi::iommu_ioas_alloc flags;
  flags.flags = 1;
  AWAIT_EQUAL(request(kernel, fd, uapi::kIommuIoasAlloc, flags), error(Errno::kOpNotSupp));
  const std::uint32_t first = co_await alloc_ioas(kernel, fd);
  const std::uint32_t second = co_await alloc_ioas(kernel, fd);
  CHECK(first == 1);
  CHECK(second == 2);
  AWAIT_EQUAL(destroy(kernel, fd, 9), error(Errno::kNoEnt));
  AWAIT_EQUAL(destroy(kernel, fd, first), 0);
  AWAIT_EQUAL(destroy(kernel, fd, first), error(Errno::kNoEnt));

  const std::uint32_t device = iommufd.bind(kernel.dev).value();
  CHECK(device == first);  // the lowest free id
  AWAIT_EQUAL(destroy(kernel, fd, device), error(Errno::kBusy));
  const int rival = kernel.open_iommufd();
  CHECK(kernel.iommufd_of(rival).bind(kernel.dev).error() == Errno::kPerm);

  uapi::iommu_hwpt_alloc cmd;
  cmd.dev_id = 77;
  cmd.pt_id = second;
  AWAIT_EQUAL(request(kernel, fd, uapi::kIommuHwptAlloc, cmd), error(Errno::kNoEnt));
  cmd.dev_id = device;
  cmd.pt_id = 77;
  AWAIT_EQUAL(request(kernel, fd, uapi::kIommuHwptAlloc, cmd), error(Errno::kInval));
  cmd.pt_id = second;
  cmd.data_len = 4;
  AWAIT_EQUAL(request(kernel, fd, uapi::kIommuHwptAlloc, cmd), error(Errno::kInval));
  cmd.data_len = 0;
  cmd.reserved = 1;
  AWAIT_EQUAL(request(kernel, fd, uapi::kIommuHwptAlloc, cmd), error(Errno::kOpNotSupp));
  cmd.reserved = 0;
  cmd.flags = uapi::kHwptAllocNestParent;
  AWAIT_EQUAL(request(kernel, fd, uapi::kIommuHwptAlloc, cmd), error(Errno::kOpNotSupp));
  cmd.flags = 0;
  AWAIT_EQUAL(request(kernel, fd, uapi::kIommuHwptAlloc, cmd), 0);
  AWAIT_EQUAL(destroy(kernel, fd, second), error(Errno::kBusy));  // a HWPT mirrors it
  std::uint32_t pt = cmd.out_hwpt_id;
  CHECK(iommufd.attach(device, pt).has_value());
  AWAIT_EQUAL(destroy(kernel, fd, cmd.out_hwpt_id), error(Errno::kBusy));
  CHECK(iommufd.detach(device).has_value());
  AWAIT_EQUAL(destroy(kernel, fd, cmd.out_hwpt_id), 0);
  iommufd.unbind(device);
  CHECK(kernel.iommufd_of(rival).bind(kernel.dev).has_value());
  kernel.iommufd_of(rival).unbind(1);
  AWAIT_OK(kernel.process.close(fd));
  AWAIT_OK(kernel.process.close(rival));
}

Co<> attachment(IommufdKernel& kernel) {
  const int fd = kernel.open_iommufd();
  iommufd::Iommufd& iommufd = kernel.iommufd_of(fd);
  const std::uint32_t device = iommufd.bind(kernel.dev).value();
  const std::uint32_t other = iommufd.bind(kernel.other).value();
  const std::uint32_t ioas = co_await alloc_ioas(kernel, fd);
  std::uint32_t pt = 99;
  CHECK(iommufd.attach(device, pt).error() == Errno::kNoEnt);
  pt = other;
  CHECK(iommufd.attach(device, pt).error() == Errno::kInval);
  pt = ioas;
  CHECK(iommufd.attach(99, pt).error() == Errno::kNoEnt);
  CHECK(iommufd.attach(device, pt).has_value());
  const std::uint32_t automatic = pt;
  CHECK(iommufd.attached_hwpt(device) == automatic);
  pt = ioas;
  CHECK(iommufd.attach(other, pt).has_value());
  CHECK(pt == automatic);  // both share it
  // Replacing leaves the automatic HWPT to the other device; when that goes, so does it.
  const std::uint32_t hwpt = co_await alloc_hwpt(kernel, fd, device, ioas);
  pt = hwpt;
  CHECK(iommufd.attach(device, pt).has_value());
  CHECK(iommufd.detach(other).has_value());
  AWAIT_EQUAL(destroy(kernel, fd, automatic), error(Errno::kNoEnt));
  AWAIT_EQUAL(mark(kernel, fd, ioas, 1), error(Errno::kInval));
  AWAIT_EQUAL(mark(kernel, fd, 99, 1), error(Errno::kNoEnt));
  AWAIT_EQUAL(mark(kernel, fd, hwpt, 1), 0);
  AWAIT_EQUAL(mark(kernel, fd, hwpt, 1), error(Errno::kAddrInUse));
  iommufd.unbind(device);
  iommufd.unbind(other);
}

Co<> map_errors(IommufdKernel& kernel) {
  const int fd = kernel.open_iommufd();
  const int memfd = co_await make_memfd(kernel);
  const std::uint32_t ioas = co_await alloc_ioas(kernel, fd);
  constexpr std::uint32_t kMapFile = uapi::kIommuIoasMapFile;
  auto cmd = map_file_cmd(ioas, memfd, 0);
  const auto with = [&](auto change) {
    cmd = map_file_cmd(ioas, memfd, kGuestIova);
    change(cmd);
  };
  with([](auto& c) { c.flags |= 8; });
  AWAIT_EQUAL(request(kernel, fd, kMapFile, cmd), error(Errno::kOpNotSupp));
  with([](auto& c) { c.flags = uapi::kIoasMapFixedIova; });
  AWAIT_EQUAL(request(kernel, fd, kMapFile, cmd), error(Errno::kInval));
  with([](auto& c) { c.iova = UINT64_MAX; });
  AWAIT_EQUAL(request(kernel, fd, kMapFile, cmd), error(Errno::kOverflow));
  with([](auto& c) { c.ioas_id = 99; });
  AWAIT_EQUAL(request(kernel, fd, kMapFile, cmd), error(Errno::kNoEnt));
  with([](auto& c) { c.fd = 99; });
  AWAIT_EQUAL(request(kernel, fd, kMapFile, cmd), error(Errno::kBadF));
  with([fd](auto& c) { c.fd = fd; });
  AWAIT_EQUAL(request(kernel, fd, kMapFile, cmd), error(Errno::kInval));
  with([](auto& c) { c.length = 100; });
  AWAIT_EQUAL(request(kernel, fd, kMapFile, cmd), error(Errno::kInval));
  with([](auto& c) { c.start = 1; });
  AWAIT_EQUAL(request(kernel, fd, kMapFile, cmd), error(Errno::kInval));
  with([](auto& c) { c.iova = 0xFFFF'FFFF'FFFF'F000; });
  AWAIT_EQUAL(request(kernel, fd, kMapFile, cmd), error(Errno::kOverflow));
  with([](auto& c) { c.start = kPage; });  // beyond the end of the file
  AWAIT_EQUAL(request(kernel, fd, kMapFile, cmd), error(Errno::kInval));
  with([](auto&) {});
  AWAIT_EQUAL(request(kernel, fd, kMapFile, cmd), 0);
  AWAIT_EQUAL(request(kernel, fd, kMapFile, cmd), error(Errno::kExist));

  AWAIT_EQUAL(unmap(kernel, fd, 99, 0, kPage), error(Errno::kNoEnt));
  AWAIT_EQUAL(unmap(kernel, fd, ioas, 0, 0), error(Errno::kInval));
  AWAIT_EQUAL(unmap(kernel, fd, ioas, kPage, UINT64_MAX - 1), error(Errno::kOverflow));
  AWAIT_EQUAL(unmap(kernel, fd, ioas, 0, kPage), error(Errno::kNoEnt));
  AWAIT_EQUAL(unmap(kernel, fd, ioas, kGuestIova, kPage), error(Errno::kNoEnt));
  AWAIT_EQUAL(unmap(kernel, fd, ioas, kGuestIova + kPage, kGuestBytes), error(Errno::kNoEnt));
  AWAIT_EQUAL(unmap(kernel, fd, ioas, kGuestIova - kPage, kGuestBytes + kPage), 0);
  AWAIT_EQUAL(unmap(kernel, fd, ioas, 0, UINT64_MAX), 0);  // all of nothing
}

Co<> user_memory(IommufdKernel& kernel) {
  const std::uint64_t free_pages = kernel.services.pages().free_pages();
  const int fd = kernel.open_iommufd();
  const std::uint32_t ioas = co_await alloc_ioas(kernel, fd);
  const UserAddr memory = *kernel.process.map_anonymous(4 * kPage);
  uapi::iommu_ioas_map cmd;
  cmd.flags = uapi::kIoasMapReadable | uapi::kIoasMapWriteable;
  cmd.ioas_id = ioas;
  cmd.user_va = memory.value();
  cmd.length = 4 * kPage;
  AWAIT_EQUAL(request(kernel, fd, uapi::kIommuIoasMap, cmd), 0);
  CHECK(cmd.iova == 4 * kPage);  // the kernel's choice: lowest, aligned to the length
  AWAIT_EQUAL(request(kernel, fd, uapi::kIommuIoasMap, cmd), 0);
  CHECK(cmd.iova == 8 * kPage);
  cmd.user_va = 0x1000;
  AWAIT_EQUAL(request(kernel, fd, uapi::kIommuIoasMap, cmd), error(Errno::kFault));
  cmd.reserved = 1;
  AWAIT_EQUAL(request(kernel, fd, uapi::kIommuIoasMap, cmd), error(Errno::kOpNotSupp));
  // Pinned pages outlive the process's mapping.
  AWAIT_OK(kernel.process.unmap(memory, 4 * kPage));
  CHECK(kernel.services.pages().free_pages() < free_pages);
  AWAIT_OK(kernel.process.close(fd));
  CHECK(kernel.services.pages().free_pages() == free_pages);
}

Co<> ranges(IommufdKernel& kernel) {
  const int fd = kernel.open_iommufd();
  iommufd::Iommufd& iommufd = kernel.iommufd_of(fd);
  const std::uint32_t ioas = co_await alloc_ioas(kernel, fd);
  const UserAddr array = *kernel.process.map_anonymous(kPage);
  uapi::iommu_ioas_iova_ranges cmd;
  cmd.ioas_id = ioas;
  cmd.num_iovas = 0;
  AWAIT_EQUAL(request(kernel, fd, uapi::kIommuIoasIovaRanges, cmd), error(Errno::kMsgSize));
  CHECK(cmd.num_iovas == 1);
  const std::uint32_t device = iommufd.bind(kernel.dev).value();
  std::uint32_t pt = ioas;
  CHECK(iommufd.attach(device, pt).has_value());
  cmd.num_iovas = 8;
  cmd.allowed_iovas = array.value();
  AWAIT_EQUAL(request(kernel, fd, uapi::kIommuIoasIovaRanges, cmd), 0);
  CHECK(cmd.num_iovas == 2);  // around the interrupt messages, up to what the unit can address
  std::array<uapi::iommu_iova_range, 2> found{};
  CHECK(kernel.process.load(array, std::as_writable_bytes(std::span(found))).has_value());
  CHECK(found[0].start == 0);
  CHECK(found[0].last == 0xFEDF'FFFF);
  CHECK(found[1].start == 0xFEF0'0000);
  CHECK(found[1].last < UINT64_MAX);
  const int memfd = co_await make_memfd(kernel);
  auto map = map_file_cmd(ioas, memfd, 0xFEE0'0000);
  AWAIT_EQUAL(request(kernel, fd, uapi::kIommuIoasMapFile, map), error(Errno::kInval));
  cmd.allowed_iovas = 8;
  AWAIT_EQUAL(request(kernel, fd, uapi::kIommuIoasIovaRanges, cmd), error(Errno::kFault));
  // An area where messages go keeps the device out.
  const std::uint32_t second = co_await alloc_ioas(kernel, fd);
  map.ioas_id = second;
  AWAIT_EQUAL(request(kernel, fd, uapi::kIommuIoasMapFile, map), 0);
  pt = second;
  CHECK(iommufd.attach(device, pt).error() == Errno::kAddrInUse);
  CHECK(iommufd.attached_hwpt(device).has_value());
  iommufd.unbind(device);
}

Co<> dma(IommufdKernel& kernel) {
  const Guest guest = co_await make_guest(kernel);
  const PhysAddr page =
      kernel.memfd.from_file(**kernel.process.file(guest.memfd))->pin(0x5000).value();
  kernel.services.pages().free(page);
  kernel.port.ram().store(page, std::uint64_t{0xC0FFEE});
  co_return;
}

}  // namespace

TEST_CASE("Requests are checked in order: number, size, tail") { run(dispatch); }
TEST_CASE("Objects have the lowest free id and stay while something uses them") { run(objects); }
TEST_CASE("Attaching takes a HWPT or an IOAS, and replaces") { run(attachment); }
TEST_CASE("Mapping and unmapping refuse what the kernel refuses") { run(map_errors); }
TEST_CASE("Memory of a process is pinned page by page until it is unmapped") { run(user_memory); }
TEST_CASE("The usable ranges leave out interrupt messages and what the unit cannot address") {
  run(ranges);
}

TEST_CASE("What is mapped is what the unit's tables say and a DMA reaches") {
  IommufdBench bench({dma});
  bench.world.run();
  REQUIRE(bench.world.completed(0));
  REQUIRE(bench.translate(kGuestIova + 0x5000).has_value());
  const auto page = *bench.translate(kGuestIova + 0x5000);
  CHECK(bench.world.machine().memory().load<std::uint64_t>(page) == 0xC0FFEE);
  CHECK_FALSE(bench.translate(kGuestIova + kGuestBytes).has_value());
  CHECK_FALSE(bench.translate(kGuestIova - kPage).has_value());
}
