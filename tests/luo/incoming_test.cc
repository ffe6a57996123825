// What a new kernel does about an incoming state that it cannot trust, and each defect of LUO
// [linux kernel/liveupdate/luo_core.c, luo_session.c].
#include "model/kho/root_fdt.h"
#include "model/luo/state_machine.h"
#include "tests/luo/luo_fixture.h"

namespace {

using namespace baton;
using namespace baton::test;

struct Damage {
  std::function<void(LuoKernel&, PhysAddr header)> apply;
  std::optional<linux::Defect> defect;
};

Co<> preserve_and_damage(LuoKernel& kernel, Calls& calls, const Damage& damage) {
  TestHandler handler(kernel, calls);
  TestFlb flb(calls, "flb");
  CHECK(kernel.luo.register_handler(handler));
  CHECK(kernel.luo.register_flb(handler, flb));
  const int device = co_await open_device(kernel);
  const int session = co_await create_session(kernel, device, "one");
  const int file = open_test_file(kernel, 1);
  AWAIT_EQUAL(preserve_fd(kernel, session, file, 1), 0);
  AWAIT_OK(kernel.luo.reboot());
  if (damage.apply) {
    const auto fdt = kho::load_fdt(kernel.port.ram(), kernel.kho.outgoing_fdt(), sim::kPageSize);
    damage.apply(kernel, kho::find_blob(*fdt, "LUO")->address);
  }
  co_await kernel.jump();
}

Co<> open_expecting(LuoKernel& kernel, Calls& calls, int expected) {
  TestHandler handler(kernel, calls);
  CHECK(kernel.luo.register_handler(handler));
  const int device = co_await open_device(kernel);
  CHECK((expected == 0 ? device >= 0 : device == expected));
}

// The panic of the second kernel, or what opening the device gave.
std::string outcome(const Damage& damage, int expected_open = 0) {
  Calls calls;
  WorldConfig config;
  config.kernels = {linux::KernelConfig{}, linux::KernelConfig{}};
  if (damage.defect) {
    config.kernels[0].defects.add(*damage.defect);
  }
  LuoWorld world({[&](LuoKernel& kernel) { return preserve_and_damage(kernel, calls, damage); },
                  [&](LuoKernel& kernel) { return open_expecting(kernel, calls, expected_open); }},
                 std::move(config));
  world.run();
  CHECK(world.completed(1) == world.panic().empty());
  return world.panic();
}

PhysAddr address_at(LuoKernel& kernel, PhysAddr where) {
  return PhysAddr(kernel.port.ram().load<std::uint64_t>(where));
}

}  // namespace

TEST_CASE("a header that is not luo-v5 is a panic") {
  CHECK(outcome({}).empty());
  const Damage version{[](LuoKernel& kernel, PhysAddr header) {
                         kernel.port.ram().store(header + 5, std::uint8_t{'4'});
                       },
                       {}};
  CHECK(outcome(version) == "luo: incoming state is not compatible with luo-v5");
}

TEST_CASE("corrupt session blocks are a panic, corrupt file blocks make the device answer EIO") {
  const Damage nowhere{[](LuoKernel& kernel, PhysAddr header) {
                         kernel.port.ram().store(header + 16, ~std::uint64_t{0xFFF});
                       },
                       {}};
  CHECK(outcome(nowhere) == "luo: incoming session blocks are corrupt (EINVAL)");
  const Damage empty{[](LuoKernel& kernel, PhysAddr header) {
                       kernel.port.ram().store(address_at(kernel, header + 16) + 8,
                                               std::uint64_t{0});
                     },
                     {}};
  CHECK(outcome(empty) == "luo: incoming session blocks are corrupt (EINVAL)");
  const Damage miscounted{[](LuoKernel& kernel, PhysAddr header) {
                            const PhysAddr entry = address_at(kernel, header + 16) + 16;
                            kernel.port.ram().store(entry + 72, std::uint64_t{2});
                          },
                          {}};
  CHECK(outcome(miscounted, error(Errno::kIo)).empty());
  const Damage chain{[](LuoKernel& kernel, PhysAddr header) {
                       const PhysAddr entry = address_at(kernel, header + 16) + 16;
                       kernel.port.ram().store(entry + 64, std::uint64_t{0x1001});
                     },
                     {}};
  CHECK(outcome(chain, error(Errno::kIo)).empty());
}

TEST_CASE("a corrupt FLB page is a panic") {
  const Damage count{[](LuoKernel& kernel, PhysAddr header) {
                       kernel.port.ram().store(address_at(kernel, header + 24) + 8,
                                               std::uint64_t{64});
                     },
                     {}};
  CHECK(outcome(count) == "luo: the incoming FLB page is corrupt");
  const Damage nowhere{[](LuoKernel& kernel, PhysAddr header) {
                         kernel.port.ram().store(header + 24, std::uint64_t{8});
                       },
                       {}};
  CHECK(outcome(nowhere) == "luo: the incoming FLB page lies nowhere");
}

TEST_CASE("each forgotten page of LUO breaks the next kernel where a real one breaks") {
  using linux::Defect;
  CHECK(outcome({{}, Defect::kLuoSkipHeader}) ==
        "luo: incoming state is not compatible with luo-v5");
  CHECK(outcome({{}, Defect::kLuoSkipSessionBlock}) ==
        "luo: incoming session blocks are corrupt (EINVAL)");
  CHECK(outcome({{}, Defect::kLuoSkipFlbPage}) == "luo: the incoming FLB page is corrupt");
  CHECK(outcome({{}, Defect::kLuoSkipFileBlock}, error(Errno::kIo)).empty());
}

TEST_CASE("every state of LUO meets its events as the tables say") {
  luo::StateOf<luo::SessionState, luo::SessionEvent> session(luo::session_table(),
                                                             luo::SessionState::kUnretrieved);
  CHECK(session.apply(luo::SessionEvent::kRetrieve));
  CHECK(session.apply(luo::SessionEvent::kRetrieve).error() == Errno::kInval);
  CHECK(session.apply(luo::SessionEvent::kCloseBusy));
  CHECK(session.value() == luo::SessionState::kOrphan);
  CHECK_THROWS_AS(session.apply(luo::SessionEvent::kClose), sim::BugError);
  for (const auto& row : luo::session_table().rows()) {
    CHECK((!row.refused || row.next == row.state));
    CHECK(!luo::name(row.next).empty());
    CHECK(!row.source.empty());
  }
}
