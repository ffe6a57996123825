// A device that runs through a kexec, generation "running" [design target; checks and record as in
// vfio/pci v5].
#include "tests/vfio/vfio_fixture.h"

namespace {

using namespace baton;
using namespace baton::test;

constexpr std::uint32_t kConfig = uapi::kVfioPciConfigRegionIndex;

iommu_vtd::Translation translate(VfioNotes& notes, std::uint64_t iova) {
  pci::MemoryRequest request;
  request.requester = kDsa.bdf;
  request.address = iova;
  request.length = 64;
  return notes.machine->iommus()[0]->translate(request);
}

Co<> hand_over(VfioKernel& kernel, VfioNotes& notes) {
  std::vector<linux::EventFd*> fds;
  Owner owner = co_await own_device(kernel, fds);
  notes.hwpt = owner.hwpt;
  // The guest has moved its BAR; only vconfig knows.
  AWAIT_OK(write_region(kernel, owner.cdev, kConfig, 0x10, std::uint32_t{0xABCD0000}));
  static_cast<void>(co_await preserve_all(kernel, owner));
  notes.resets = 0;
  notes.watching = true;
  AWAIT_OK(kernel.reboot_kexec());
}

Co<> take_over(VfioKernel& kernel, VfioNotes& notes) {
  CHECK(kernel.dsa().incoming());
  CHECK((notes.config(4, 2) & 6) == 6);
  AWAIT_OK(kernel.bind_driver());
  CHECK(open_cdev(kernel) == error(Errno::kBusy));
  const int device = co_await open_device(kernel);
  const int session = co_await retrieve_session(kernel, device, "vm0");
  AWAIT_EQUAL(finish(kernel, session), error(Errno::kBusy));
  Owner owner;
  owner.hwpt = notes.hwpt;
  owner.memfd = co_await retrieve_fd(kernel, session, kMemfdToken);
  owner.iommufd = co_await retrieve_fd(kernel, session, kIommufdToken);
  owner.cdev = co_await retrieve_fd(kernel, session, kCdevToken);
  CHECK(owner.cdev >= 0);
  CHECK((*kernel.process.file(owner.cdev))->name() == "anon_inode:[vfio-device-liveupdate]");
  AWAIT_EQUAL(finish(kernel, session), error(Errno::kBusy));
  Owner stranger = owner;
  stranger.iommufd = open_iommufd(kernel);
  AWAIT_EQUAL(bind(kernel, stranger), error(Errno::kPerm));
  AWAIT_EQUAL(bind(kernel, owner), 0);
  AWAIT_EQUAL(attach(kernel, owner), 0);
  std::uint32_t bar = 0;
  AWAIT_OK(read_region(kernel, owner.cdev, kConfig, 0x10, bar));
  CHECK((bar & ~0xFU) == 0xABCD0000);
  CHECK(translate(notes, 0x3000).allowed);
  CHECK(notes.resets == 0);
  std::vector<linux::EventFd*> fds;
  AWAIT_EQUAL(connect_interrupts(kernel, owner.cdev, fds), 0);
  notes.watching = false;
  CHECK(notes.dsa().signal_msix(1));
  co_await kernel.services.spend(sim::Duration::microseconds(10));
  CHECK(fds[1]->count() == 1);
  AWAIT_EQUAL(finish(kernel, session), 0);
  CHECK(!kernel.dsa().incoming());
  CHECK(open_cdev(kernel) >= 0);
  uapi::VfioDeviceInfo info;
  AWAIT_EQUAL(request(kernel, owner.cdev, uapi::kVfioDeviceGetInfo, info), 0);
  CHECK((info.flags & uapi::kVfioDeviceFlagsReset) != 0);
}

Co<> refusals(VfioKernel& kernel, VfioNotes&) {
  std::vector<linux::EventFd*> fds;
  Owner owner = co_await own_device(kernel, fds);
  const int device = co_await open_device(kernel);
  const int session = co_await create_session(kernel, device, "vm0");
  Owner unbound = owner;
  unbound.cdev = open_cdev(kernel);
  AWAIT_EQUAL(preserve_fd(kernel, session, unbound.cdev, 1), error(Errno::kNoEnt));
  // Its HWPT is not marked; then its iommufd is not in the session.
  AWAIT_EQUAL(preserve_fd(kernel, session, owner.cdev, 1), error(Errno::kInval));
  uapi::iommu_hwpt_liveupdate_mark_preserve mark;
  mark.hwpt_id = owner.hwpt;
  mark.hwpt_token = 5;
  AWAIT_EQUAL(request(kernel, owner.iommufd, uapi::kIommuHwptLiveupdateMarkPreserve, mark), 0);
  AWAIT_EQUAL(preserve_fd(kernel, session, owner.cdev, 1), error(Errno::kNoEnt));
  CHECK(!kernel.dsa().outgoing());  // undone
  AWAIT_EQUAL(preserve_fd(kernel, session, owner.memfd, 2), 0);
  AWAIT_EQUAL(preserve_fd(kernel, session, owner.iommufd, 3), 0);
  AWAIT_EQUAL(preserve_fd(kernel, session, owner.cdev, 1), 0);
  CHECK(kernel.dsa().outgoing());
  AWAIT_OK(kernel.process.close(session));
  CHECK(!kernel.dsa().outgoing());
  // The same again under the same name; all of it works on.
  const int again = co_await create_session(kernel, device, "vm0");
  AWAIT_EQUAL(preserve_fd(kernel, again, owner.memfd, 2), 0);
  AWAIT_EQUAL(preserve_fd(kernel, again, owner.iommufd, 3), 0);
  AWAIT_EQUAL(preserve_fd(kernel, again, owner.cdev, 1), 0);
  AWAIT_OK(kernel.process.close(again));
}

Co<> roll_back(VfioKernel& kernel, VfioNotes& notes) {
  Calls calls;
  TestHandler handler(kernel, calls);
  CHECK(kernel.luo.register_handler(handler));
  std::vector<linux::EventFd*> fds;
  Owner owner = co_await own_device(kernel, fds);
  const auto mapped = kernel.process.map_file(**kernel.process.file(owner.cdev), 0, 0x10000, true);
  const int session = co_await preserve_all(kernel, owner);
  const int failing = open_test_file(kernel, 1);
  AWAIT_EQUAL(preserve_fd(kernel, session, failing, 77), 0);
  handler.fails = {"freeze 1"};
  notes.watching = true;
  AWAIT_ERROR(kernel.luo.reboot(), Errno::kInval);
  // MSI-X Enable off and on again, and nothing else.
  CHECK(notes.writes.size() == 2);
  CHECK(notes.dsa().signal_msix(2));
  co_await kernel.services.spend(sim::Duration::microseconds(10));
  CHECK(fds[2]->count() == 1);
  std::uint32_t version = 0;
  CHECK(kernel.process.load(*mapped, uapi::bytes_of(version)));
  AWAIT_OK(read_region(kernel, owner.cdev, 0, 0, version));
  CHECK(version == 0x100);
}

Co<> frozen(VfioKernel& kernel, VfioNotes& notes) {
  std::vector<linux::EventFd*> fds;
  Owner owner = co_await own_device(kernel, fds);
  const auto mapped = kernel.process.map_file(**kernel.process.file(owner.cdev), 0, 0x10000, true);
  static_cast<void>(co_await preserve_all(kernel, owner));
  AWAIT_OK(kernel.luo.reboot());
  CHECK((notes.config(4, 2) & 6) == 6);  // memory and bus master as before
  CHECK(!notes.dsa().signal_msix(2));
  uapi::VfioDeviceInfo info;
  AWAIT_EQUAL(request(kernel, owner.cdev, uapi::kVfioDeviceGetInfo, info), error(Errno::kIo));
  std::uint32_t value = 0;
  AWAIT_ERROR(read_region(kernel, owner.cdev, kConfig, 0, value), Errno::kIo);
  AWAIT_ERROR(write_region(kernel, owner.cdev, kConfig, 4, std::uint16_t{0}), Errno::kIo);
  linux::File& file = **kernel.process.file(owner.cdev);
  CHECK(kernel.process.map_file(file, 0, 4096, true).error() == Errno::kIo);
  CHECK(kernel.process.load(*mapped, uapi::bytes_of(value)).error() == Errno::kFault);
}

// What the next kernel meets of a defect of the old one.
Co<> retrieve_fails(VfioKernel& kernel, VfioNotes&) {
  AWAIT_OK(kernel.bind_driver());
  const int device = co_await open_device(kernel);
  const int session = co_await retrieve_session(kernel, device, "vm0");
  AWAIT_EQUAL(retrieve_fd(kernel, session, kCdevToken), error(Errno::kNoDev));
  AWAIT_EQUAL(retrieve_fd(kernel, session, kCdevToken), error(Errno::kNoDev));
  AWAIT_EQUAL(finish(kernel, session), error(Errno::kBusy));
}

Co<Owner> retrieve_all(VfioKernel& kernel, VfioNotes& notes) {
  AWAIT_OK(kernel.bind_driver());
  const int device = co_await open_device(kernel);
  const int session = co_await retrieve_session(kernel, device, "vm0");
  Owner owner;
  owner.hwpt = notes.hwpt;
  owner.memfd = co_await retrieve_fd(kernel, session, kMemfdToken);
  owner.iommufd = co_await retrieve_fd(kernel, session, kIommufdToken);
  owner.cdev = co_await retrieve_fd(kernel, session, kCdevToken);
  co_return owner;
}

Co<> bind_fails(VfioKernel& kernel, VfioNotes& notes) {
  Owner owner = co_await retrieve_all(kernel, notes);
  AWAIT_EQUAL(bind(kernel, owner), error(Errno::kInval));
  CHECK(notes.resets == 0);
}

Co<> bind_resets(VfioKernel& kernel, VfioNotes& notes) {
  Owner owner = co_await retrieve_all(kernel, notes);
  CHECK(notes.resets == 0);
  AWAIT_EQUAL(bind(kernel, owner), 0);
  CHECK(notes.resets == 1);
}

Co<> not_bound_to_driver(VfioKernel& kernel, VfioNotes&) {
  const int device = co_await open_device(kernel);
  const int session = co_await retrieve_session(kernel, device, "vm0");
  AWAIT_EQUAL(retrieve_fd(kernel, session, kCdevToken), error(Errno::kNoDev));
  AWAIT_OK(kernel.bind_driver());
  // The failed try is remembered: too late.
  AWAIT_EQUAL(retrieve_fd(kernel, session, kCdevToken), error(Errno::kNoDev));
}

void run_two(VfioBody second, std::optional<linux::Defect> defect = {}) {
  VfioWorld world({hand_over, second}, defect);
  world.run();
  CHECK(world.completed(1));
}

}  // namespace

