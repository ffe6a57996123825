// Processes whose system calls a scenario writes down: what is refused of them, and that a wrong
// answer is told with its place.

#include "harness/report/text_report.h"
#include "harness/run/host_builder.h"
#include "harness/run/run.h"
#include "tests/support/source_dir.h"

using namespace baton;
using namespace baton::harness;

namespace {

std::string with_calls(std::string_view calls) {
  return fmt::format(
      "baton: 1\ntitle: t\nmachine: {{memory: 4GiB, topology: {{lspci: hosts/flat.lspci}}}}\n"
      "processes:\n  - name: test\n    calls:\n{}expect: [{{holds: all}}]\n",
      calls);
}

Loaded load(std::string_view calls) {
  return check_scenario_text("s.yaml", with_calls(calls), testing::source_dir() + "/scenarios");
}

struct Refusal {
  const char* calls;
  const char* message;
  const char* note;
};

constexpr Refusal kRefusals[] = {
    {"      - {opne: /dev/null}\n", "unknown call \"opne\"", "did you mean \"open\"?"},
    {"      - {ioctl: LIVEUPDATE_SESSION_FINISHED, on: 3}\n",
     "unknown ioctl \"LIVEUPDATE_SESSION_FINISHED\"",
     "did you mean \"LIVEUPDATE_SESSION_FINISH\"?"},
    {"      - {open: /dev/null, as: null0}\n      - {close: nul0}\n",
     "close: nothing is called \"nul0\"", "did you mean \"null0\"?"},
    {"      - {ioctl: LIVEUPDATE_SESSION_PRESERVE_FD, on: 3, fd: 4, tokn: 1}\n",
     "ioctl has no \"tokn\"", "did you mean \"token\"?"},
    {"      - {close: 1, fails: EBADFF}\n", "unknown errno \"EBADFF\"", "did you mean \"EBADF\"?"},
    {"      - {close: 1, as: x}\n", "close makes nothing to name", ""},
    {"      - {open: /dev/null, as: x, fails: ENOENT}\n", "a call that fails has no result", ""},
    {"      - {open: /dev/null, as: x, repeat: 2}\n", "every repetition has the same name", "x%i"},
    {"      - {ioctl: LIVEUPDATE_SESSION_FINISH}\n", "key \"on\" is missing", ""},
    {"      - {fcntl: 3, seals: [F_SEAL_GROWN]}\n", "seals: unknown \"F_SEAL_GROWN\"",
     "did you mean \"F_SEAL_GROW\"?"},
    {"      - {write: 3}\n", "nothing to write", ""},
    {"      - {write: 3, bytes: 0g}\n", "bytes: pairs of hexadecimal digits", ""},
    {"      - {sleep: 3}\n", "sleep: cannot read \"3\"", ""},
    {"      - {kill: nobody}\n", "no process \"nobody\"", ""},
    {"      - {reboot: now}\n", "reboot: \"now\" is not known here", "only \"kexec\" is"},
    {"      - {fork: test, calls: [{pause: forever}]}\n", "two processes are called \"test\"", ""},
    {"      - {open: /dev/null, repeat: 0}\n", "repeat: 1 to 100000", ""},
    {"      - {ioctl: LIVEUPDATE_IOCTL_CREATE_SESSION, on: 3, size: 70000}\n", "size: 0 to 65536",
     ""},
    {"      - {ioctl: LIVEUPDATE_SESSION_GET_NAME, on: 3, gives: {nam: x}}\n",
     "LIVEUPDATE_SESSION_GET_NAME has no \"nam\"", "did you mean \"name\"?"},
    {"      - {ioctl: VFIO_DEVICE_BIND_IOMMUFD, on: 3, flags: 0x100000000}\n", "flags: 32 bits",
     ""},
    {"      - {ioctl: IOMMU_IOAS_ALLOC, on: 3, argument: read-only}\n",
     "argument: read-only memory is seen by requests to LUO alone", ""},
    {"      - {peek: 4096, width: 3}\n", "width: 1, 2, 4 or 8", ""},
    {"      - {poke: 4096}\n", "key \"value\" is missing", ""},
    {"      - {poke: 4096, value: 1, stride: 8}\n", "a stride is for calls that are repeated", ""},
    {"      - {wait_for: 4096, value: 1, every: 0ms}\n", "every: cannot read \"0ms\"",
     "it is longer than nothing"},
    {"      - {wait_for: 4096, value: 1, timeout: 3}\n", "timeout: cannot read \"3\"", ""},
    {"      - {fill: 4096, length: 8}\n", "it has one content", ""},
    {"      - {compare: 4096, length: 8, value: 1, with: 8192}\n", "it has one content", ""},
    {"      - {compare: 4096, length: 8, value: 1, at: 8}\n", "at is a place in what with names",
     ""},
    {"      - {}\n", "a call is a mapping like {open: /dev/null, as: null}", ""},
};

RunResult run(const Loaded& loaded) {
  INFO(loaded.errors());
  REQUIRE(loaded.good());
  return run_scenario(loaded, {});
}

}  // namespace

