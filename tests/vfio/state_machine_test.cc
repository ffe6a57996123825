// The states of VFIO's files and devices: their tables pair by pair, and requests in each state
// against the tables.
#include "model/vfio/state_machine.h"

#include "tests/support/state_walk.h"
#include "tests/vfio/vfio_fixture.h"

namespace {

using namespace baton;
using namespace baton::test;
using vfio::DeviceEvent;
using vfio::DeviceStage;
using vfio::FileEvent;
using vfio::FileState;

constexpr std::uint32_t kConfig = uapi::kVfioPciConfigRegionIndex;

struct Place {
  FileState file;
  DeviceStage stage;
};

template <class State, class Event>
int refusal(const linux::StateTable<State, Event>& table, State state, Event event) {
  const auto& row = table.at(state, event);
  return row.refused ? error(*row.refused) : 0;
}

// The first that refuses; 0 when all let it through.
int by_tables(Place at, std::vector<FileEvent> of_file, std::vector<DeviceEvent> of_device) {
  for (const FileEvent event : of_file) {
    if (const int refused = refusal(vfio::file_table(), at.file, event)) return refused;
  }
  for (const DeviceEvent event : of_device) {
    if (const int refused = refusal(vfio::device_table(), at.stage, event)) return refused;
  }
  return 0;
}

DeviceEvent change_of(VfioKernel& kernel) {
  const bool locked =
      kernel.services.config().policies.prepared_lockdown != linux::PreparedLockdown::kNone;
  return locked ? DeviceEvent::kChange : DeviceEvent::kUse;
}

int number(const linux::Result<std::size_t>& done) { return done ? 0 : error(done.error()); }

// Each request through this file, beside what the tables say.
Co<> ask_all(VfioKernel& kernel, Owner& owner, Place at) {
  INFO(vfio::file_table().name(at.file) << " file, device " << vfio::device_table().name(at.stage));
  const DeviceEvent change = change_of(kernel);
  const int bound = by_tables(at, {FileEvent::kBind}, {DeviceEvent::kBind});
  AWAIT_EQUAL(bind(kernel, owner), bound);
  AWAIT_EQUAL(attach(kernel, owner),
              by_tables(at, {FileEvent::kRequest, FileEvent::kPageTable}, {change}));
  uapi::VfioDeviceInfo info;
  AWAIT_EQUAL(request(kernel, owner.cdev, uapi::kVfioDeviceGetInfo, info),
              by_tables(at, {FileEvent::kRequest}, {DeviceEvent::kUse}));
  std::uint32_t value = 0;
  const auto header = co_await read_region(kernel, owner.cdev, kConfig, 0, value);
  CHECK(number(header) == by_tables(at, {FileEvent::kRequest}, {DeviceEvent::kUse}));
  const auto written = co_await write_region(kernel, owner.cdev, kConfig, 4, std::uint16_t{0x0006});
  CHECK(number(written) == by_tables(at, {FileEvent::kRequest}, {change}));
  const auto bar = co_await read_region(kernel, owner.cdev, 0, 0, value);
  CHECK(number(bar) == by_tables(at, {FileEvent::kRequest}, {DeviceEvent::kTouch}));
  std::uint32_t nothing = 0;
  AWAIT_EQUAL(request(kernel, owner.cdev, uapi::kVfioDeviceReset, nothing),
              by_tables(at, {FileEvent::kRequest}, {change}));
  linux::File& file = **kernel.process.file(owner.cdev);
  const auto mapped = file.map(0, 4096, true);  // without a mapping that would hold the file
  CHECK((mapped ? 0 : error(mapped.error())) ==
        by_tables(at, {FileEvent::kRequest}, {DeviceEvent::kUse}));
}

Co<int> release_interrupts(VfioKernel& kernel, int cdev) {
  uapi::VfioIrqSet set;
  set.argsz = sizeof(set);
  set.flags = uapi::kVfioIrqSetDataNone | uapi::kVfioIrqSetActionTrigger;
  set.index = uapi::kVfioPciMsixIrqIndex;
  co_return co_await request(kernel, cdev, uapi::kVfioDeviceSetIrqs, set);
}

// Through every state that a device has in the kernel that hands it over.
Co<> outgoing(VfioKernel& kernel, VfioNotes&) {
  Calls calls;
  TestHandler handler(kernel, calls);
  CHECK(kernel.luo.register_handler(handler));
  std::vector<linux::EventFd*> fds;
  Owner owner = co_await own_device(kernel, fds);
  Owner other = owner;
  other.cdev = open_cdev(kernel);
  co_await ask_all(kernel, other, {FileState::kOpened, DeviceStage::kBound});
  AWAIT_EQUAL(release_interrupts(kernel, owner.cdev), 0);
  co_await ask_all(kernel, owner, {FileState::kBound, DeviceStage::kBound});

  const int device = co_await open_device(kernel);
  const int session = co_await create_session(kernel, device, "vm0");
  AWAIT_EQUAL(preserve_fd(kernel, session, other.cdev, 5),
              refusal(vfio::file_table(), FileState::kOpened, FileEvent::kPreserve));
  AWAIT_EQUAL(preserve_fd(kernel, session, owner.cdev, kCdevToken), 0);
  co_await ask_all(kernel, other, {FileState::kOpened, DeviceStage::kPreserved});
  co_await ask_all(kernel, owner, {FileState::kBound, DeviceStage::kPreserved});
  AWAIT_EQUAL(preserve_fd(kernel, session, open_test_file(kernel, 1), 77), 0);
  handler.fails = {"freeze 1"};
  for (unsigned tries = 0; tries < 2; ++tries) {  // bound frozen, and frozen again
    AWAIT_ERROR(kernel.luo.reboot(), Errno::kInval);
    co_await ask_all(kernel, owner, {FileState::kBound, DeviceStage::kFrozen});
  }
  AWAIT_OK(kernel.process.close(session));
  co_await ask_all(kernel, owner, {FileState::kBound, DeviceStage::kDead});
  // A session can take it once more; it stays what it is.
  const int again = co_await create_session(kernel, device, "vm0");
  AWAIT_EQUAL(preserve_fd(kernel, again, owner.cdev, kCdevToken), 0);
  co_await ask_all(kernel, owner, {FileState::kBound, DeviceStage::kFrozen});
  AWAIT_OK(kernel.process.close(again));
  co_await ask_all(kernel, owner, {FileState::kBound, DeviceStage::kDead});
  AWAIT_OK(kernel.process.close(owner.cdev));
  AWAIT_EQUAL(bind(kernel, other), 0);
  AWAIT_EQUAL(attach(kernel, other), 0);
  co_await ask_all(kernel, other, {FileState::kBound, DeviceStage::kBound});
}

// What a device of generation "running" is after a reboot that failed: preserved, as before.
Co<> unfrozen(VfioKernel& kernel, VfioNotes&) {
  Calls calls;
  TestHandler handler(kernel, calls);
  CHECK(kernel.luo.register_handler(handler));
  std::vector<linux::EventFd*> fds;
  Owner owner = co_await own_device(kernel, fds);
  const int session = co_await preserve_all(kernel, owner);
  AWAIT_EQUAL(preserve_fd(kernel, session, open_test_file(kernel, 1), 77), 0);
  handler.fails = {"freeze 1"};
  AWAIT_ERROR(kernel.luo.reboot(), Errno::kInval);
  co_await ask_all(kernel, owner, {FileState::kBound, DeviceStage::kPreserved});
  handler.fails.clear();
  AWAIT_OK(kernel.luo.reboot());
  co_await ask_all(kernel, owner, {FileState::kBound, DeviceStage::kFrozen});
  co_await kernel.pci.shutdown();
  co_await kernel.intel.shutdown();
  co_await kernel.jump();
}

Co<> incoming(VfioKernel& kernel, VfioNotes&) {
  Calls calls;
  TestHandler handler(kernel, calls);  // knows the file that could not be frozen at first
  CHECK(kernel.luo.register_handler(handler));
  AWAIT_OK(kernel.bind_driver());
  const int device = co_await open_device(kernel);
  const int session = co_await retrieve_session(kernel, device, "vm0");
  Owner owner;
  owner.memfd = co_await retrieve_fd(kernel, session, kMemfdToken);
  owner.iommufd = co_await retrieve_fd(kernel, session, kIommufdToken);
  owner.cdev = co_await retrieve_fd(kernel, session, kCdevToken);
  const auto in_session = refusal(vfio::file_table(), FileState::kRetrieved, FileEvent::kFinish);
  AWAIT_EQUAL(finish(kernel, session), in_session);
  uapi::VfioDeviceInfo info;
  AWAIT_EQUAL(request(kernel, owner.cdev, uapi::kVfioDeviceGetInfo, info),
              refusal(vfio::file_table(), FileState::kRetrieved, FileEvent::kRequest));
  AWAIT_EQUAL(attach(kernel, owner),
              refusal(vfio::file_table(), FileState::kRetrieved, FileEvent::kPageTable));
  AWAIT_EQUAL(bind(kernel, owner), 0);
  AWAIT_EQUAL(bind(kernel, owner),
              refusal(vfio::file_table(), FileState::kBound, FileEvent::kBind));
}

void run(std::vector<VfioBody> bodies, const linux::Pieces& pieces,
         const linux::Policies& policies) {
  const std::size_t last = bodies.size() - 1;
  VfioWorld world(std::move(bodies), {}, true, pieces, policies);
  world.run();
  CHECK(world.completed(static_cast<unsigned>(last)));
}

}  // namespace

TEST_CASE("every state of a file of VFIO meets every event as its table says, or not at all") {
  walk_pairs(vfio::file_table());
}

TEST_CASE("every state of a device of VFIO meets every event as its table says, or not at all") {
  walk_pairs(vfio::device_table());
}

TEST_CASE("each request in each state of a VFIO device is answered as the tables say") {
  linux::Pieces posted;
  posted.iommu = linux::IommuLiveUpdate::kNone;
  posted.vfio = linux::VfioLiveUpdate::kV5;
  linux::Policies policies;
  policies.interrupts = linux::InterruptPolicy::kRequireDisabled;
  policies.cancel_after_freeze = linux::CancelAfterFreeze::kFdDead;
  for (const auto lockdown : {linux::PreparedLockdown::kNone, linux::PreparedLockdown::kVfio}) {
    policies.prepared_lockdown = lockdown;
    run({outgoing}, posted, policies);
  }
  linux::Policies running;
  running.cancel_after_freeze = linux::CancelAfterFreeze::kUnfreeze;
  running.prepared_lockdown = linux::PreparedLockdown::kVfio;
  run({unfrozen, incoming}, {}, running);
}