TEST_CASE("a running device goes through a kexec: no reset, its owner's state is there again") {
  VfioWorld world({hand_over, take_over});
  world.run();
  CHECK(world.completed(1));
  // Old kernel: MSI-X Enable off. New kernel, when its owner asks for interrupts: on with all
  // vectors masked, INTx off (the DSA has none), unmasked. Nothing at boot, nothing at BIND.
  CHECK(world.notes.writes == Calls{"0x82/2 0x8008 -> 0x8", "0x82/2 0x8 -> 0xc008",
                                    "0x4/2 0x6 -> 0x6", "0x82/2 0xc008 -> 0x8008"});
}

TEST_CASE("who may be preserved, in which order, and what closing the session undoes") {
  VfioWorld world({refusals});
  world.run();
  CHECK(world.completed(0));
}

TEST_CASE("when a later file cannot freeze, the device works on with its interrupts") {
  VfioWorld world({roll_back});
  world.run();
  CHECK(world.completed(0));
}

TEST_CASE("a frozen device's descriptor answers EIO and its mappings fault, the device runs") {
  VfioWorld world({frozen});
  world.run();
  CHECK(world.completed(0));
}

TEST_CASE("a cdev that is retrieved before its driver is bound is lost") {
  run_two(not_bound_to_driver);
}

