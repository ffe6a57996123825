// Sessions: their calls, their errno, their way over kexec [linux kernel/liveupdate/luo_session.c,
// luo_file.c; tools/testing/selftests/liveupdate/].
#include "tests/luo/luo_fixture.h"

namespace {

using namespace baton;
using namespace baton::test;

void run_one(LuoBody body, Calls& calls) {
  LuoWorld world({with(body, calls)});
  world.run();
  CHECK(world.panic().empty());
  CHECK(world.completed(0));
}

void run_two(LuoBody first, LuoBody second, Calls& calls, WorldConfig config = {}) {
  LuoWorld world({with(first, calls), with(second, calls)}, std::move(config));
  world.run();
  CHECK(world.panic().empty());
  CHECK(world.completed(1));
}

Co<> check_create(LuoKernel& kernel, Calls&) {
  const int device = co_await open_device(kernel);
  CHECK(device >= 0);
  AWAIT_EQUAL(open_device(kernel), error(Errno::kBusy));
  const int session = co_await create_session(kernel, device, "one");
  CHECK(session >= 0);
  AWAIT_EQUAL(create_session(kernel, device, "one"), error(Errno::kExist));
  AWAIT_EQUAL(create_session(kernel, device, ""), error(Errno::kInval));
  const std::string unterminated(64, 'X');
  AWAIT_EQUAL(create_session(kernel, device, unterminated), error(Errno::kInval));
  const std::string longest(63, 'Y');
  const int other = co_await create_session(kernel, device, longest);
  CHECK(other >= 0);
  CHECK((*kernel.process.file(other))->name() == "anon_inode:[luo_session] " + longest);
  uapi::LiveupdateGetName name;
  AWAIT_OK(call(kernel, other, uapi::kLiveupdateSessionGetName, name));
  CHECK(std::string_view(name.name.data()) == longest);
  AWAIT_EQUAL(retrieve_session(kernel, device, "one"), error(Errno::kNoEnt));
  // Sessions outlive the descriptor of the device, which can then be opened again.
  AWAIT_OK(kernel.process.close(device));
  const int again = co_await open_device(kernel);
  CHECK(again >= 0);
  AWAIT_EQUAL(create_session(kernel, again, "one"), error(Errno::kExist));
  AWAIT_OK(kernel.process.close(session));
  AWAIT_DESCRIPTOR(create_session(kernel, again, "one"));
}

Co<> check_dispatch(LuoKernel& kernel, Calls&) {
  const int device = co_await open_device(kernel);
  const int session = co_await create_session(kernel, device, "one");
  std::array<std::byte, 80> bytes{};
  const auto issue = [&](int fd, std::uint32_t command, std::uint32_t size, std::size_t there) {
    std::memcpy(bytes.data(), &size, sizeof(size));
    return (*kernel.process.file(fd))
        ->ioctl(kernel.process, command, std::span(bytes).first(there));
  };
  Co<linux::Result<std::int64_t>> call1 = issue(session, 0xBA44, 16, 16);
  AWAIT_ERROR(std::move(call1), Errno::kInval);  // number outside the table
  call1 = issue(session, 0xBA3F, 16, 16);
  AWAIT_ERROR(std::move(call1), Errno::kInval);
  call1 = issue(session, 0xBA40, 16, 3);
  AWAIT_ERROR(std::move(call1), Errno::kFault);
  call1 = issue(session, 0xBB40, 16, 16);
  AWAIT_ERROR(std::move(call1), Errno::kNoTty);
  call1 = issue(session, 0x4010BA40, 16, 16);
  AWAIT_ERROR(std::move(call1), Errno::kNoTty);
  call1 = issue(session, 0xBA41, 1, 16);  // the kind of session goes before the size
  AWAIT_ERROR(std::move(call1), Errno::kInval);
  call1 = issue(session, 0xBA40, 15, 16);
  AWAIT_ERROR(std::move(call1), Errno::kInval);
  bytes[20] = std::byte{1};
  call1 = issue(session, 0xBA40, 24, 80);
  AWAIT_ERROR(std::move(call1), Errno::kTooBig);
  bytes[20] = std::byte{0};
  call1 = issue(session, 0xBA40, 24, 20);
  AWAIT_ERROR(std::move(call1), Errno::kFault);
  const std::int32_t nobody = 900;
  std::memcpy(bytes.data() + 4, &nobody, sizeof(nobody));
  call1 = issue(session, 0xBA40, 80, 80);  // longer and zero behind: fine
  AWAIT_ERROR(std::move(call1), Errno::kBadF);
  call1 = issue(device, 0xBA02, 72, 72);
  AWAIT_ERROR(std::move(call1), Errno::kInval);
  call1 = issue(device, 0xBC00, 72, 72);
  AWAIT_ERROR(std::move(call1), Errno::kNoTty);
  uapi::LiveupdateFinish finish_request;
  AWAIT_ERROR(call(kernel, session, uapi::kLiveupdateSessionFinish, finish_request), Errno::kInval);
}

Co<> check_preserve(LuoKernel& kernel, Calls& calls) {
  TestHandler handler(kernel, calls);
  CHECK(kernel.luo.register_handler(handler));
  CHECK(kernel.luo.register_handler(handler).error() == Errno::kExist);
  const int device = co_await open_device(kernel);
  const int session = co_await create_session(kernel, device, "one");
  const int other = co_await create_session(kernel, device, "two");
  const int file = open_test_file(kernel, 1);
  const auto free_before = kernel.services.pages().free_pages();
  const int plain = open_test_file(kernel, 2, false);
  AWAIT_EQUAL(preserve_fd(kernel, session, 900, 7), error(Errno::kBadF));
  AWAIT_EQUAL(preserve_fd(kernel, session, plain, 7), error(Errno::kNoEnt));
  handler.fails = {"preserve"};
  AWAIT_EQUAL(preserve_fd(kernel, session, file, 7), error(Errno::kIo));
  CHECK(kernel.services.pages().free_pages() == free_before);  // the file block is gone again
  handler.fails.clear();
  AWAIT_EQUAL(preserve_fd(kernel, session, file, 7), 0);
  AWAIT_EQUAL(preserve_fd(kernel, session, plain, 7), error(Errno::kExist));
  AWAIT_EQUAL(preserve_fd(kernel, session, file, 8), error(Errno::kBusy));
  AWAIT_EQUAL(preserve_fd(kernel, other, file, 7), error(Errno::kBusy));
  const int second = open_test_file(kernel, 2);
  AWAIT_EQUAL(preserve_fd(kernel, session, second, 8), 0);
  AWAIT_OK(kernel.process.close(second));  // LUO holds its own reference
  calls.clear();
  AWAIT_OK(kernel.process.close(session));
  CHECK(calls == Calls{"unpreserve 2", "unpreserve 1"});
  CHECK(kernel.services.pages().free_pages() == free_before);
  AWAIT_EQUAL(preserve_fd(kernel, other, file, 7), 0);  // free for another session
}

}  // namespace

