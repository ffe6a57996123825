// File-lifecycle-bound objects [linux kernel/liveupdate/luo_flb.c].
#include "tests/luo/luo_fixture.h"

namespace {

using namespace baton;
using namespace baton::test;

Co<> preserve_shared(LuoKernel& kernel, Calls& calls) {
  TestHandler handler(kernel, calls);
  TestFlb a(calls, "a");
  TestFlb b(calls, "b");
  CHECK(kernel.luo.register_flb(handler, a).error() == Errno::kInval);  // no such handler yet
  CHECK(kernel.luo.register_handler(handler));
  CHECK(kernel.luo.register_flb(handler, a));
  CHECK(kernel.luo.register_flb(handler, a).error() == Errno::kExist);
  CHECK(kernel.luo.register_flb(handler, b));
  TestFlb same_name(calls, "b");
  CHECK(kernel.luo.register_flb(handler, same_name).error() == Errno::kExist);
  const int device = co_await open_device(kernel);
  const int session = co_await create_session(kernel, device, "one");
  const int file = open_test_file(kernel, 1);
  const int other = open_test_file(kernel, 2);
  CHECK(kernel.luo.get_outgoing(a).error() == Errno::kNoEnt);

  b.fails = true;
  AWAIT_EQUAL(preserve_fd(kernel, session, file, 1), error(Errno::kNoMem));
  CHECK(calls == Calls{"a preserve", "b preserve", "a unpreserve feed"});
  b.fails = false;

  calls.clear();
  AWAIT_EQUAL(preserve_fd(kernel, session, file, 1), 0);
  AWAIT_EQUAL(preserve_fd(kernel, session, other, 2), 0);
  CHECK(calls == Calls{"a preserve", "b preserve", "preserve 1", "preserve 2"});
  CHECK(kernel.luo.get_outgoing(a));

  calls.clear();
  AWAIT_OK(kernel.process.close(session));
  CHECK(calls == Calls{"unpreserve 2", "unpreserve 1", "b unpreserve feed", "a unpreserve feed"});

  const int next = co_await create_session(kernel, device, "two");
  AWAIT_EQUAL(preserve_fd(kernel, next, file, 1), 0);
  AWAIT_EQUAL(preserve_fd(kernel, next, other, 2), 0);
  AWAIT_OK(kernel.kexec());
}

Co<> use_shared(LuoKernel& kernel, Calls& calls) {
  calls.clear();
  TestHandler handler(kernel, calls);
  TestFlb a(calls, "a");
  TestFlb b(calls, "b");
  TestFlb unknown(calls, "unknown");
  // Before any handler is registered, as enumeration does it.
  AWAIT_OK(kernel.luo.get_incoming(a));
  AWAIT_OK(kernel.luo.get_incoming(a));
  CHECK(calls == Calls{"a retrieve feed"});
  co_await kernel.luo.put_incoming(a);
  co_await kernel.luo.put_incoming(a);
  AWAIT_ERROR(kernel.luo.get_incoming(unknown), Errno::kNoEnt);
  CHECK(kernel.luo.register_handler(handler));
  CHECK(kernel.luo.register_flb(handler, a));
  CHECK(kernel.luo.register_flb(handler, b));
  const int device = co_await open_device(kernel);
  const int session = co_await retrieve_session(kernel, device, "two");
  AWAIT_DESCRIPTOR(retrieve_fd(kernel, session, 1));
  calls.clear();
  AWAIT_EQUAL(finish(kernel, session), 0);
  // b was never asked for: it is retrieved to be finished, with the true count.
  CHECK(calls ==
        Calls{"finish status 0", "finish status 1", "b retrieve feed", "b finish", "a finish"});
  AWAIT_ERROR(kernel.luo.get_incoming(a), Errno::kNoData);
}

Co<> sticky(LuoKernel& kernel, Calls& calls) {
  calls.clear();
  TestFlb a(calls, "a");
  a.fails = true;
  AWAIT_ERROR(kernel.luo.get_incoming(a), Errno::kIo);
  a.fails = false;
  AWAIT_ERROR(kernel.luo.get_incoming(a), Errno::kIo);
  CHECK(calls == Calls{"a retrieve feed"});
}

Co<> limit(LuoKernel& kernel, Calls& calls) {
  TestHandler handler(kernel, calls);
  CHECK(kernel.luo.register_handler(handler));
  std::vector<std::unique_ptr<TestFlb>> flbs;
  for (int i = 0; i < 64; ++i) {
    flbs.push_back(std::make_unique<TestFlb>(calls, fmt::format("flb {}", i)));
    const auto registered = kernel.luo.register_flb(handler, *flbs.back());
    CHECK(registered.has_value() == (i < 63));
    CHECK((i < 63 || registered.error() == Errno::kNoSpc));
  }
  TestFlb nameless(calls, std::string(48, 'x'));
  CHECK(kernel.luo.register_flb(handler, nameless).error() == Errno::kInval);
  AWAIT_ERROR(kernel.luo.get_incoming(*flbs[0]), Errno::kNoData);
}

}  // namespace

TEST_CASE("a shared object lives from the first file's preserve to the last file's finish") {
  Calls calls;
  LuoWorld world({with(preserve_shared, calls), with(use_shared, calls)});
  world.run();
  CHECK(world.completed(1));
}

TEST_CASE("a shared object that cannot be retrieved stays so") {
  Calls calls;
  LuoWorld world({with(preserve_shared, calls), with(sticky, calls)});
  world.run();
  CHECK(world.completed(1));
}

TEST_CASE("63 shared objects can be registered") {
  Calls calls;
  LuoWorld world({with(limit, calls)});
  world.run();
  CHECK(world.completed(0));
}
