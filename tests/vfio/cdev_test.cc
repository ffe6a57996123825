// The calls on a device's character device [linux drivers/vfio/].
#include "tests/vfio/vfio_fixture.h"

namespace {

using namespace baton;
using namespace baton::test;

constexpr std::uint32_t kConfig = uapi::kVfioPciConfigRegionIndex;

void run_one(VfioBody body, bool disable_denylist = true) {
  VfioWorld world({body}, {}, disable_denylist);
  world.run();
  CHECK(world.completed(0));
}

Co<> denylist(VfioKernel& kernel, VfioNotes&) {
  AWAIT_ERROR(kernel.bind_driver(), Errno::kInval);
  CHECK(!kernel.vfio.cdev_of(kDsa));
  CHECK(kernel.vfio.open_cdev(0).error() == Errno::kNoEnt);
}

Co<> before_bind(VfioKernel& kernel, VfioNotes& notes) {
  CHECK(!kernel.vfio.matches(kernel.dsa()));  // without an override
  AWAIT_OK(kernel.bind_driver());
  Owner owner;
  owner.cdev = open_cdev(kernel);
  owner.iommufd = open_iommufd(kernel);
  CHECK((*kernel.process.file(owner.cdev))->name() == "/dev/vfio/devices/vfio0");
  notes.watching = true;
  uapi::VfioDeviceInfo info;
  AWAIT_EQUAL(request(kernel, owner.cdev, uapi::kVfioDeviceGetInfo, info), error(Errno::kInval));
  std::uint32_t id = 0;
  AWAIT_ERROR(read_region(kernel, owner.cdev, kConfig, 0, id), Errno::kInval);
  AWAIT_ERROR(write_region(kernel, owner.cdev, kConfig, 4, std::uint16_t{6}), Errno::kInval);
  CHECK(kernel.process.map_file(**kernel.process.file(owner.cdev), 0, 4096, true).error() ==
        Errno::kInval);

  uapi::VfioDeviceBindIommufd bad;
  bad.iommufd = -1;
  AWAIT_EQUAL(request(kernel, owner.cdev, uapi::kVfioDeviceBindIommufd, bad), error(Errno::kInval));
  bad.iommufd = 900;
  AWAIT_EQUAL(request(kernel, owner.cdev, uapi::kVfioDeviceBindIommufd, bad), error(Errno::kBadF));
  bad.iommufd = owner.cdev;
  AWAIT_EQUAL(request(kernel, owner.cdev, uapi::kVfioDeviceBindIommufd, bad), error(Errno::kBadFd));
  bad.iommufd = owner.iommufd;
  bad.flags = 2;
  AWAIT_EQUAL(request(kernel, owner.cdev, uapi::kVfioDeviceBindIommufd, bad), error(Errno::kInval));
  bad.flags = 0;
  bad.argsz = 15;
  AWAIT_EQUAL(request(kernel, owner.cdev, uapi::kVfioDeviceBindIommufd, bad), error(Errno::kInval));
  CHECK(notes.writes.empty());  // none of this reached the device

  AWAIT_EQUAL(bind(kernel, owner), 0);
  AWAIT_EQUAL(bind(kernel, owner), error(Errno::kInval));
  Owner second = owner;
  second.cdev = open_cdev(kernel);
  AWAIT_EQUAL(bind(kernel, second), error(Errno::kInval));
  AWAIT_EQUAL(request(kernel, owner.cdev, 0x3B75, info), error(Errno::kNoTty));
}

struct DmaBufFeature {
  uapi::VfioDeviceFeature header;
  uapi::VfioDeviceFeatureDmaBuf request;
  uapi::VfioRegionDmaRange range;
};

constexpr std::uint32_t kGetDmaBuf = uapi::kVfioDeviceFeatureGet | uapi::kVfioDeviceFeatureDmaBuf;

DmaBufFeature dma_buf_of_portals() {
  DmaBufFeature feature;
  feature.header.argsz = sizeof(feature);
  feature.header.flags = kGetDmaBuf;
  feature.request.region_index = 2;
  feature.request.nr_ranges = 1;
  feature.range.length = 2 * 4096;
  return feature;
}

Co<> dma_buf_refusals(VfioKernel& kernel, VfioNotes&) {
  std::vector<linux::EventFd*> fds;
  const Owner owner = co_await own_device(kernel, fds);
  struct Case {
    Errno errno_;
    void (*change)(DmaBufFeature&);
  };
  const std::array cases{
      Case{Errno::kInval, [](DmaBufFeature& f) { f.header.argsz = 7; }},
      Case{Errno::kInval, [](DmaBufFeature& f) { f.header.flags |= 1U << 20; }},
      Case{Errno::kInval, [](DmaBufFeature& f) { f.header.flags |= uapi::kVfioDeviceFeatureSet; }},
      Case{Errno::kInval, [](DmaBufFeature& f) { f.header.flags = 11; }},
      Case{Errno::kNoTty, [](DmaBufFeature& f) { f.header.flags = kGetDmaBuf + 1; }},
      Case{Errno::kInval, [](DmaBufFeature& f) { f.header.argsz = 20; }},
      Case{Errno::kInval, [](DmaBufFeature& f) { f.header.argsz = 39; }},
      Case{Errno::kInval, [](DmaBufFeature& f) { f.request.flags = 1; }},
      Case{Errno::kInval, [](DmaBufFeature& f) { f.request.open_flags = 4; }},
      Case{Errno::kInval, [](DmaBufFeature& f) { f.request.nr_ranges = 0; }},
      Case{Errno::kOpNotSupp, [](DmaBufFeature& f) { f.request.nr_ranges = 2; }},
      Case{Errno::kNoDev, [](DmaBufFeature& f) { f.request.region_index = 7; }},
      Case{Errno::kInval, [](DmaBufFeature& f) { f.request.region_index = 1; }},
      Case{Errno::kInval, [](DmaBufFeature& f) { f.range.length = 0; }},
      Case{Errno::kInval, [](DmaBufFeature& f) { f.range.length = 100; }},
      Case{Errno::kInval, [](DmaBufFeature& f) { f.range.offset = std::uint64_t{1} << 40; }},
  };
  for (const Case& one : cases) {
    DmaBufFeature feature = dma_buf_of_portals();
    one.change(feature);
    AWAIT_EQUAL(request(kernel, owner.cdev, uapi::kVfioDeviceFeature, feature), error(one.errno_));
  }
  DmaBufFeature probe = dma_buf_of_portals();
  probe.header.flags |= uapi::kVfioDeviceFeatureProbe;
  AWAIT_EQUAL(request(kernel, owner.cdev, uapi::kVfioDeviceFeature, probe), 0);
}

Co<> dma_buf_mapping(VfioKernel& kernel, VfioNotes& notes) {
  std::vector<linux::EventFd*> fds;
  const Owner owner = co_await own_device(kernel, fds);
  DmaBufFeature feature = dma_buf_of_portals();
  feature.range.offset = 4096;
  const auto descriptor = co_await call(kernel, owner.cdev, uapi::kVfioDeviceFeature, feature);
  CHECK(descriptor.has_value());
  if (!descriptor) co_return;
  CHECK((*kernel.process.file(static_cast<int>(*descriptor)))->name() == "/dmabuf:");
  uapi::iommu_ioas_map_file map;
  map.flags = uapi::kIoasMapFixedIova | uapi::kIoasMapReadable | uapi::kIoasMapWriteable;
  map.ioas_id = owner.ioas;
  map.fd = static_cast<std::int32_t>(*descriptor);
  map.iova = std::uint64_t{1} << 40;
  map.length = 3 * 4096;  // more than the buffer has
  AWAIT_EQUAL(request(kernel, owner.iommufd, uapi::kIommuIoasMapFile, map), error(Errno::kInval));
  map.length = 2 * 4096;
  AWAIT_EQUAL(request(kernel, owner.iommufd, uapi::kIommuIoasMapFile, map), 0);
  const auto walk =
      notes.machine->iommus()[0]->inspect(notes.dsa().requester_id(), Iova(map.iova + 4096));
  CHECK(walk.mapped);
  CHECK(walk.address == PhysAddr(notes.dsa().config().bar_address(2)) + 2 * 4096);
  uapi::iommu_ioas_unmap unmap;
  unmap.ioas_id = owner.ioas;
  unmap.iova = map.iova;
  unmap.length = map.length;
  AWAIT_EQUAL(request(kernel, owner.iommufd, uapi::kIommuIoasUnmap, unmap), 0);
  CHECK_FALSE(
      notes.machine->iommus()[0]->inspect(notes.dsa().requester_id(), Iova(map.iova)).mapped);
}

Co<> dma_buf_after_close(VfioKernel& kernel, VfioNotes&) {
  std::vector<linux::EventFd*> fds;
  const Owner owner = co_await own_device(kernel, fds);
  DmaBufFeature feature = dma_buf_of_portals();
  const auto descriptor = co_await call(kernel, owner.cdev, uapi::kVfioDeviceFeature, feature);
  // A second one is closed before the device is: nobody tells it anything.
  const auto other = co_await call(kernel, owner.cdev, uapi::kVfioDeviceFeature, feature);
  CHECK(descriptor.has_value());
  CHECK(other.has_value());
  if (!descriptor || !other) co_return;
  AWAIT_OK(kernel.process.close(static_cast<int>(*other)));
  uapi::iommu_ioas_map_file map;
  map.flags = uapi::kIoasMapFixedIova | uapi::kIoasMapReadable | uapi::kIoasMapWriteable;
  map.ioas_id = owner.ioas;
  map.fd = static_cast<std::int32_t>(*descriptor);
  map.iova = std::uint64_t{1} << 40;
  map.length = 2 * 4096;
  AWAIT_EQUAL(request(kernel, owner.iommufd, uapi::kIommuIoasMapFile, map), 0);
  AWAIT_OK(kernel.process.close(owner.cdev));
  // The area is there, and leads nowhere; the buffer cannot be mapped again.
  AWAIT_EQUAL(request(kernel, owner.iommufd, uapi::kIommuIoasMapFile, map), error(Errno::kExist));
  uapi::iommu_ioas_unmap unmap;
  unmap.ioas_id = owner.ioas;
  unmap.iova = map.iova;
  unmap.length = map.length;
  AWAIT_EQUAL(request(kernel, owner.iommufd, uapi::kIommuIoasUnmap, unmap), 0);
  AWAIT_EQUAL(request(kernel, owner.iommufd, uapi::kIommuIoasMapFile, map), error(Errno::kNoDev));
}

Co<> information(VfioKernel& kernel, VfioNotes&) {
  std::vector<linux::EventFd*> fds;
  const Owner owner = co_await own_device(kernel, fds);
  uapi::VfioDeviceInfo info;
  AWAIT_EQUAL(request(kernel, owner.cdev, uapi::kVfioDeviceGetInfo, info), 0);
  CHECK(info.flags == (uapi::kVfioDeviceFlagsPci | uapi::kVfioDeviceFlagsReset));
  CHECK(info.num_regions == 9);
  CHECK(info.num_irqs == 5);
  info.argsz = 12;
  AWAIT_EQUAL(request(kernel, owner.cdev, uapi::kVfioDeviceGetInfo, info), error(Errno::kInval));

  struct WithCapability {
    uapi::VfioRegionInfo info;
    uapi::VfioInfoCapHeader capability;
  } region;
  AWAIT_EQUAL(request(kernel, owner.cdev, uapi::kVfioDeviceGetRegionInfo, region.info), 0);
  CHECK(region.info.argsz == 40);  // there is a capability, and no room for it
  CHECK(region.info.cap_offset == 0);
  CHECK(region.info.size == 0x10000);
  AWAIT_EQUAL(request(kernel, owner.cdev, uapi::kVfioDeviceGetRegionInfo, region), 0);
  CHECK(region.info.cap_offset == 32);
  CHECK(region.capability.id == uapi::kVfioRegionInfoCapMsixMappable);
  CHECK(region.info.flags == 15);
  region.info = {};
  region.info.index = 1;  // the upper half of BAR 0
  AWAIT_EQUAL(request(kernel, owner.cdev, uapi::kVfioDeviceGetRegionInfo, region.info), 0);
  CHECK(region.info.flags == 0);
  region.info.index = kConfig;
  AWAIT_EQUAL(request(kernel, owner.cdev, uapi::kVfioDeviceGetRegionInfo, region.info), 0);
  CHECK(region.info.flags == 3);
  CHECK(region.info.size == 4096);
  CHECK(region.info.offset == std::uint64_t{7} << 40);
  for (const std::uint32_t index : {8U, 9U, 0xFFFFFFFFU}) {
    region.info.index = index;
    AWAIT_EQUAL(request(kernel, owner.cdev, uapi::kVfioDeviceGetRegionInfo, region.info),
                error(Errno::kInval));
  }
  uapi::VfioIrqInfo irq;
  irq.index = uapi::kVfioPciMsixIrqIndex;
  AWAIT_EQUAL(request(kernel, owner.cdev, uapi::kVfioDeviceGetIrqInfo, irq), 0);
  CHECK(irq.count == 9);
  CHECK(irq.flags == (uapi::kVfioIrqInfoEventfd | uapi::kVfioIrqInfoNoresize));
  irq.index = 5;
  AWAIT_EQUAL(request(kernel, owner.cdev, uapi::kVfioDeviceGetIrqInfo, irq), error(Errno::kInval));
}

Co<> attaching(VfioKernel& kernel, VfioNotes&) {
  std::vector<linux::EventFd*> fds;
  Owner owner = co_await own_device(kernel, fds);
  uapi::VfioDeviceAttachIommufdPt attach;
  attach.pt_id = 999;
  AWAIT_EQUAL(request(kernel, owner.cdev, uapi::kVfioDeviceAttachIommufdPt, attach),
              error(Errno::kNoEnt));
  // PASID 0 is none; a request that has one has room for it.
  attach.flags = uapi::kVfioAttachPasid;
  AWAIT_EQUAL(request(kernel, owner.cdev, uapi::kVfioDeviceAttachIommufdPt, attach),
              error(Errno::kInval));
  attach.pasid = 5;
  AWAIT_EQUAL(request(kernel, owner.cdev, uapi::kVfioDeviceAttachIommufdPt, attach),
              error(Errno::kNoEnt));
  attach.argsz = 12;
  AWAIT_EQUAL(request(kernel, owner.cdev, uapi::kVfioDeviceAttachIommufdPt, attach),
              error(Errno::kInval));
  attach.argsz = sizeof(attach);
  attach.flags = 2;
  AWAIT_EQUAL(request(kernel, owner.cdev, uapi::kVfioDeviceAttachIommufdPt, attach),
              error(Errno::kInval));
  uapi::VfioDeviceDetachIommufdPt detach;
  detach.argsz = 7;
  AWAIT_EQUAL(request(kernel, owner.cdev, uapi::kVfioDeviceDetachIommufdPt, detach),
              error(Errno::kInval));
  detach.argsz = 12;
  AWAIT_EQUAL(request(kernel, owner.cdev, uapi::kVfioDeviceDetachIommufdPt, detach), 0);
}

Co<> virtual_config(VfioKernel& kernel, VfioNotes& notes) {
  std::vector<linux::EventFd*> fds;
  const Owner owner = co_await own_device(kernel, fds);
  const int cdev = owner.cdev;
  const std::uint32_t real_bar = notes.config(0x10, 4);
  std::uint32_t value = 0;
  AWAIT_OK(read_region(kernel, cdev, kConfig, 0, value));
  CHECK(value == 0x0B258086);
  notes.writes.clear();
  notes.watching = true;
  // BAR sizing happens in software.
  AWAIT_OK(write_region(kernel, cdev, kConfig, 0x10, ~std::uint32_t{0}));
  AWAIT_OK(read_region(kernel, cdev, kConfig, 0x10, value));
  CHECK((value & ~0xFU) == 0xFFFF0000);
  CHECK((value & 0xF) == (real_bar & 0xF));
  AWAIT_OK(write_region(kernel, cdev, kConfig, 0x14, ~std::uint32_t{0}));
  AWAIT_OK(read_region(kernel, cdev, kConfig, 0x14, value));
  CHECK(value == 0xFFFFFFFF);
  AWAIT_OK(write_region(kernel, cdev, kConfig, 0x24, ~std::uint32_t{0}));
  AWAIT_OK(read_region(kernel, cdev, kConfig, 0x24, value));
  CHECK(value == 0);  // there is no BAR 5
  AWAIT_OK(write_region(kernel, cdev, kConfig, 0, std::uint32_t{0}));
  AWAIT_OK(write_region(kernel, cdev, kConfig, 0x3C, std::uint8_t{7}));
  std::uint8_t line = 0;
  AWAIT_OK(read_region(kernel, cdev, kConfig, 0x3C, line));
  CHECK(line == 7);
  CHECK(notes.writes.empty());
  CHECK(notes.config(0x10, 4) == real_bar);
  // COMMAND: bus master reaches the device, INTx disable does not.
  const std::uint32_t before = notes.config(4, 2);
  AWAIT_OK(write_region(kernel, cdev, kConfig, 4, static_cast<std::uint16_t>(0x0002)));
  CHECK((notes.config(4, 2) & 4) == 0);
  CHECK((notes.config(4, 2) & 0x400) == (before & 0x400));
  AWAIT_OK(write_region(kernel, cdev, kConfig, 4, static_cast<std::uint16_t>(0x0406)));
  CHECK((notes.config(4, 2) & 4) != 0);
  std::uint16_t command = 0;
  AWAIT_OK(read_region(kernel, cdev, kConfig, 4, command));
  CHECK((command & 0x0406) == 0x0406);
  // A read across the end is cut, behind it refused.
  std::uint64_t wide = 0;
  const auto cut = co_await read_region(kernel, cdev, kConfig, 4092, wide);
  CHECK(cut == 4U);
  AWAIT_ERROR(read_region(kernel, cdev, kConfig, 4096, value), Errno::kInval);
  // The FLR bit of the PCI Express capability is a reset by the kernel.
  const unsigned resets = notes.resets;
  const std::uint64_t device_control = kernel.dsa().pcie_cap + 8U;
  AWAIT_OK(write_region(kernel, cdev, kConfig, device_control, std::uint16_t{0x8000}));
  CHECK(notes.resets == resets + 1);
}

Co<> bars(VfioKernel& kernel, VfioNotes&) {
  std::vector<linux::EventFd*> fds;
  const Owner owner = co_await own_device(kernel, fds);
  linux::File& file = **kernel.process.file(owner.cdev);
  std::uint32_t version = 0;
  AWAIT_OK(read_region(kernel, owner.cdev, 0, 0, version));
  CHECK(version == 0x100);
  const auto mapped = kernel.process.map_file(file, 0, 0x10000, true);
  CHECK(mapped.has_value());
  std::uint32_t loaded = 0;
  CHECK(kernel.process.load(*mapped, uapi::bytes_of(loaded)));
  CHECK(loaded == version);
  // The MSI-X table cannot be reached by read and write.
  std::uint32_t entry = 0;
  AWAIT_OK(read_region(kernel, owner.cdev, 0, 0x2000, entry));
  CHECK(entry == 0xFFFFFFFF);
  AWAIT_OK(write_region(kernel, owner.cdev, 0, 0x2000, std::uint32_t{0}));
  CHECK(kernel.process.load(*mapped + 0x2000, uapi::bytes_of(entry)));
  CHECK(entry != 0);
  CHECK(kernel.process.map_file(file, 0, 0x20000, true).error() == Errno::kInval);
  CHECK(kernel.process.map_file(file, std::uint64_t{7} << 40, 4096, true).error() == Errno::kInval);
  CHECK(kernel.process.map_file(file, std::uint64_t{5} << 40, 4096, true).error() == Errno::kInval);
  // Without memory decode there is nothing to access.
  AWAIT_OK(write_region(kernel, owner.cdev, kConfig, 4, std::uint16_t{0}));
  AWAIT_ERROR(read_region(kernel, owner.cdev, 0, 0, version), Errno::kIo);
  CHECK(kernel.process.load(*mapped, uapi::bytes_of(loaded)).error() == Errno::kFault);
}

struct IrqCase {
  std::uint32_t flags;
  std::uint32_t index;
  std::uint32_t start;
  std::uint32_t count;
  std::vector<std::int32_t> data;
  int expected;
};

constexpr std::uint32_t kTrigger = uapi::kVfioIrqSetActionTrigger;
constexpr std::uint32_t kEventfds = uapi::kVfioIrqSetDataEventfd | kTrigger;
constexpr std::uint32_t kNone = uapi::kVfioIrqSetDataNone | kTrigger;
constexpr std::uint32_t kMsix = uapi::kVfioPciMsixIrqIndex;

std::vector<IrqCase> refused_irq_sets(int cdev) {
  const int invalid = error(Errno::kInval);
  return {
      {kNone, 5, 0, 1, {}, invalid},
      {kNone, uapi::kVfioPciMsiIrqIndex, 0, 1, {}, invalid},
      {kNone, kMsix, 9, 0, {}, invalid},
      {kNone, kMsix, 8, 2, {}, invalid},
      {kNone, kMsix, 1, UINT32_MAX, {}, invalid},
      {kTrigger, kMsix, 0, 1, {}, invalid},
      {kNone | 0x40, kMsix, 0, 1, {}, invalid},
      {kEventfds, kMsix, 0, 2, {0}, invalid},
      {uapi::kVfioIrqSetDataNone | uapi::kVfioIrqSetActionMask,
       kMsix,
       0,
       1,
       {},
       error(Errno::kNoTty)},
      {kEventfds, kMsix, 0, 1, {900}, error(Errno::kBadF)},
      {kEventfds, kMsix, 0, 1, {cdev}, invalid},
  };
}

Co<> set_irqs(VfioKernel& kernel, int cdev, const IrqCase& request) {
  uapi::VfioIrqSet set;
  set.argsz = static_cast<std::uint32_t>(sizeof(set) + request.data.size() * 4);
  set.flags = request.flags;
  set.index = request.index;
  set.start = request.start;
  set.count = request.count;
  std::vector<std::byte> argument(set.argsz);
  std::memcpy(argument.data(), &set, sizeof(set));
  if (!request.data.empty()) {
    std::memcpy(argument.data() + sizeof(set), request.data.data(), request.data.size() * 4);
  }
  linux::File& file = **kernel.process.file(cdev);
  const auto done = co_await file.ioctl(kernel.process, uapi::kVfioDeviceSetIrqs, argument);
  CAPTURE(request.flags, request.start, request.count);
  CHECK((done ? 0 : -static_cast<int>(done.error())) == request.expected);
}

Co<> interrupts(VfioKernel& kernel, VfioNotes& notes) {
  std::vector<linux::EventFd*> fds;
  const Owner owner = co_await own_device(kernel, fds);
  CHECK(notes.dsa().signal_msix(3));
  co_await kernel.services.spend(sim::Duration::microseconds(10));
  CHECK(fds[3]->count() == 1);
  CHECK(fds[2]->count() == 0);
  const std::vector<IrqCase> refused = refused_irq_sets(owner.cdev);
  for (const IrqCase& request : refused) {
    co_await set_irqs(kernel, owner.cdev, request);
  }
  // Triggering from software.
  IrqCase request{kNone, kMsix, 4, 1, {}, 0};
  co_await set_irqs(kernel, owner.cdev, request);
  CHECK(fds[4]->count() == 1);
  // Down, twice: the second time nothing is configured.
  request.start = 0;
  request.count = 0;
  co_await set_irqs(kernel, owner.cdev, request);
  CHECK((notes.config(static_cast<std::uint16_t>(kernel.dsa().msix_cap + 2), 2) & 0x8000) == 0);
  request.expected = error(Errno::kInval);
  co_await set_irqs(kernel, owner.cdev, request);
  CHECK(!notes.dsa().signal_msix(3));
}

Co<> last_close(VfioKernel& kernel, VfioNotes& notes) {
  const std::uint32_t header_before = notes.config(0x10, 4);
  std::vector<linux::EventFd*> fds;
  const Owner owner = co_await own_device(kernel, fds);
  CHECK(notes.resets == 1);
  CHECK((notes.config(4, 2) & 6) == 6);
  AWAIT_OK(kernel.process.close(owner.cdev));
  CHECK(notes.resets == 2);
  CHECK((notes.config(4, 2) & 4) == 0);
  CHECK(notes.config(0x10, 4) == header_before);
  CHECK(!kernel.iommu.dma_owner(kernel.dsa()));
  Owner again = owner;
  again.cdev = open_cdev(kernel);
  AWAIT_EQUAL(bind(kernel, again), 0);
  uapi::VfioDeviceInfo info;
  AWAIT_EQUAL(request(kernel, again.cdev, uapi::kVfioDeviceReset, info), 0);
  CHECK(notes.resets == 4);
}

}  // namespace