TEST_CASE("the defects of VFIO show where a real kernel would show them") {
  run_two(retrieve_fails, linux::Defect::kVfioSkipRecord);
  run_two(bind_fails, linux::Defect::kVfioSkipState);
  run_two(bind_resets, linux::Defect::kVfioResetAtOpen);
}

namespace {

// The owner puts the DSA to sleep; its function keeps its registers (No_Soft_Reset), so nothing of
// them has to be handed over.
Co<> sleeps(VfioKernel& kernel, VfioNotes& notes) {
  std::vector<linux::EventFd*> fds;
  Owner owner = co_await own_device(kernel, fds);
  constexpr std::uint16_t kPmcsr = 0x94;
  AWAIT_OK(write_region(kernel, owner.cdev, kConfig, kPmcsr, std::uint16_t{3}));
  CHECK((notes.config(kPmcsr, 2) & 3) == 3);
  std::uint32_t value = 0;
  AWAIT_ERROR(read_region(kernel, owner.cdev, 0, 0, value), Errno::kIo);
  AWAIT_OK(write_region(kernel, owner.cdev, kConfig, kPmcsr, std::uint16_t{3}));  // it is there
  AWAIT_OK(write_region(kernel, owner.cdev, kConfig, kPmcsr, std::uint16_t{0}));
  AWAIT_OK(read_region(kernel, owner.cdev, 0, 0, value));
  CHECK(value == 0x100);
  AWAIT_OK(write_region(kernel, owner.cdev, kConfig, kPmcsr, std::uint16_t{3}));
  // Last close: awake, and without memory decode and bus master.
  AWAIT_OK(kernel.process.close(owner.cdev));
  CHECK((notes.config(kPmcsr, 2) & 3) == 0);
  CHECK((notes.config(4, 2) & 4) == 0);
}

}  // namespace

TEST_CASE("a device that its owner sends to sleep has no memory, and wakes up at the last close") {
  VfioWorld world({sleeps});
  world.run();
  CHECK(world.completed(0));
}