TEST_CASE("what is wrong with a call is told, with what was probably meant") {
  for (const Refusal& refusal : kRefusals) {
    INFO(refusal.calls);
    const Loaded loaded = load(refusal.calls);
    REQUIRE_FALSE(loaded.good());
    const Diagnostic first = loaded.diagnostics.sorted().front();
    CHECK(first.message == refusal.message);
    CHECK(first.caret_note.find(refusal.note) != std::string::npos);
    CHECK(first.at.line >= 7);
  }
}

TEST_CASE("a process of a kernel that never starts is refused") {
  std::string text = with_calls("      - {open: /dev/null}\n");
  text.insert(text.find("    calls:"), "    kernel: 1\n");
  const Loaded loaded = check_scenario_text("s.yaml", text, testing::source_dir() + "/scenarios");
  REQUIRE_FALSE(loaded.good());
  CHECK(loaded.diagnostics.sorted().front().message == "kernel 1 never starts");
}

TEST_CASE("right answers are no violation") {
  const RunResult result = run(load(
      "      - {open: /dev/liveupdate, as: luo}\n"
      "      - {open: /dev/liveupdate, fails: EBUSY}\n"
      "      - {ioctl: LIVEUPDATE_IOCTL_CREATE_SESSION, on: luo, name: s, as: session}\n"
      "      - {ioctl: LIVEUPDATE_SESSION_GET_NAME, on: session, gives: {name: s}}\n"
      "      - {memfd_create: m, as: m%i, repeat: 3}\n"
      "      - {write: m%i, text: data-%i, repeat: 3, returns: 6}\n"
      "      - {lseek: m2, offset: -1, whence: SEEK_END, returns: 5}\n"
      "      - {read: m2, length: 9, text: \"2\", returns: 1}\n"
      "      - {pread: m1, length: 6, bytes: 64 61 74 61 2d 31}\n"
      "      - {fcntl: m1, returns: 1}\n"
      "      - {ioctl: LIVEUPDATE_SESSION_PRESERVE_FD, on: session, fd: m%i, token: \"%i\","
      " repeat: 3}\n"
      "      - {dup: m1, as: again}\n"
      "      - {ioctl: LIVEUPDATE_SESSION_PRESERVE_FD, on: session, fd: again, token: 9,"
      " fails: EBUSY}\n"
      "      - {ioctl: 0xBA50, on: session, fails: EINVAL}\n"
      "      - {ioctl: LIVEUPDATE_SESSION_FINISH, on: session, argument: unmapped, fails: EFAULT}\n"
      "      - {open: /dev/null, as: nothing}\n"
      "      - {read: nothing, returns: 0}\n"
      "      - {mmap: anonymous, length: 8KiB, prot: [PROT_WRITE], as: p}\n"
      "      - {store: p, offset: 4000, bytes: 01 02}\n"
      "      - {load: p, offset: 4001, bytes: 02 00}\n"
      "      - {munmap: p}\n"
      "      - {load: p, text: x, fails: EFAULT}\n"
      "      - {fork: child, calls: [{read: m0, text: \"\"}, {pause: forever}]}\n"
      "      - {sleep: 1ms}\n"
      "      - {kill: child}\n"
      "      - {waitpid: child}\n"
      "      - {waitpid: child, fails: ECHILD}\n"
      "      - {kill: child, fails: ESRCH}\n"
      "      - {setrlimit: RLIMIT_NOFILE, value: 7}\n"
      "      - {eventfd: 0, fails: EMFILE}\n"
      "      - {reboot: kexec, fails: EINVAL}\n"));
  INFO(format_story(result, Detail::kFigures) << format_failures(result));
  CHECK(result.passed());
}

