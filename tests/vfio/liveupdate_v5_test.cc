// VFIO v5 as posted: what freeze does to the device, what is left of its descriptor, and what the
// next kernel makes of it; with and without phase 1 of the IOMMU series.
#include "tests/vfio/vfio_fixture.h"

namespace {

using namespace baton;
using namespace baton::test;

constexpr std::uint32_t kConfig = uapi::kVfioPciConfigRegionIndex;
constexpr std::uint64_t kStrangerToken = 77;

linux::Pieces pieces_of(linux::IommuLiveUpdate iommu) {
  linux::Pieces pieces;
  pieces.iommu = iommu;
  pieces.vfio = linux::VfioLiveUpdate::kV5;
  return pieces;
}

linux::Policies posted() {
  linux::Policies policies;
  policies.interrupts = linux::InterruptPolicy::kRequireDisabled;
  policies.prepared_lockdown = linux::PreparedLockdown::kNone;
  policies.cancel_after_freeze = linux::CancelAfterFreeze::kFdDead;
  return policies;
}

void run(std::vector<VfioBody> bodies, linux::IommuLiveUpdate iommu,
         std::optional<linux::Defect> defect = {}) {
  const std::size_t last = bodies.size() - 1;
  VfioWorld world(std::move(bodies), defect, true, pieces_of(iommu), posted());
  world.run();
  CHECK(world.completed(static_cast<unsigned>(last)));
}

Co<int> release_interrupts(VfioKernel& kernel, int cdev) {
  uapi::VfioIrqSet set;
  set.argsz = sizeof(set);
  set.flags = uapi::kVfioIrqSetDataNone | uapi::kVfioIrqSetActionTrigger;
  set.index = uapi::kVfioPciMsixIrqIndex;
  co_return co_await request(kernel, cdev, uapi::kVfioDeviceSetIrqs, set);
}

// Memory and device, and the iommufd where there is a handler for it.
Co<int> preserve(VfioKernel& kernel, Owner& owner) {
  if (kernel.services.config().pieces.iommu != linux::IommuLiveUpdate::kNone) {
    co_return co_await preserve_all(kernel, owner);
  }
  const int device = co_await open_device(kernel);
  const int session = co_await create_session(kernel, device, "vm0");
  AWAIT_EQUAL(preserve_fd(kernel, session, owner.iommufd, kIommufdToken), error(Errno::kNoEnt));
  AWAIT_EQUAL(preserve_fd(kernel, session, owner.memfd, kMemfdToken), 0);
  AWAIT_EQUAL(preserve_fd(kernel, session, owner.cdev, kCdevToken), 0);
  co_return session;
}

// A buffer over the device's portals, mapped for the device itself.
Co<> revoke_in_freeze(VfioKernel& kernel, VfioNotes& notes) {
  struct {
    uapi::VfioDeviceFeature header;
    uapi::VfioDeviceFeatureDmaBuf request;
    uapi::VfioRegionDmaRange range;
  } feature;
  feature.header.argsz = sizeof(feature);
  feature.header.flags = uapi::kVfioDeviceFeatureGet | uapi::kVfioDeviceFeatureDmaBuf;
  feature.request.region_index = 2;
  feature.request.nr_ranges = 1;
  feature.range.length = 2 * 4096;
  std::vector<linux::EventFd*> fds;
  Owner owner = co_await own_device(kernel, fds);
  const auto buffer = co_await call(kernel, owner.cdev, uapi::kVfioDeviceFeature, feature);
  CHECK(buffer.has_value());
  if (!buffer) co_return;
  uapi::iommu_ioas_map_file map;
  map.flags = uapi::kIoasMapFixedIova | uapi::kIoasMapReadable | uapi::kIoasMapWriteable;
  map.ioas_id = owner.ioas;
  map.fd = static_cast<std::int32_t>(*buffer);
  map.iova = std::uint64_t{1} << 40;
  map.length = 2 * 4096;
  AWAIT_EQUAL(request(kernel, owner.iommufd, uapi::kIommuIoasMapFile, map), 0);
  const auto mapped = [&] {
    const auto walk =
        notes.machine->iommus()[0]->inspect(notes.dsa().requester_id(), Iova(map.iova + 4096));
    return walk.mapped;
  };
  CHECK(mapped());
  const int session = co_await preserve(kernel, owner);
  CHECK(session >= 0);
  // Refused: nothing is done.
  AWAIT_ERROR(kernel.luo.reboot(), Errno::kInval);
  CHECK(mapped());
  AWAIT_EQUAL(release_interrupts(kernel, owner.cdev), 0);
  AWAIT_OK(kernel.luo.reboot());
  CHECK_FALSE(mapped());
  AWAIT_EQUAL(request(kernel, owner.iommufd, uapi::kIommuIoasMapFile, map), error(Errno::kExist));
  map.iova += std::uint64_t{1} << 30;
  AWAIT_EQUAL(request(kernel, owner.iommufd, uapi::kIommuIoasMapFile, map), error(Errno::kNoDev));
}

Co<> hand_over(VfioKernel& kernel, VfioNotes& notes) {
  std::vector<linux::EventFd*> fds;
  Owner owner = co_await own_device(kernel, fds);
  const auto mapped = kernel.process.map_file(**kernel.process.file(owner.cdev), 0, 0x10000, true);
  const int session = co_await preserve(kernel, owner);
  CHECK(session >= 0);
  notes.resets = 0;
  // Interrupts are on: nothing is done to the device.
  AWAIT_ERROR(kernel.luo.reboot(), Errno::kInval);
  CHECK(notes.resets == 0);
  CHECK((notes.config(4, 2) & 6) == 6);
  std::uint32_t version = 0;
  CHECK(kernel.process.load(*mapped, uapi::bytes_of(version)));
  AWAIT_EQUAL(release_interrupts(kernel, owner.cdev), 0);
  notes.watching = true;
  AWAIT_OK(kernel.luo.reboot());
  notes.watching = false;
  // Step 5: decode off, reset, what was saved before the owner came; step 6: COMMAND is INTx off,
  // of which a DSA has none: the bit stays 0.
  CHECK(notes.resets == 1);
  CHECK(notes.config(4, 2) == 0);
  CHECK(notes.writes.front() == "0x4/2 0x6 -> 0x0");
  CHECK(notes.writes.back().starts_with("0x4/2 "));
  CHECK(notes.writes.back().ends_with("-> 0x0"));
  std::uint32_t value = 0;
  AWAIT_ERROR(read_region(kernel, owner.cdev, kConfig, 0, value), Errno::kIo);
  CHECK(kernel.process.load(*mapped, uapi::bytes_of(value)).error() == Errno::kFault);
  co_await kernel.pci.shutdown();
  CHECK(notes.config(4, 2) == 0);
  co_await kernel.intel.shutdown();
  co_await kernel.jump();
}

// Without the IOMMU series: a new iommufd, a full open, and the session ends.
Co<> use_again(VfioKernel& kernel, VfioNotes& notes) {
  CHECK(kernel.dsa().incoming());
  AWAIT_OK(kernel.bind_driver());
  CHECK(open_cdev(kernel) == error(Errno::kBusy));
  const int device = co_await open_device(kernel);
  const int session = co_await retrieve_session(kernel, device, "vm0");
  Owner owner;
  owner.memfd = co_await retrieve_fd(kernel, session, kMemfdToken);
  AWAIT_EQUAL(finish(kernel, session), error(Errno::kBusy));
  owner.cdev = co_await retrieve_fd(kernel, session, kCdevToken);
  CHECK(owner.cdev >= 0);
  AWAIT_EQUAL(finish(kernel, session), error(Errno::kBusy));
  owner.iommufd = open_iommufd(kernel);
  notes.resets = 0;
  AWAIT_EQUAL(bind(kernel, owner), 0);
  CHECK(notes.resets == 1);
  CHECK((notes.config(4, 2) & 4) == 0);
  CHECK(open_cdev(kernel) == error(Errno::kBusy));
  AWAIT_EQUAL(finish(kernel, session), 0);
  CHECK(!kernel.dsa().incoming());
  CHECK(open_cdev(kernel) >= 0);
}

// Phase 1: domain and owner are back, and nobody may use the device.
Co<> nobody_may(VfioKernel& kernel, VfioNotes& notes) {
  AWAIT_OK(kernel.bind_driver());
  const int device = co_await open_device(kernel);
  const int session = co_await retrieve_session(kernel, device, "vm0");
  CHECK(kernel.iommu.dma_owner(kernel.dsa()) == kIommufdToken);
  CHECK(kernel.iommu.attached(kernel.dsa()) != nullptr);
  AWAIT_EQUAL(retrieve_fd(kernel, session, kIommufdToken), error(Errno::kOpNotSupp));
  AWAIT_EQUAL(retrieve_fd(kernel, session, kIommufdToken), error(Errno::kOpNotSupp));
  Owner owner;
  owner.cdev = co_await retrieve_fd(kernel, session, kCdevToken);
  owner.iommufd = open_iommufd(kernel);
  notes.resets = 0;
  AWAIT_EQUAL(bind(kernel, owner), error(Errno::kPerm));
  CHECK(notes.resets == 0);  // DMA ownership comes before the device
  AWAIT_EQUAL(finish(kernel, session), error(Errno::kBusy));
}

Co<> anybody_may(VfioKernel& kernel, VfioNotes&) {
  AWAIT_OK(kernel.bind_driver());
  const int device = co_await open_device(kernel);
  const int session = co_await retrieve_session(kernel, device, "vm0");
  Owner owner;
  owner.cdev = co_await retrieve_fd(kernel, session, kCdevToken);
  owner.iommufd = open_iommufd(kernel);
  AWAIT_EQUAL(bind(kernel, owner), 0);
}

Co<> dead(VfioKernel& kernel, VfioNotes& notes) {
  Calls calls;
  TestHandler handler(kernel, calls);
  CHECK(kernel.luo.register_handler(handler));
  std::vector<linux::EventFd*> fds;
  Owner owner = co_await own_device(kernel, fds);
  const int session = co_await preserve(kernel, owner);
  const int failing = open_test_file(kernel, 1);
  AWAIT_EQUAL(preserve_fd(kernel, session, failing, kStrangerToken), 0);
  handler.fails = {"freeze 1"};
  AWAIT_EQUAL(release_interrupts(kernel, owner.cdev), 0);
  notes.resets = 0;
  for (unsigned tries = 1; tries <= 2; ++tries) {
    AWAIT_ERROR(kernel.luo.reboot(), Errno::kInval);
    CHECK(notes.resets == tries);
    uapi::VfioDeviceInfo info;
    AWAIT_EQUAL(request(kernel, owner.cdev, uapi::kVfioDeviceGetInfo, info), error(Errno::kIo));
  }
  AWAIT_OK(kernel.process.close(session));
  AWAIT_OK(kernel.process.close(owner.cdev));
  CHECK(notes.resets == 3);  // the last close, as of any device
  owner.cdev = open_cdev(kernel);
  AWAIT_EQUAL(bind(kernel, owner), 0);
  CHECK(notes.resets == 4);
  AWAIT_EQUAL(attach(kernel, owner), 0);
  uapi::VfioDeviceInfo info;
  AWAIT_EQUAL(request(kernel, owner.cdev, uapi::kVfioDeviceGetInfo, info), 0);
}

}  // namespace

TEST_CASE("VFIO v5 alone: freeze resets the device, and the next kernel opens it from nothing") {
  run({hand_over, use_again}, linux::IommuLiveUpdate::kNone);
}

TEST_CASE("VFIO v5 with phase 1 of the IOMMU series: the device comes back to nobody") {
  run({hand_over, nobody_may}, linux::IommuLiveUpdate::kV5);
}

TEST_CASE("a restored group without its owner goes to anybody") {
  run({hand_over, anybody_may}, linux::IommuLiveUpdate::kV5, linux::Defect::kIommuForgetOwner);
}

TEST_CASE("a device that was frozen for nothing is dead until it is closed") {
  run({dead}, linux::IommuLiveUpdate::kNone);
  run({dead}, linux::IommuLiveUpdate::kV5);
}

TEST_CASE("freeze revokes the dma-bufs over a device's BARs") {
  run({revoke_in_freeze}, linux::IommuLiveUpdate::kNone);
}
