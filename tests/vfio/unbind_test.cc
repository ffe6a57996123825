// A driver that is told to let go of a device that is in use: who waits for whom.
#include "tests/vfio/vfio_fixture.h"

namespace {

using namespace baton;
using namespace baton::test;

const sim::Duration kAWhile = sim::Duration::milliseconds(1);

int number(const linux::Result<>& done) { return done ? 0 : error(done.error()); }

Co<> unbind(VfioKernel& kernel, std::optional<int>& result) {
  const auto done = co_await kernel.bus.unbind(kernel.vfio, kernel.dsa());
  result = number(done);
}

Co<> bind_again(VfioKernel& kernel, std::optional<int>& result) {
  const auto done = co_await kernel.bind_driver();
  result = number(done);
}

Co<> shut_down(VfioKernel& kernel, bool& done) {
  co_await kernel.pci.shutdown();
  done = true;
}

Co<int> reset(VfioKernel& kernel, int cdev) {
  linux::File& file = **kernel.process.file(cdev);
  std::span<std::byte> nothing;
  const auto done = co_await file.ioctl(kernel.process, uapi::kVfioDeviceReset, nothing);
  co_return done ? 0 : error(done.error());
}

Co<> owner_takes_its_time(VfioKernel& kernel, VfioNotes& notes) {
  std::vector<linux::EventFd*> fds;
  Owner owner = co_await own_device(kernel, fds);
  AWAIT_EQUAL(reset(kernel, owner.cdev), 0);
  const unsigned resets = notes.resets;
  std::optional<int> first;
  std::optional<int> second;
  std::optional<int> bound;
  kernel.services.spawn(unbind(kernel, first));
  kernel.services.spawn(unbind(kernel, second));
  kernel.services.spawn(bind_again(kernel, bound));
  co_await kernel.services.spend(kAWhile);
  CHECK_FALSE((first || second || bound));
  CHECK(kernel.dsa().driver == &kernel.vfio);
  AWAIT_EQUAL(reset(kernel, owner.cdev), error(Errno::kAgain));
  AWAIT_OK(kernel.process.close(owner.cdev));
  co_await kernel.services.spend(kAWhile);
  CHECK(first == 0);
  CHECK(second == 0);
  CHECK(bound == 0);
  CHECK(kernel.dsa().driver == &kernel.vfio);
  // The last close could not have the device's lock.
  CHECK(notes.resets == resets);
  const int again = open_cdev(kernel);
  CHECK(again >= 0);
}

Co<> session_holds_it(VfioKernel& kernel, VfioNotes&) {
  std::vector<linux::EventFd*> fds;
  Owner owner = co_await own_device(kernel, fds);
  const int session = co_await preserve_all(kernel, owner);
  AWAIT_OK(kernel.process.close(owner.cdev));
  std::optional<int> done;
  kernel.services.spawn(unbind(kernel, done));
  co_await kernel.services.spend(kAWhile);
  CHECK_FALSE(done);
  CHECK(kernel.dsa().outgoing());
  AWAIT_OK(kernel.process.close(session));
  co_await kernel.services.spend(kAWhile);
  CHECK(done == 0);
  CHECK_FALSE(kernel.dsa().outgoing());
  CHECK(kernel.dsa().driver == nullptr);
  CHECK(kernel.vfio.cdev_of(kDsa) == std::nullopt);
}

Co<> shutdown_waits(VfioKernel& kernel, VfioNotes&) {
  std::vector<linux::EventFd*> fds;
  Owner owner = co_await own_device(kernel, fds);
  std::optional<int> done;
  bool down = false;
  kernel.services.spawn(unbind(kernel, done));
  kernel.services.spawn(shut_down(kernel, down));
  co_await kernel.services.spend(kAWhile);
  CHECK_FALSE(down);
  AWAIT_OK(kernel.process.close(owner.cdev));
  co_await kernel.services.spend(kAWhile);
  CHECK(done == 0);
  CHECK(down);
}

void run_one(VfioBody body) {
  VfioWorld world({body});
  world.run();
  CHECK(world.completed(0));
}

}  // namespace

TEST_CASE(
    "whoever unbinds or binds a device waits until its owner has closed it, and resets fail") {
  run_one(owner_takes_its_time);
}

TEST_CASE("a device in a session is let go of when the session is closed") {
  run_one(session_holds_it);
}

TEST_CASE("devices are not shut down while a driver waits to let go of one") {
  run_one(shutdown_waits);
}