TEST_CASE("a descriptor is passed over a socket: the open file, for as long as either has it") {
  const std::string processes =
      "baton: 1\ntitle: t\nmachine:\n  memory: 4GiB\n  topology: {lspci: hosts/flat.lspci}\n"
      "processes:\n"
      "  - name: heir\n"
      "    calls:\n"
      "      - {recvmsg: descriptor, as: m, returns: 0}\n"
      "      - {sleep: 2ms}\n"  // until the giver has ended
      "      - {lseek: m, offset: 0}\n"
      "      - {read: m, text: given}\n"
      "  - name: victim\n"
      "    calls: [{recvmsg: descriptor, as: never}, {close: never}]\n"
      "  - name: giver\n"
      "    at: 1ms\n"
      "    calls:\n"
      "      - {memfd_create: m, as: m}\n"
      "      - {write: m, text: given}\n"
      "      - {sendmsg: heir, fd: 77, fails: EBADF}\n"
      "      - {sendmsg: heir, fd: m}\n"
      "      - {kill: victim}\n"
      "      - {sendmsg: victim, fd: m, fails: EPIPE}\n"
      "      - {waitpid: victim}\n"
      "expect: [{holds: [process-calls, memory-not-leaked]}]\n";
  const std::string folder = testing::source_dir() + "/scenarios";
  const RunResult result = run(check_scenario_text("s.yaml", processes, folder));
  INFO(format_story(result, Detail::kFigures) << format_failures(result));
  CHECK(result.passed());  // the victim dies waiting, and makes no further call
  CHECK(check_scenario_text("s.yaml", with_calls("      - {recvmsg: file}\n"), folder)
            .errors()
            .contains("only \"descriptor\" is"));
}

TEST_CASE("loads and stores of memory: numbers, lines of 64 bytes, whole regions") {
  const RunResult result = run(load(
      "      - {memfd_create: m, as: m}\n"
      "      - {ftruncate: m, length: 16KiB}\n"
      "      - {mmap: m, length: 16KiB, prot: [PROT_READ, PROT_WRITE], as: p}\n"
      "      - {mmap: m, offset: 8KiB, length: 8KiB, prot: [PROT_READ], as: upper}\n"
      "      - {poke: p, offset: 8, width: 8, value: 0x8000000000000001}\n"
      "      - {peek: p, offset: 8, value: 1}\n"
      "      - {peek: p, offset: 14, width: 2, mask: 0xFF00, value: 0x8000}\n"
      "      - {peek: p, offset: 8, width: 8, value: 0x8000000000000001, as: word}\n"
      "      - {poke: p, offset: 9000, width: 8, value: word}\n"
      "      - {peek: upper, offset: 808, width: 8, value: word}\n"
      "      - {poke: p, value: \"%i\", repeat: 4, stride: 64}\n"
      "      - {load: p, offset: 192, bytes: 03 00}\n"
      "      - {store: p, offset: 4, text: n%i, repeat: 3, stride: 64}\n"
      "      - {load: p, offset: 132, text: n2}\n"
      "      - {movdir64b: p, offset: 8192, from: p, at: 64, repeat: 2, stride: 64}\n"
      "      - {compare: upper, length: 64, with: p, at: 128}\n"
      "      - {fill: p, offset: 10, length: 5000, value: 0x78}\n"
      "      - {compare: p, offset: 4096, length: 900, value: 0x78}\n"
      "      - {fill: p, length: 8KiB, pattern: 7}\n"
      "      - {fill: p, offset: 8KiB, length: 8KiB, pattern: 7}\n"
      "      - {compare: upper, length: 8KiB, with: p}\n"
      "      - {compare: upper, length: 8KiB, pattern: 7}\n"
      "      - {fork: later, calls: [{sleep: 3ms}, {mmap: m, length: 4KiB, prot: [PROT_WRITE],"
      " as: q}, {poke: q, width: 1, value: 5}]}\n"
      "      - {wait_for: p, width: 1, value: 5, timeout: 10ms}\n"
      "      - {wait_for: p, width: 1, value: 6, every: 100us, timeout: 1ms, fails: ETIMEDOUT}\n"
      "      - {poke: upper, value: 1, fails: EFAULT}\n"
      "      - {fill: p, length: 20KiB, value: 1, fails: EFAULT}\n"
      "      - {compare: p, length: 20KiB, with: upper, fails: EFAULT}\n"
      "      - {movdir64b: p, offset: 32, from: p, fails: EFAULT}\n"
      "      - {movdir64b: p, from: p, at: 16KiB, fails: EFAULT}\n"
      "      - {peek: 0, fails: EFAULT}\n"));
  INFO(format_story(result, Detail::kFigures) << format_failures(result));
  CHECK(result.passed());
}