TEST_CASE("a dma-buf over a BAR is refused in the order of the kernel's checks") {
  run_one(dma_buf_refusals);
}
TEST_CASE("a dma-buf over a BAR is mapped into an IOAS at the BAR's address") {
  run_one(dma_buf_mapping);
}
TEST_CASE("the last close of a device revokes the dma-bufs over its BARs") {
  run_one(dma_buf_after_close);
}

TEST_CASE("a DSA is refused by vfio-pci unless the denylist is disabled") {
  run_one(denylist, false);
}
TEST_CASE("before BIND a cdev answers EINVAL and nothing reaches the device") {
  run_one(before_bind);
}
TEST_CASE("device, region and interrupt information") { run_one(information); }
TEST_CASE("refusals of ATTACH and DETACH") { run_one(attaching); }
TEST_CASE("configuration space is virtual where the owner must not reach the hardware") {
  run_one(virtual_config);
}
TEST_CASE("BARs can be read, written and mapped, but for the MSI-X table, while memory is on") {
  run_one(bars);
}
TEST_CASE("MSI-X vectors arrive as eventfds, and bad SET_IRQS requests are refused") {
  run_one(interrupts);
}
TEST_CASE("the last close stops DMA, resets and restores the device and drops DMA ownership") {
  run_one(last_close);
}
