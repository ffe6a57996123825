// The memory of a script's processes: mappings, loads and stores. On a mapped BAR a load or a store
// of 1, 2, 4 or 8 bytes is one access of that width, as a compiled program makes it, and movdir64b
// is one posted write of 64 bytes. None of them takes simulated time; only the pauses of wait_for
// do.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "model/vmm/script_processes.h"
#include "model/vmm/script_values.h"

namespace baton::vmm {

using linux::Errno;
using linux::fail;
using linux::Result;

namespace {

constexpr std::uint64_t kPageBytes = 4096;
constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 20;  // of one load
constexpr std::int64_t kLineBytes = 64;
constexpr std::int64_t kDwordBytes = 4;
constexpr std::int64_t kEveryPs = 1'000'000'000;        // usleep(1000), as the selftests' drivers
constexpr std::int64_t kTimeoutPs = 5'000'000'000'000;  // 5000 tries

// Bytes that differ from one 8-byte word to the next and from one seed to another [splitmix64,
// Steele et al., OOPSLA 2014].
std::uint64_t pattern_word(std::uint64_t seed, std::uint64_t index) {
  std::uint64_t z = seed + (index + 1) * 0x9E37'79B9'7F4A'7C15;
  z = (z ^ (z >> 30)) * 0xBF58'476D'1CE4'E5B9;
  z = (z ^ (z >> 27)) * 0x94D0'49BB'1331'11EB;
  return z ^ (z >> 31);
}

// What bytes of a region are to be: one byte all over, or a pattern.
struct Content {
  std::optional<std::uint64_t> seed;
  std::uint8_t byte = 0;