TEST_CASE("a number and a region that are not as they must be end the process") {
  constexpr std::string_view kMemory =
      "      - {mmap: anonymous, length: 8KiB, prot: [PROT_WRITE], as: p}\n"
      "      - {poke: p, offset: 4100, value: 0x12345678}\n";
  constexpr std::array<std::pair<const char*, const char*>, 4> kCases{{
      {"{peek: p, offset: 4100, mask: 0xFFFF, value: 1}", "reads 0x5678 instead of 0x1"},
      {"{compare: p, length: 8KiB, value: 0}", "has 0x78 instead of 0x00 at 0x1004"},
      {"{compare: p, length: 4KiB, with: p, at: 8}", "has 0x00 instead of 0x78 at 0xffc"},
      {"{wait_for: p, value: 1, timeout: 2ms}", "fails with ETIMEDOUT"},
  }};
  for (const auto& [call, seen] : kCases) {
    INFO(call);
    const RunResult result = run(load(fmt::format("{}      - {}\n", kMemory, call)));
    REQUIRE(result.violations.size() == 1);
    CHECK(result.violations.front().id == "process-calls");
    CHECK(result.violations.front().seen == seen);
  }
}

TEST_CASE("a wrong errno, a wrong value and a wrong content are told with their place") {
  struct Case {
    const char* call;
    const char* expected;
    const char* seen;
  };
  constexpr Case kCases[] = {
      {"{open: /dev/null, fails: EBUSY}", "fails with EBUSY", "returns 0"},
      {"{open: /nowhere}", "succeeds", "fails with ENOENT"},
      {"{close: 7, fails: EINVAL}", "fails with EINVAL", "fails with EBADF"},
      {"{eventfd: 0, returns: 1}", "returns 1", "returns 0"},
      {"{sleep: 1ms, blocks: true}", "does not return", "returns 0"},
  };
  for (const Case& wrong : kCases) {
    INFO(wrong.call);
    const RunResult result = run(load(fmt::format("      - {}\n", wrong.call)));
    REQUIRE(result.violations.size() == 1);
    const Violation& violation = result.violations.front();
    CHECK(violation.id == "process-calls");
    CHECK(violation.subject.find("process test of kernel 0, s.yaml:7:9: {") == 0);
    CHECK(violation.expected == wrong.expected);
    CHECK(violation.seen == wrong.seen);
  }
}

TEST_CASE("a call that does not return, and calls that are not made, are violations") {
  const RunResult stuck =
      run(load("      - {fork: child, calls: [{pause: forever}]}\n      - {waitpid: child}\n"));
  REQUIRE(stuck.violations.size() == 1);
  CHECK(stuck.violations.front().seen == "it has not returned");
  std::string late = with_calls("      - {sleep: 1s}\n      - {open: /dev/null}\n");
  late.insert(late.find("expect:"), "end: 100ms\n");
  const RunResult cut =
      run(check_scenario_text("s.yaml", late, testing::source_dir() + "/scenarios"));
  REQUIRE(cut.violations.size() == 1);
  CHECK(cut.violations.front().seen == "it has not returned");
}

TEST_CASE("--expand writes the calls as they stand") {
  const Loaded loaded = load("      - {open: \"/dev/null\", as: x}\n      - {close: x}\n");
  REQUIRE(loaded.good());
  const std::string text = expand(loaded);
  CHECK(text.find("- {open: /dev/null, as: x}") != std::string::npos);
  CHECK(text.find("- {close: x}") != std::string::npos);
}