TEST_CASE("creating sessions: names, duplicates, one opener of the device") {
  Calls calls;
  run_one(check_create, calls);
}

TEST_CASE("requests are refused in the documented order") {
  Calls calls;
  run_one(check_dispatch, calls);
}

TEST_CASE("preserving a file: tokens, identities, handlers, undo, close of the session") {
  Calls calls;
  run_one(check_preserve, calls);
}

namespace {

Co<> preserve_three(LuoKernel& kernel, Calls& calls) {
  TestHandler handler(kernel, calls);
  CHECK(kernel.luo.register_handler(handler));
  const int device = co_await open_device(kernel);
  AWAIT_DESCRIPTOR(create_session(kernel, device, "empty"));
  const int session = co_await create_session(kernel, device, "full");
  for (int i = 0; i < 3; ++i) {
    const int file = open_test_file(kernel, static_cast<std::uint64_t>(100 + i));
    AWAIT_EQUAL(preserve_fd(kernel, session, file, static_cast<std::uint64_t>(i)), 0);
  }
  AWAIT_OK(kernel.kexec());
}

Co<> retrieve_three(LuoKernel& kernel, Calls& calls) {
  TestHandler handler(kernel, calls);
  CHECK(kernel.luo.register_handler(handler));
  const int device = co_await open_device(kernel);
  AWAIT_EQUAL(retrieve_session(kernel, device, "none"), error(Errno::kNoEnt));
  AWAIT_DESCRIPTOR(retrieve_session(kernel, device, "empty"));
  const int session = co_await retrieve_session(kernel, device, "full");
  CHECK(session >= 0);
  AWAIT_EQUAL(retrieve_session(kernel, device, "full"), error(Errno::kInval));
  AWAIT_DESCRIPTOR(create_session(kernel, device, "full"));  // no conflict with incoming
  AWAIT_EQUAL(preserve_fd(kernel, session, session, 9), error(Errno::kInval));
  AWAIT_EQUAL(retrieve_fd(kernel, session, 9), error(Errno::kNoEnt));
  const int two = co_await retrieve_fd(kernel, session, 2);  // any order
  const int zero = co_await retrieve_fd(kernel, session, 0);
  const int again = co_await retrieve_fd(kernel, session, 2);
  CHECK(dynamic_cast<TestFile&>(**kernel.process.file(two)).value == 102);
  CHECK(dynamic_cast<TestFile&>(**kernel.process.file(zero)).value == 100);
  CHECK(*kernel.process.file(again) == *kernel.process.file(two));
  uapi::LiveupdateFinish request;
  request.reserved = 1;
  AWAIT_ERROR(call(kernel, session, uapi::kLiveupdateSessionFinish, request), Errno::kInval);
  handler.fails = {"can_finish"};
  AWAIT_EQUAL(finish(kernel, session), error(Errno::kBusy));
  handler.fails.clear();
  // Preserved again only once the old session has let go of it.
  const int next = co_await create_session(kernel, device, "next");
  AWAIT_EQUAL(preserve_fd(kernel, next, two, 1), error(Errno::kBusy));
  calls.clear();
  AWAIT_EQUAL(finish(kernel, session), 0);
  CHECK(calls == Calls{"finish status 1", "finish status 0", "finish status 1"});
  AWAIT_EQUAL(finish(kernel, session), 0);
  AWAIT_EQUAL(retrieve_fd(kernel, session, 2), error(Errno::kNoEnt));
  AWAIT_EQUAL(retrieve_session(kernel, device, "full"), error(Errno::kInval));
  AWAIT_OK(kernel.process.close(session));
  AWAIT_EQUAL(retrieve_session(kernel, device, "full"), error(Errno::kNoEnt));
  AWAIT_EQUAL(preserve_fd(kernel, next, two, 1), 0);
}

Co<> failing_retrieve(LuoKernel& kernel, Calls& calls) {
  TestHandler handler(kernel, calls);
  CHECK(kernel.luo.register_handler(handler));
  const int device = co_await open_device(kernel);
  const int session = co_await retrieve_session(kernel, device, "full");
  handler.fails = {"retrieve"};
  calls.clear();
  AWAIT_EQUAL(retrieve_fd(kernel, session, 0), error(Errno::kNoDev));
  handler.fails.clear();
  AWAIT_EQUAL(retrieve_fd(kernel, session, 0), error(Errno::kNoDev));  // sticky
  CHECK(calls == Calls{"retrieve"});
  // Closed while a file cannot finish: nobody will ever get it again.
  handler.fails = {"can_finish"};
  AWAIT_OK(kernel.process.close(session));
  AWAIT_EQUAL(retrieve_session(kernel, device, "full"), error(Errno::kInval));
}

Co<> close_finishes(LuoKernel& kernel, Calls& calls) {
  TestHandler handler(kernel, calls);
  CHECK(kernel.luo.register_handler(handler));
  const int device = co_await open_device(kernel);
  const int session = co_await retrieve_session(kernel, device, "full");
  calls.clear();
  AWAIT_OK(kernel.process.close(session));
  CHECK(calls == Calls{"finish status 0", "finish status 0", "finish status 0"});
  AWAIT_EQUAL(retrieve_session(kernel, device, "full"), error(Errno::kNoEnt));
}

Co<> without_handler(LuoKernel& kernel, Calls&) {
  AWAIT_EQUAL(open_device(kernel), error(Errno::kIo));
  AWAIT_EQUAL(open_device(kernel), error(Errno::kIo));
}

}  // namespace

