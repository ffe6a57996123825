// Nest parents, nested HWPTs, PASID attachments and what hardware says of itself [linux
// drivers/iommu/iommufd/hw_pagetable.c, device.c].
#include "tests/iommufd/nested_tables.h"

namespace {

using namespace baton;
using namespace baton::test;
using linux::Errno;
namespace uapi = linux::uapi;

WorldConfig scalable() {
  WorldConfig config = IommufdBench::config();
  config.kernels.resize(1);
  config.kernels[0].iommu_scalable = true;
  return config;
}

Co<> nests(IommufdKernel& kernel) {
  const Guest guest = co_await make_guest(kernel);
  const UserAddr at = scratch(kernel);
  const NestedTables tables = co_await make_tables(kernel, guest, at);
  iommufd::Iommufd& iommufd = kernel.iommufd_of(guest.iommufd);
  std::uint32_t pt = tables.nested;
  CHECK(iommufd.attach(guest.device, pt).has_value());
  CHECK(pt == tables.nested);
  // Held from above.
  AWAIT_EQUAL(destroy(kernel, guest.iommufd, tables.nested), error(Errno::kBusy));
  AWAIT_EQUAL(destroy(kernel, guest.iommufd, tables.parent), error(Errno::kBusy));
  AWAIT_EQUAL(destroy(kernel, guest.iommufd, guest.ioas), error(Errno::kBusy));
  AWAIT_EQUAL(mark(kernel, guest.iommufd, tables.nested, 5), error(Errno::kInval));
  // Two entries are done before the third is refused.
  const std::array<uapi::iommu_hwpt_vtd_s1_invalidate, 3> entries{
      {{.addr = 0x7000, .npages = 1}, {.npages = UINT64_MAX}, {.addr = 0x7010, .npages = 1}}};
  put(kernel, at, entries);
  uapi::iommu_hwpt_invalidate invalidate;
  invalidate.hwpt_id = tables.nested;
  invalidate.data_uptr = at.value();
  invalidate.entry_len = sizeof(entries[0]);
  invalidate.entry_num = entries.size();
  AWAIT_EQUAL(request(kernel, guest.iommufd, uapi::kIommuHwptInvalidate, invalidate),
              error(Errno::kInval));
  CHECK(invalidate.entry_num == 2);
  invalidate.entry_num = 2;
  AWAIT_EQUAL(request(kernel, guest.iommufd, uapi::kIommuHwptInvalidate, invalidate), 0);
  invalidate.data_type = 1;
  AWAIT_EQUAL(request(kernel, guest.iommufd, uapi::kIommuHwptInvalidate, invalidate),
              error(Errno::kInval));
  // All of it goes with the descriptor.
  iommufd.unbind(guest.device);
  AWAIT_EQUAL(destroy(kernel, guest.iommufd, tables.nested), 0);
  AWAIT_EQUAL(destroy(kernel, guest.iommufd, tables.parent), 0);
}

Co<> refuses(IommufdKernel& kernel) {
  const Guest guest = co_await make_guest(kernel);
  const UserAddr at = scratch(kernel);
  const NestedTables tables = co_await make_tables(kernel, guest, at);
  uapi::iommu_hwpt_alloc cmd;
  cmd.dev_id = guest.device;
  cmd.pt_id = tables.parent;
  cmd.data_type = uapi::kHwptDataVtdS1;
  cmd.data_uptr = at.value();
  const auto alloc = [&] { return request(kernel, guest.iommufd, uapi::kIommuHwptAlloc, cmd); };
  cmd.data_len = 16;
  AWAIT_EQUAL(alloc(), error(Errno::kInval));
  cmd.data_len = 32;
  put(kernel, at + 24, std::uint64_t{1});
  AWAIT_EQUAL(alloc(), error(Errno::kTooBig));
  put(kernel, at + 24, std::uint64_t{0});
  AWAIT_EQUAL(alloc(), 0);
  cmd.data_uptr = 0x10;
  AWAIT_EQUAL(alloc(), error(Errno::kFault));
  cmd.data_uptr = at.value();
  cmd.data_len = 24;
  cmd.data_type = 7;
  AWAIT_EQUAL(alloc(), error(Errno::kOpNotSupp));
  cmd.data_type = uapi::kHwptDataVtdS1;
  cmd.flags = uapi::kHwptAllocNestParent;
  AWAIT_EQUAL(alloc(), error(Errno::kOpNotSupp));
  cmd.flags = 0;
  for (const std::uint32_t below : {tables.nested, guest.hwpt}) {
    cmd.pt_id = below;
    AWAIT_EQUAL(alloc(), error(Errno::kInval));
  }
}

Co<> pasids(IommufdKernel& kernel) {
  const Guest guest = co_await make_guest(kernel);
  iommufd::Iommufd& iommufd = kernel.iommufd_of(guest.iommufd);
  uapi::iommu_hwpt_alloc cmd;
  cmd.dev_id = guest.device;
  cmd.pt_id = guest.ioas;
  cmd.flags = uapi::kHwptAllocPasid;
  AWAIT_EQUAL(request(kernel, guest.iommufd, uapi::kIommuHwptAlloc, cmd), 0);
  const std::uint32_t for_pasids = cmd.out_hwpt_id;
  // Neither over a HWPT that is not made for it, nor to one; an automatic one is not.
  std::uint32_t pt = for_pasids;
  CHECK(iommufd.attach(guest.device, pt, 5).error() == Errno::kInval);
  CHECK(iommufd.detach(guest.device).has_value());
  pt = guest.hwpt;
  CHECK(iommufd.attach(guest.device, pt, 5).error() == Errno::kInval);
  pt = guest.ioas;
  CHECK(iommufd.attach(guest.device, pt, 5).error() == Errno::kInval);
  pt = for_pasids;
  CHECK(iommufd.attach(guest.device, pt, 5).has_value());
  CHECK(iommufd.attach(guest.device, pt, 5).has_value());  // where it is already
  AWAIT_EQUAL(destroy(kernel, guest.iommufd, for_pasids), error(Errno::kBusy));
  // While a PASID is attached the rest of the device goes to such a HWPT too.
  pt = guest.hwpt;
  CHECK(iommufd.attach(guest.device, pt).error() == Errno::kInval);
  CHECK(iommufd.detach(guest.device, 6).has_value());  // as without
  CHECK(iommufd.detach(guest.device, 5).has_value());
  pt = for_pasids;
  CHECK(iommufd.attach(guest.device, pt, 6).has_value());
  iommufd.unbind(guest.device);
  AWAIT_EQUAL(destroy(kernel, guest.iommufd, for_pasids), 0);
}

Co<> tells(IommufdKernel& kernel) {
  const Guest guest = co_await make_guest(kernel);
  const UserAddr at = scratch(kernel);
  uapi::iommu_hw_info info;
  info.dev_id = guest.device;
  info.data_len = 32;
  info.data_uptr = at.value();
  put(kernel, at + 24, std::uint64_t{1});
  AWAIT_EQUAL(request(kernel, guest.iommufd, uapi::kIommuGetHwInfo, info), 0);
  CHECK(info.data_len == 24);
  CHECK(info.out_data_type == 1);
  std::array<std::uint64_t, 4> words{};
  CHECK(kernel.process.load(at, std::as_writable_bytes(std::span(words))).has_value());
  CHECK(words[0] == 0);
  CHECK(words[1] == kernel.iommu.hardware_info(kernel.dev).cap);
  CHECK(words[2] == kernel.iommu.hardware_info(kernel.dev).ecap);
  CHECK(words[3] == 0);  // behind the struct: zeroes
  info.flags = 2;
  AWAIT_EQUAL(request(kernel, guest.iommufd, uapi::kIommuGetHwInfo, info),
              error(Errno::kOpNotSupp));
}

void run(IommufdBody body) {
  IommufdBench bench({body}, scalable());
  bench.world.run();
  CHECK(bench.world.panic() == "");
  CHECK(bench.world.completed(0));
}

}  // namespace

TEST_CASE("a nested HWPT lies over a nest parent, and its owner invalidates what it changed") {
  run(nests);
}

TEST_CASE("a nested HWPT is refused by struct, type, flags and by what it would lie over") {
  run(refuses);
}

TEST_CASE("a PASID is attached only to HWPTs that were made for PASIDs") { run(pasids); }

TEST_CASE("user space reads what the remapping unit of its device can do") { run(tells); }
