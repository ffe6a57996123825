// The states of an iommufd and of its objects, pair by pair, and what the requests make of them.
#include "model/iommufd/state_machine.h"

#include "tests/iommufd/iommufd_fixture.h"
#include "tests/support/state_walk.h"

namespace {

using namespace baton;
using namespace baton::test;

template <class State, class Event>
int refusal(const linux::StateTable<State, Event>& table, State state, Event event) {
  const auto& row = table.at(state, event);
  return row.refused ? error(*row.refused) : 0;
}

using iommufd::AttachEvent;
using iommufd::AttachState;
using iommufd::HwptEvent;
using iommufd::HwptState;
using iommufd::IoasEvent;
using iommufd::IoasState;

int number(const linux::Result<>& done) { return done ? 0 : error(done.error()); }

// Mapping and unmapping in a state of the IOAS, DESTROY in one of the HWPT, ATTACH and DETACH in
// one of the attachment.
Co<> ask_all(IommufdKernel& kernel, const Guest& guest, IoasState ioas, HwptState hwpt,
             AttachState attachment) {
  INFO(iommufd::ioas_table().name(ioas)
       << " IOAS, " << iommufd::hwpt_table().name(hwpt) << " HWPT, "
       << iommufd::attach_table().name(attachment) << " device");
  const int change = refusal(iommufd::ioas_table(), ioas, IoasEvent::kChange);
  auto map = map_file_cmd(guest.ioas, guest.memfd, 2 * kGuestIova);
  AWAIT_EQUAL(request(kernel, guest.iommufd, uapi::kIommuIoasMapFile, map), change);
  AWAIT_EQUAL(unmap(kernel, guest.iommufd, guest.ioas, 2 * kGuestIova, kGuestBytes), change);
  if (refusal(iommufd::hwpt_table(), hwpt, HwptEvent::kDestroy) != 0) {
    AWAIT_EQUAL(destroy(kernel, guest.iommufd, guest.hwpt),
                refusal(iommufd::hwpt_table(), hwpt, HwptEvent::kDestroy));
  }
  iommufd::Iommufd& iommufd = kernel.iommufd_of(guest.iommufd);
  const bool locked =
      kernel.services.config().policies.prepared_lockdown != linux::PreparedLockdown::kNone;
  const auto detach_event = locked ? AttachEvent::kChange : AttachEvent::kDetach;
  const auto attach_event = locked ? AttachEvent::kChange : AttachEvent::kAttach;
  CHECK(number(iommufd.detach(guest.device)) ==
        refusal(iommufd::attach_table(), attachment, detach_event));
  std::uint32_t pt = locked ? guest.ioas : guest.hwpt;
  CHECK(number(iommufd.attach(guest.device, pt)) ==
        refusal(iommufd::attach_table(), attachment, attach_event));
  pt = guest.hwpt;
  CHECK(iommufd.attach(guest.device, pt).has_value());
}

// Up to the kexec, once given up on the way.
Co<> through_states(IommufdKernel& kernel) {
  const Guest guest = co_await make_guest(kernel);
  co_await ask_all(kernel, guest, IoasState::kMutable, HwptState::kMarked, AttachState::kAttached);
  const int luo_device = co_await open_device(kernel);
  const int session = co_await create_session(kernel, luo_device, "vm0");
  AWAIT_EQUAL(preserve_fd(kernel, session, guest.memfd, kMemfdToken), 0);
  AWAIT_EQUAL(preserve_fd(kernel, session, guest.iommufd, kIommufdToken), 0);
  AWAIT_EQUAL(preserve_fd(kernel, session, guest.iommufd, 99),
              refusal(iommufd::context_table(), iommufd::ContextState::kPreserved,
                      iommufd::ContextEvent::kPreserve));
  co_await ask_all(kernel, guest, IoasState::kImmutable, HwptState::kPreserved,
                   AttachState::kAttached);
  AWAIT_OK(kernel.process.close(session));
  co_await ask_all(kernel, guest, IoasState::kMutable, HwptState::kMarked, AttachState::kAttached);

  const int again = co_await create_session(kernel, luo_device, "vm0");
  AWAIT_EQUAL(preserve_fd(kernel, again, guest.memfd, kMemfdToken), 0);
  AWAIT_EQUAL(preserve_fd(kernel, again, guest.iommufd, kIommufdToken), 0);
  AWAIT_OK(kernel.kexec_with_shutdown());
}

// A retrieved iommufd has no areas that could be handed over once more: refused until its session
// is finished.
Co<> not_twice(IommufdKernel& kernel) {
  const int luo_device = co_await open_device(kernel);
  const int session = co_await retrieve_session(kernel, luo_device, "vm0");
  const int memfd = co_await retrieve_fd(kernel, session, kMemfdToken);
  const int iommufd = co_await retrieve_fd(kernel, session, kIommufdToken);
  CHECK(iommufd >= 0);
  const int next = co_await create_session(kernel, luo_device, "next");
  const int early = refusal(iommufd::context_table(), iommufd::ContextState::kRetrieved,
                            iommufd::ContextEvent::kPreserve);
  CHECK(early == error(linux::Errno::kBusy));
  AWAIT_EQUAL(preserve_fd(kernel, next, iommufd, 2), early);
  AWAIT_EQUAL(finish(kernel, session), 0);
  AWAIT_EQUAL(preserve_fd(kernel, next, memfd, 1), 0);
  // Its state allows it now; no device brought the domain of its HWPT along.
  AWAIT_EQUAL(preserve_fd(kernel, next, iommufd, 2), error(linux::Errno::kInval));
  AWAIT_OK(kernel.process.close(next));
}

void run(linux::PreparedLockdown lockdown) {
  WorldConfig config = IommufdBench::config();
  config.kernels.front().policies.prepared_lockdown = lockdown;
  IommufdBench bench({through_states, not_twice}, config);
  bench.world.run();
  CHECK(bench.world.panic().empty());
  CHECK(bench.world.completed(1));
}

}  // namespace

TEST_CASE("every state of an iommufd meets every event as its table says, or not at all") {
  walk_pairs(iommufd::context_table());
}

TEST_CASE("every state of an IOAS meets every event as its table says, or not at all") {
  walk_pairs(iommufd::ioas_table());
}

TEST_CASE("every state of a HWPT meets every event as its table says, or not at all") {
  walk_pairs(iommufd::hwpt_table());
}

TEST_CASE("every state of an attachment meets every event as its table says, or not at all") {
  walk_pairs(iommufd::attach_table());
}

TEST_CASE("Requests in each state of an iommufd and its objects are answered as the tables say") {
  run(linux::PreparedLockdown::kNone);
  run(linux::PreparedLockdown::kVfio);
}