TEST_CASE("files come back under their tokens, in any order, until the session is finished") {
  Calls calls;
  run_two(preserve_three, retrieve_three, calls);
}

TEST_CASE("a failed retrieve is final, and a session closed before it can finish is an orphan") {
  Calls calls;
  run_two(preserve_three, failing_retrieve, calls);
}

TEST_CASE("closing a retrieved session finishes it") {
  Calls calls;
  run_two(preserve_three, close_finishes, calls);
}

TEST_CASE("a session whose handler is missing makes the device unusable for good") {
  Calls calls;
  run_two(preserve_three, without_handler, calls);
}

namespace {

// Freeze fails in the second file of the second session; then it succeeds.
Co<> roll_back_and_retry(LuoKernel& kernel, Calls& calls) {
  TestHandler handler(kernel, calls);
  CHECK(kernel.luo.register_handler(handler));
  const int device = co_await open_device(kernel);
  for (int s = 0; s < 2; ++s) {
    const int session = co_await create_session(kernel, device, fmt::format("s{}", s));
    for (int i = 0; i < 3; ++i) {
      const int file = open_test_file(kernel, static_cast<std::uint64_t>(s * 10 + i));
      AWAIT_EQUAL(preserve_fd(kernel, session, file, static_cast<std::uint64_t>(i)), 0);
    }
  }
  calls.clear();
  handler.fails = {"freeze 11"};
  AWAIT_ERROR(kernel.luo.reboot(), Errno::kInval);
  CHECK(calls == Calls{"freeze 0", "freeze 1", "freeze 2", "freeze 10", "freeze 11", "unfreeze 10",
                       "unfreeze 0", "unfreeze 1", "unfreeze 2"});
  handler.fails.clear();
  AWAIT_DESCRIPTOR(create_session(kernel, device, "still usable"));
  AWAIT_OK(kernel.kexec());
}

Co<> all_are_there(LuoKernel& kernel, Calls& calls) {
  TestHandler handler(kernel, calls);
  CHECK(kernel.luo.register_handler(handler));
  const int device = co_await open_device(kernel);
  const int session = co_await retrieve_session(kernel, device, "s1");
  const int file = co_await retrieve_fd(kernel, session, 1);
  CHECK(dynamic_cast<TestFile&>(**kernel.process.file(file)).value == 11);
  AWAIT_DESCRIPTOR(retrieve_session(kernel, device, "still usable"));
}

Co<> touch_after_serialize(LuoKernel& kernel, Calls& calls) {
  TestHandler handler(kernel, calls);
  CHECK(kernel.luo.register_handler(handler));
  const int device = co_await open_device(kernel);
  const int session = co_await create_session(kernel, device, "one");
  AWAIT_OK(kernel.luo.reboot());
  calls.emplace_back("serialized");
  uapi::LiveupdateGetName name;
  static_cast<void>(co_await call(kernel, session, uapi::kLiveupdateSessionGetName, name));
  calls.emplace_back("returned");
}

}  // namespace

