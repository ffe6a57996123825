// Files, a handler and shared objects for the tests of LUO: they record every call, fail when told,
// and keep one preserved page per file.
#pragma once

#include <any>
#include <cstring>
#include <set>

#include "model/linux/uapi/liveupdate.h"
#include "model/luo/file_handler.h"
#include "tests/support/two_kernels.h"

// Catch names an expression twice, and GCC 12 then awaits it twice: await first, check then.
#define AWAIT_EQUAL(expression, expected)       \
  do {                                          \
    const auto awaited = co_await (expression); \
    INFO(#expression);                          \
    CHECK(awaited == (expected));               \
  } while (false)
#define AWAIT_DESCRIPTOR(expression)            \
  do {                                          \
    const auto awaited = co_await (expression); \
    INFO(#expression);                          \
    CHECK(awaited >= 0);                        \
  } while (false)
#define AWAIT_OK(expression)                    \
  do {                                          \
    const auto awaited = co_await (expression); \
    INFO(#expression);                          \
    CHECK(awaited.has_value());                 \
  } while (false)
#define AWAIT_ERROR(expression, expected)       \
  do {                                          \
    const auto awaited = co_await (expression); \
    INFO(#expression);                          \
    CHECK(!awaited.has_value());                \
    if (!awaited.has_value()) {                 \
      CHECK(awaited.error() == (expected));     \
    }                                           \
  } while (false)

namespace baton::test {

namespace uapi = linux::uapi;
using linux::Errno;

class TestFile final : public linux::File {
 public:
  explicit TestFile(std::uint64_t number, bool can_be_preserved = true)
      : value(number), preservable(can_be_preserved) {}
  std::string name() const override { return fmt::format("test:{}", value); }
  std::uint64_t value;
  bool preservable;
};

class TestHandler final : public luo::FileHandler {
 public:
  TestHandler(KhoKernel& kernel, std::vector<std::string>& calls,
              std::string compatible = "test-v1")
      : kernel_(kernel), calls_(calls), compatible_(std::move(compatible)) {}

  std::string_view compatible() const override { return compatible_; }
  bool can_preserve(linux::File& file) override {
    const auto* test = dynamic_cast<TestFile*>(&file);
    return test != nullptr && test->preservable;
  }
  Co<linux::Result<>> preserve(luo::FileArgs& args) override {
    const std::uint64_t value = static_cast<TestFile*>(args.file)->value;
    calls_.push_back(fmt::format("preserve {}", value));
    if (fails.contains("preserve")) co_return linux::fail(Errno::kIo);
    const PhysAddr page = *kernel_.kho.alloc_preserve(8, "test record");
    kernel_.port.ram().store(page, value);
    args.serialized_data = page.value();
    args.private_data = value;
    co_return linux::Result<>();
  }
  Co<> unpreserve(luo::FileArgs& args) override {
    calls_.push_back(fmt::format("unpreserve {}", std::any_cast<std::uint64_t>(args.private_data)));
    kernel_.kho.unpreserve_free(PhysAddr(args.serialized_data));
    co_return;
  }
  Co<linux::Result<>> freeze(luo::FileArgs& args) override {
    const std::uint64_t value = static_cast<TestFile*>(args.file)->value;
    calls_.push_back(fmt::format("freeze {}", value));
    if (fails.contains(fmt::format("freeze {}", value))) co_return linux::fail(Errno::kInval);
    co_return linux::Result<>();
  }
  Co<> unfreeze(luo::FileArgs& args) override {
    calls_.push_back(fmt::format("unfreeze {}", static_cast<TestFile*>(args.file)->value));
    co_return;
  }
  Co<linux::Result<linux::File*>> retrieve(luo::FileArgs& args) override {
    calls_.push_back("retrieve");
    const PhysAddr page(args.serialized_data);
    const auto value = kernel_.port.ram().load<std::uint64_t>(page);
    if (fails.contains("retrieve")) co_return linux::fail(Errno::kNoDev);
    co_return &kernel_.services.files().add(std::make_unique<TestFile>(value));
  }
  Co<bool> can_finish(luo::FileArgs&) override { co_return !fails.contains("can_finish"); }
  Co<> finish(luo::FileArgs& args) override {
    calls_.push_back(fmt::format("finish status {}", args.retrieve_status));
    kernel_.kho.restore_free(PhysAddr(args.serialized_data));
    co_return;
  }

  std::set<std::string> fails;

 private:
  KhoKernel& kernel_;
  std::vector<std::string>& calls_;
  std::string compatible_;
};

class TestFlb final : public luo::Flb {
 public:
  TestFlb(std::vector<std::string>& calls, std::string compatible)
      : calls_(calls), compatible_(std::move(compatible)) {}
  std::string_view compatible() const override { return compatible_; }
  Co<linux::Result<std::uint64_t>> preserve() override {
    calls_.push_back(compatible_ + " preserve");
    if (fails) co_return linux::fail(Errno::kNoMem);
    co_return 0xFEED;
  }
  Co<> unpreserve(std::uint64_t data) override {
    calls_.push_back(fmt::format("{} unpreserve {:x}", compatible_, data));
    co_return;
  }
  Co<linux::Result<>> retrieve(std::uint64_t data) override {
    calls_.push_back(fmt::format("{} retrieve {:x}", compatible_, data));
    if (fails) co_return linux::fail(Errno::kIo);
    co_return linux::Result<>();
  }
  Co<> finish() override {
    calls_.push_back(compatible_ + " finish");
    co_return;
  }
  bool fails = false;

 private:
  std::vector<std::string>& calls_;
  std::string compatible_;
};

using Calls = std::vector<std::string>;

// ioctl by descriptor, as the system call does it.
template <class T>
Co<linux::Result<std::int64_t>> call(LuoKernel& kernel, int fd, std::uint32_t command,
                                     T& argument) {
  const auto file = kernel.process.file(fd);
  if (!file) co_return linux::fail(file.error());
  co_return co_await (*file)->ioctl(kernel.process, command, uapi::bytes_of(argument));
}

inline Co<int> open_device(LuoKernel& kernel) {
  const auto device = co_await kernel.luo.open_device();
  if (!device) co_return -static_cast<int>(device.error());
  co_return *kernel.process.install(**device);
}

// Descriptor, or the negative errno.
inline Co<int> create_session(LuoKernel& kernel, int device, std::string name) {
  uapi::LiveupdateCreateSession request;
  request.name = uapi::session_name(name);
  const auto done = co_await call(kernel, device, uapi::kLiveupdateIoctlCreateSession, request);
  co_return done ? request.fd : -static_cast<int>(done.error());
}
inline Co<int> retrieve_session(LuoKernel& kernel, int device, std::string name) {
  uapi::LiveupdateRetrieveSession request;
  request.name = uapi::session_name(name);
  const auto done = co_await call(kernel, device, uapi::kLiveupdateIoctlRetrieveSession, request);
  co_return done ? request.fd : -static_cast<int>(done.error());
}
// 0, or the negative errno.
inline Co<int> preserve_fd(LuoKernel& kernel, int session, int fd, std::uint64_t token) {
  uapi::LiveupdatePreserveFd request;
  request.fd = fd;
  request.token = token;
  const auto done = co_await call(kernel, session, uapi::kLiveupdateSessionPreserveFd, request);
  co_return done ? 0 : -static_cast<int>(done.error());
}
inline Co<int> retrieve_fd(LuoKernel& kernel, int session, std::uint64_t token) {
  uapi::LiveupdateRetrieveFd request;
  request.token = token;
  const auto done = co_await call(kernel, session, uapi::kLiveupdateSessionRetrieveFd, request);
  co_return done ? request.fd : -static_cast<int>(done.error());
}
inline Co<int> finish(LuoKernel& kernel, int session) {
  uapi::LiveupdateFinish request;
  const auto done = co_await call(kernel, session, uapi::kLiveupdateSessionFinish, request);
  co_return done ? 0 : -static_cast<int>(done.error());
}

inline int open_test_file(LuoKernel& kernel, std::uint64_t value, bool preservable = true) {
  return *kernel.process.install(
      kernel.services.files().add(std::make_unique<TestFile>(value, preservable)));
}

constexpr int error(Errno errno_value) { return -static_cast<int>(errno_value); }

using LuoWorld = TwoKernels<LuoKernel>;
using LuoBody = Co<> (*)(LuoKernel&, Calls&);

inline LuoWorld::Body with(LuoBody body, Calls& calls) {
  return [body, &calls](LuoKernel& kernel) { return body(kernel, calls); };
}

}  // namespace baton::test