  void write(std::uint64_t at, std::span<std::byte> to) const {
    for (std::size_t i = 0; i < to.size(); ++i) {
      const std::uint64_t place = at + i;
      to[i] = seed ? static_cast<std::byte>(pattern_word(*seed, place / 8) >> (place % 8 * 8))
                   : std::byte{byte};
    }
  }
};

}  // namespace

std::uint64_t ScriptProcesses::offset_of(const RunningProcess& process, const ScriptCall& call,
                                         std::string_view key, unsigned index) {
  const auto offset = static_cast<std::uint64_t>(value_of(process, call, key, index, 0));
  const auto stride = static_cast<std::uint64_t>(value_of(process, call, "stride", index, 0));
  return offset + stride * index;
}

UserAddr ScriptProcesses::place_of(const RunningProcess& process, const ScriptCall& call,
                                   unsigned index) {
  const UserAddr start(static_cast<std::uint64_t>(value_of(process, call.subject, index)));
  return start + offset_of(process, call, "offset", index);
}

Co<ScriptProcesses::Answer> ScriptProcesses::map(RunningProcess& process, const ScriptCall& call,
                                                 unsigned index) {
  Answer answer;
  const auto offset = static_cast<std::uint64_t>(value_of(process, call, "offset", index, 0));
  const auto length = static_cast<std::uint64_t>(value_of(process, call, "length", index, 0));
  if (call.kind == CallKind::kMunmap) {
    const UserAddr start(static_cast<std::uint64_t>(value_of(process, call.subject, index)));
    const auto whole = process.mapped.find(with_index(call.subject, index));
    const std::uint64_t all = whole == process.mapped.end() ? kPageBytes : whole->second;
    const Result<> done = co_await process.calls.munmap(start, length != 0 ? length : all);
    if (!done) answer.value = fail(done.error());
    co_return answer;
  }
  Result<UserAddr> mapped = fail(Errno::kInval);
  if (call.subject == "anonymous") {
    mapped = co_await process.calls.mmap_anonymous(length);
  } else {
    const int fd = static_cast<int>(value_of(process, call.subject, index));
    mapped = co_await process.calls.mmap(fd, offset, length, (call.flags & 2) != 0);
  }
  answer.value = mapped ? Result<std::int64_t>(static_cast<std::int64_t>(mapped->value()))
                        : fail(mapped.error());
  if (mapped && !call.as.empty()) process.mapped[with_index(call.as, index)] = length;
  co_return answer;
}

Co<ScriptProcesses::Answer> ScriptProcesses::memory(RunningProcess& process, const ScriptCall& call,
                                                    unsigned index) {
  switch (call.kind) {
    case CallKind::kMmap:
    case CallKind::kMunmap:
      co_return co_await map(process, call, index);
    case CallKind::kWaitFor:
      co_return co_await wait_for(process, call, index);
    case CallKind::kPeek:
      co_return peek(process, call, index);
    case CallKind::kPoke:
      co_return poke(process, call, index);
    case CallKind::kMovdir64b:
      co_return movdir64b(process, call, index);
    case CallKind::kFill:
    case CallKind::kCompare:
      co_return sweep(process, call, index);
    default:
      co_return bytes(process, call, index);
  }
}

ScriptProcesses::Answer ScriptProcesses::bytes(RunningProcess& process, const ScriptCall& call,
                                               unsigned index) {
  Answer answer;
  const UserAddr start = place_of(process, call, index);
  std::string content;
  if (call.content) {
    content = call.content_is_text ? with_index(*call.content, index) : *call.content;
  }
  Result<> done;
  if (call.kind == CallKind::kStore) {
    done = process.process.store(start, std::as_bytes(std::span(content)));
  } else {
    const auto length = static_cast<std::uint64_t>(value_of(process, call, "length", index, 0));
    const std::size_t wanted = call.content ? content.size() : kPageBytes;
    std::string buffer(std::min<std::uint64_t>(length != 0 ? length : wanted, kMostBytes), '\0');
    done = process.process.load(start, std::as_writable_bytes(std::span(buffer)));
    if (done) answer.wrong = compare_content(call, buffer, index);
  }
  if (!done) answer.value = fail(done.error());
  return answer;
}

// A number of 1, 2, 4 or 8 bytes, as one access; of it the bits that `mask` has.
ScriptProcesses::Answer ScriptProcesses::peek(RunningProcess& process, const ScriptCall& call,
                                              unsigned index) {
  Answer answer;
  const auto width = static_cast<std::size_t>(value_of(process, call, "width", index, kDwordBytes));
  std::uint64_t read = 0;
  const std::span<std::byte> to = std::as_writable_bytes(std::span(&read, 1));
  const Result<> done = width > sizeof(read)
                            ? fail(Errno::kInval)
                            : process.process.load(place_of(process, call, index), to.first(width));
  if (!done) {
    answer.value = fail(done.error());
    return answer;
  }
  const std::int64_t seen =
      static_cast<std::int64_t>(read) & value_of(process, call, "mask", index, -1);
  answer.value = seen;
  if (operand(call, "value") == nullptr) return answer;
  const std::int64_t wanted = value_of(process, call, "value", index, 0);
  if (seen != wanted)
    answer.wrong = fmt::format("reads {:#x} instead of {:#x}", static_cast<std::uint64_t>(seen),
                               static_cast<std::uint64_t>(wanted));
  return answer;
}

ScriptProcesses::Answer ScriptProcesses::poke(RunningProcess& process, const ScriptCall& call,
                                              unsigned index) {
  Answer answer;
  const auto width = static_cast<std::size_t>(value_of(process, call, "width", index, kDwordBytes));
  const std::int64_t value = value_of(process, call, "value", index, 0);
  const std::span<const std::byte> from = std::as_bytes(std::span(&value, 1));
  const Result<> done =
      width > sizeof(value)
          ? fail(Errno::kInval)
          : process.process.store(place_of(process, call, index), from.first(width));
  if (!done) answer.value = fail(done.error());
  return answer;
}

// ETIMEDOUT. EINTR: it was killed meanwhile.
Co<ScriptProcesses::Answer> ScriptProcesses::wait_for(RunningProcess& process,
                                                      const ScriptCall& call, unsigned index) {
  const sim::Duration every =
      sim::Duration::picoseconds(value_of(process, call, "every", index, kEveryPs));
  const sim::Duration timeout =
      sim::Duration::picoseconds(value_of(process, call, "timeout", index, kTimeoutPs));
  for (sim::Duration waited;;) {
    Answer answer = peek(process, call, index);
    if (!answer.value || answer.wrong.empty()) co_return answer;
    if (process.killed || waited >= timeout) {
      environment_.print(sim::LogLevel::kWarning, process.name, "{}: {} after {}",
                         with_index(call.text, index), answer.wrong, sim::to_string(waited));
      answer.value = fail(process.killed ? Errno::kIntr : Errno::kTimedOut);
      answer.wrong.clear();
      co_return answer;
    }
    const sim::Duration step = std::min(every, timeout - waited);
    co_await process.calls.sleep(step);
    waited += step;
  }
}

ScriptProcesses::Answer ScriptProcesses::movdir64b(RunningProcess& process, const ScriptCall& call,
                                                   unsigned index) {
  Answer answer;
  const UserAddr from(static_cast<std::uint64_t>(value_of(process, call, "from", index, 0)));
  const UserAddr portal(static_cast<std::uint64_t>(value_of(process, call.subject, index)));
  const auto offset = static_cast<std::uint64_t>(value_of(process, call, "offset", index, 0));
  std::array<std::byte, kLineBytes> line{};
  Result<> done = process.process.load(from + offset_of(process, call, "at", index), line);
  if (done) done = process.process.store_64bytes(portal + offset, line);
  if (!done) answer.value = fail(done.error());
  return answer;
}

// Writes a region, or compares it: with a content, or with another region.
ScriptProcesses::Answer ScriptProcesses::sweep(RunningProcess& process, const ScriptCall& call,
                                               unsigned index) {
  Answer answer;
  Content content;
  content.byte = static_cast<std::uint8_t>(value_of(process, call, "value", index, 0));
  if (operand(call, "pattern") != nullptr) {
    content.seed = static_cast<std::uint64_t>(value_of(process, call, "pattern", index, 0));
  }
  const bool with_other = operand(call, "with") != nullptr;
  const UserAddr other =
      UserAddr(static_cast<std::uint64_t>(value_of(process, call, "with", index, 0))) +
      offset_of(process, call, "at", index);
  const UserAddr start = place_of(process, call, index);
  const auto length = static_cast<std::uint64_t>(value_of(process, call, "length", index, 0));
  std::array<std::byte, kPageBytes> wanted{};
  std::array<std::byte, kPageBytes> seen{};
  for (std::uint64_t at = 0; at < length && answer.wrong.empty(); at += kPageBytes) {
    const auto step = static_cast<std::size_t>(std::min(kPageBytes, length - at));
    const std::span<std::byte> right = std::span(wanted).first(step);
    const std::span<std::byte> there = std::span(seen).first(step);
    Result<> done;
    if (with_other) {
      done = process.process.load(other + at, right);
    } else {
      content.write(at, right);
    }
    if (done) {
      done = call.kind == CallKind::kFill ? process.process.store(start + at, right)
                                          : process.process.load(start + at, there);
    }
    if (!done) {
      answer.value = fail(done.error());
      return answer;
    }
    if (call.kind == CallKind::kFill) continue;
    const auto [found, expected] = std::ranges::mismatch(there, right);
    if (found == there.end()) continue;
    answer.wrong = fmt::format("has {:#04x} instead of {:#04x} at {:#x}",
                               static_cast<unsigned>(*found), static_cast<unsigned>(*expected),
                               at + static_cast<std::uint64_t>(found - there.begin()));
  }
  return answer;
}

}  // namespace baton::vmm