TEST_CASE("a failed freeze is undone in the documented order and the reboot can be retried") {
  Calls calls;
  run_two(roll_back_and_retry, all_are_there, calls);
}

TEST_CASE("after a successful serialization no session operation ever returns") {
  Calls calls;
  LuoWorld world({with(touch_after_serialize, calls)});
  world.run();
  CHECK(calls.back() == "serialized");
  CHECK(!world.completed(0));
}

namespace {

Co<> many(LuoKernel& kernel, Calls& calls) {
  TestHandler handler(kernel, calls);
  CHECK(kernel.luo.register_handler(handler));
  const int device = co_await open_device(kernel);
  int session = 0;
  for (int i = 0; i < 51; ++i) {
    session = co_await create_session(kernel, device, fmt::format("session {}", i));
    CHECK(session >= 0);
  }
  // A refused duplicate at a full block leaves no empty block behind.
  AWAIT_EQUAL(create_session(kernel, device, "session 3"), error(Errno::kExist));
  for (std::uint64_t i = 0; i < 64; ++i) {
    const int file = open_test_file(kernel, i);
    AWAIT_EQUAL(preserve_fd(kernel, session, file, i), 0);
  }
  AWAIT_OK(kernel.kexec());
}

Co<> find_many(LuoKernel& kernel, Calls& calls) {
  TestHandler handler(kernel, calls);
  CHECK(kernel.luo.register_handler(handler));
  const int device = co_await open_device(kernel);
  const int session = co_await retrieve_session(kernel, device, "session 50");
  for (std::uint64_t i = 0; i < 64; ++i) {
    const int file = co_await retrieve_fd(kernel, session, i);
    CHECK(dynamic_cast<TestFile&>(**kernel.process.file(file)).value == i);
  }
  AWAIT_EQUAL(finish(kernel, session), 0);
}

Co<> descriptors_run_out(LuoKernel& kernel, Calls&) {
  const int device = co_await open_device(kernel);
  while (kernel.process.has_free_descriptor()) {
    open_test_file(kernel, 0);
  }
  // Before any look at the name.
  AWAIT_EQUAL(create_session(kernel, device, ""), error(Errno::kMFile));
  AWAIT_EQUAL(retrieve_session(kernel, device, "none"), error(Errno::kMFile));
}

Co<> disabled(LuoKernel& kernel, Calls& calls) {
  TestHandler handler(kernel, calls);
  TestFlb flb(calls, "flb");
  CHECK(!kernel.luo.enabled());
  CHECK(kernel.luo.register_handler(handler).error() == Errno::kOpNotSupp);
  CHECK(kernel.luo.register_flb(handler, flb).error() == Errno::kOpNotSupp);
  AWAIT_EQUAL(open_device(kernel), error(Errno::kNoEnt));
  AWAIT_ERROR(kernel.luo.get_incoming(flb), Errno::kOpNotSupp);
  AWAIT_OK(kernel.luo.reboot());
}

}  // namespace

TEST_CASE("sessions and files that fill more than one block come back") {
  Calls calls;
  run_two(many, find_many, calls);
}

TEST_CASE("without a free descriptor nothing else is looked at") {
  Calls calls;
  run_one(descriptors_run_out, calls);
}

TEST_CASE("without liveupdate=on, and without KHO, there is no LUO") {
  for (const char* line : {"kho_scratch=16M,16M,16M", "kho=off liveupdate=on"}) {
    Calls calls;
    WorldConfig config;
    config.command_lines = {line};
    LuoWorld world({with(disabled, calls)}, config);
    world.run();
    CHECK(world.completed(0));
  }
}
