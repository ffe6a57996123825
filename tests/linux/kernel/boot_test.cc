// From cold boot over kexec to the next kernel's user space.
#include <cstring>

#include "tests/linux/kernel/world.h"

namespace baton::linux::test {
namespace {

void say(Kernel& kernel, Record& record, std::string_view text) {
  record.lines.push_back(fmt::format("{} {}", kernel.services().generation(), text));
}

Co<> report(Kernel& kernel, Record& record) {
  SystemCalls calls(kernel, kernel.create_process("init"));
  const Result<std::string> line = co_await calls.read_file("/proc/cmdline");
  say(kernel, record,
      fmt::format("{} {}", sim::to_string(kernel.services().port().now()), line.value_or("none")));
}

// The reference to a session with one memfd that says "carried".
Co<> carry_memfd(Kernel& kernel, Record& record) {
  SystemCalls calls(kernel, kernel.create_process("init"));
  const Result<int> memfd = co_await calls.memfd_create("note");
  const Result<> sized = co_await calls.ftruncate(*memfd, sim::kPageSize);
  std::array<std::byte, 8> text{};
  std::memcpy(text.data(), "carried", 7);
  const Result<std::size_t> written = co_await calls.pwrite(*memfd, text, 0);
  say(kernel, record, fmt::format("wrote {}", sized ? written.value_or(0) : 0));

  const Result<int> device = co_await calls.open("/dev/liveupdate");
  uapi::LiveupdateCreateSession create{.name = uapi::session_name("s")};
  const Result<std::int64_t> created =
      co_await calls.ioctl(*device, uapi::kLiveupdateIoctlCreateSession, uapi::bytes_of(create));
  uapi::LiveupdatePreserveFd preserve{.fd = *memfd, .token = 7};
  const Result<std::int64_t> preserved =
      co_await calls.ioctl(create.fd, uapi::kLiveupdateSessionPreserveFd, uapi::bytes_of(preserve));
  say(kernel, record, created && preserved ? "preserved" : "not preserved");
  const Result<> loaded = co_await calls.kexec_file_load(1, "second kho_scratch=16M,16M,16M");
  say(kernel, record, loaded ? "loaded" : "not loaded");
  const Result<std::string> flag = co_await calls.read_file("/sys/kernel/kexec_loaded");
  say(kernel, record, "kexec_loaded " + flag->substr(0, 1));
  const Result<> rebooted = co_await calls.reboot_kexec();
  say(kernel, record, rebooted ? "never" : name(rebooted.error()));
}

Co<> take_memfd(Kernel& kernel, Record& record) {
  SystemCalls calls(kernel, kernel.create_process("init"));
  const Result<int> device = co_await calls.open("/dev/liveupdate");
  uapi::LiveupdateRetrieveSession session{.name = uapi::session_name("s")};
  const Result<std::int64_t> found =
      co_await calls.ioctl(*device, uapi::kLiveupdateIoctlRetrieveSession, uapi::bytes_of(session));
  if (!found) {
    say(kernel, record, name(found.error()));
    co_return;
  }
  uapi::LiveupdateRetrieveFd retrieve{.token = 7};
  const Result<std::int64_t> retrieved = co_await calls.ioctl(
      session.fd, uapi::kLiveupdateSessionRetrieveFd, uapi::bytes_of(retrieve));
  std::array<std::byte, 8> text{};
  const Result<std::size_t> count = co_await calls.pread(retrieve.fd, text, 0);
  std::array<char, 8> characters{};
  std::memcpy(characters.data(), text.data(), 7);
  say(kernel, record, retrieved && count ? characters.data() : "lost");
  uapi::LiveupdateFinish finish{};
  const Result<std::int64_t> finished =
      co_await calls.ioctl(session.fd, uapi::kLiveupdateSessionFinish, uapi::bytes_of(finish));
  say(kernel, record, finished ? "finished" : name(finished.error()));
}

}  // namespace

TEST_CASE("A cold boot runs every stage in order and reaches user space after its profile") {
  World world({report});
  world.run();
  std::vector<std::string> expected;
  for (const BootStep& step : boot_profile()) {
    expected.push_back(fmt::format("0 {}", step.name));
  }
  CHECK(world.record.steps == expected);
  CHECK(world.record.phases == std::vector<std::string>{"0 boot", "0 run"});
  CHECK(world.record.lines ==
        std::vector<std::string>{"0 980.103 ms kho=on liveupdate=on kho_scratch=16M,16M,16M\n"});
}

TEST_CASE("The boot profile and purgatory last 1.0 s together") {
  const host::Timing timing;
  CHECK(boot_profile_total() + timing.purgatory == sim::Duration::seconds(1));
}

TEST_CASE("A memfd goes from one kernel's user space to the next one's over kexec") {
  World world({carry_memfd, take_memfd});
  world.run();
  CHECK(world.record.lines == std::vector<std::string>{"0 wrote 8", "0 preserved", "0 loaded",
                                                       "0 kexec_loaded 1", "1 carried",
                                                       "1 finished"});
  CHECK(world.record.phases == std::vector<std::string>{"0 boot", "0 run", "0 preserve", "0 freeze",
                                                        "0 kexec", "1 boot", "1 run", "1 retrieve",
                                                        "1 finish"});
  CHECK(world.machine().generation() == 1);
}

TEST_CASE("The next kernel's command line is the loaded image's") {
  World world({carry_memfd, report});
  world.run();
  REQUIRE(world.record.lines.size() == 5);
  CHECK(world.record.lines[4].find("kho=on liveupdate=on second") != std::string::npos);
}

TEST_CASE("A kernel that cannot restore what LUO promised panics, and the hardware goes on") {
  Options options;
  options.first.defects.add(Defect::kLuoSkipHeader);
  World world({carry_memfd, take_memfd}, options);
  world.run();
  CHECK(world.machine().halted());
  CHECK(world.machine().port() == nullptr);
  CHECK_FALSE(world.record.halted.empty());
  CHECK(world.record.phases.back() == "1 boot");
}

TEST_CASE("A kernel built without live update finds nothing and offers nothing") {
  Options options;
  options.next.pieces.luo = LuoVersion::kOff;
  World world({carry_memfd,
               [](Kernel& kernel, Record& record) -> Co<> {
                 SystemCalls calls(kernel, kernel.create_process("init"));
                 const Result<int> device = co_await calls.open("/dev/liveupdate");
                 say(kernel, record, name(device.error()));
               }},
              options);
  world.run();
  CHECK(world.record.lines.back() == "1 ENOENT");
}

TEST_CASE("A kernel that follows an overwritten address takes a page fault and panics") {
  const auto follow = [](Kernel& kernel, Record& record) -> Co<> {
    kernel.services().port().ram().load<std::uint64_t>(PhysAddr(0xDEAD'0000'0000'0000));
    record.lines.push_back("went on");
    co_return;
  };
  World world({follow});
  world.run();
  CHECK(world.record.lines.empty());
  CHECK(world.record.halted.find("unable to handle page fault") == 0);
  CHECK(world.machine().halted());
}

}  // namespace baton::linux::test
