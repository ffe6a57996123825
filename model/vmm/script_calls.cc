// What each kind of a script's calls does; those on memory are in script_memory.cc.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "model/vmm/script_processes.h"
#include "model/vmm/script_values.h"

namespace baton::vmm {

using linux::Errno;
using linux::fail;
using linux::Result;

namespace {

constexpr std::uint64_t kPageBytes = 4096;
constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 20;  // of one read

int descriptor_of(const RunningProcess& process, const ScriptCall& call, unsigned index) {
  return static_cast<int>(value_of(process, call.subject, index));
}

std::string quoted(std::string_view bytes) {
  std::string text;
  for (const char c : bytes.substr(0, 48)) {
    const auto byte = static_cast<unsigned char>(c);
    text += byte >= 0x20 && byte < 0x7F ? std::string(1, c) : fmt::format("\\x{:02x}", byte);
  }
  return fmt::format("\"{}\"{}", text, bytes.size() > 48 ? "..." : "");
}

template <class T>
Result<std::int64_t> number_result(const Result<T>& result) {
  if (!result) return fail(result.error());
  return static_cast<std::int64_t>(*result);
}

Result<std::int64_t> nothing_result(const Result<>& result) {
  if (!result) return fail(result.error());
  return 0;
}

void put(std::span<std::byte> buffer, const linux::uapi::IoctlField& field, std::int64_t value) {
  std::memcpy(buffer.data() + field.offset, &value,
              std::min<std::size_t>(sizeof(value), field.bytes));
}

std::int64_t get(std::span<const std::byte> buffer, const linux::uapi::IoctlField& field) {
  if (field.type == linux::uapi::FieldType::kDescriptor) {
    std::int32_t descriptor = 0;
    std::memcpy(&descriptor, buffer.data() + field.offset, sizeof(descriptor));
    return descriptor;
  }
  std::uint64_t value = 0;
  std::memcpy(&value, buffer.data() + field.offset,
              std::min<std::size_t>(sizeof(value), field.bytes));
  return static_cast<std::int64_t>(value);
}

// The argument of an ioctl as bytes: the struct, what stands behind it, and the caller's size.
std::vector<std::byte> argument_of(const RunningProcess& process, const ScriptCall& call,
                                   unsigned index) {
  const std::uint32_t bytes = call.row != nullptr ? call.row->bytes : 8;
  const auto behind = static_cast<std::uint32_t>(call.eventfds.size() * sizeof(std::int32_t));
  const std::uint32_t size = call.size.value_or(bytes + behind);
  std::vector<std::byte> buffer(std::max(size, bytes + behind));
  const bool sized = call.row == nullptr || call.row->sized;
  if (sized && buffer.size() >= sizeof(size)) std::memcpy(buffer.data(), &size, sizeof(size));
  if (call.tail != 0 && buffer.size() > bytes) buffer[bytes] = std::byte{call.tail};
  for (const ScriptField& field : call.fields) {
    if (field.field->type == linux::uapi::FieldType::kText) {
      const std::string text = with_index(field.value, index);
      std::memcpy(buffer.data() + field.field->offset, text.data(),
                  std::min<std::size_t>(text.size(), field.field->bytes));
    } else {
      put(buffer, *field.field, value_of(process, field.value, index));
    }
  }
  for (std::size_t i = 0; i < call.eventfds.size(); ++i) {
    const auto descriptor = static_cast<std::int32_t>(value_of(process, call.eventfds[i], index));
    std::memcpy(buffer.data() + bytes + i * sizeof(descriptor), &descriptor, sizeof(descriptor));
  }
  return buffer;
}

// What is wrong with the answer's fields.
std::string compare_fields(const RunningProcess& process, const ScriptCall& call,
                           std::span<const std::byte> buffer, unsigned index) {
  for (const ScriptField& given : call.gives) {
    const linux::uapi::IoctlField& field = *given.field;
    if (field.offset + field.bytes > buffer.size()) continue;
    if (field.type == linux::uapi::FieldType::kText) {
      std::string text(field.bytes, '\0');
      std::memcpy(text.data(), buffer.data() + field.offset, field.bytes);
      text.resize(::strnlen(text.data(), text.size()));
      const std::string wanted = with_index(given.value, index);
      if (text != wanted) {
        return fmt::format("gives {} {} instead of {}", field.name, quoted(text), quoted(wanted));
      }
      continue;
    }
    const std::int64_t value = get(buffer, field);
    const std::int64_t wanted = value_of(process, given.value, index);
    if (value != wanted) {
      return fmt::format("gives {} {:#x} instead of {:#x}", field.name, value, wanted);
    }
  }
  return "";
}

}  // namespace

// The binder has refused names that nothing makes; a result of a call that never came to it is as
// good as a closed descriptor.
std::int64_t value_of(const RunningProcess& process, std::string_view text, unsigned index) {
  const std::string word = with_index(text, index);
  if (const auto found = process.results.find(word); found != process.results.end()) {
    return found->second;
  }
  return number_of(word).value_or(-1);
}

std::int64_t value_of(const RunningProcess& process, const ScriptCall& call, std::string_view key,
                      unsigned index, std::int64_t otherwise) {
  const std::string* text = operand(call, key);
  return text == nullptr ? otherwise : value_of(process, *text, index);
}

std::string compare_content(const ScriptCall& call, std::string_view read, unsigned index) {
  if (!call.content) return "";
  const std::string wanted =
      call.content_is_text ? with_index(*call.content, index) : *call.content;
  if (call.content_is_text) read = read.substr(0, read.find('\0'));
  if (read == wanted) return "";
  return fmt::format("reads {} instead of {}", quoted(read), quoted(wanted));
}

Co<ScriptProcesses::Answer> ScriptProcesses::dispatch(RunningProcess& process,
                                                      const ScriptCall& call, unsigned index) {
  switch (call.kind) {
    case CallKind::kIoctl:
      return ioctl(process, call, index);
    case CallKind::kRead:
    case CallKind::kPread:
      return read(process, call, index);
    case CallKind::kWrite:
    case CallKind::kPwrite:
      return write(process, call, index);
    case CallKind::kMmap:
    case CallKind::kMunmap:
    case CallKind::kLoad:
    case CallKind::kStore:
    case CallKind::kPeek:
    case CallKind::kPoke:
    case CallKind::kWaitFor:
    case CallKind::kMovdir64b:
    case CallKind::kFill:
    case CallKind::kCompare:
      return memory(process, call, index);
    case CallKind::kFork:
    case CallKind::kKill:
    case CallKind::kWaitpid:
    case CallKind::kSendmsg:
    case CallKind::kRecvmsg:
    case CallKind::kSleep:
    case CallKind::kPause:
      return on_process(process, call, index);
    case CallKind::kKexecFileLoad:
    case CallKind::kReboot:
      return reboot(process, call);
    default:
      return on_file(process, call, index);
  }
}

Co<ScriptProcesses::Answer> ScriptProcesses::on_file(RunningProcess& process,
                                                     const ScriptCall& call, unsigned index) {
  linux::SystemCalls& calls = process.calls;
  Answer answer;
  if (call.kind == CallKind::kOpen) {
    std::string path = with_index(call.subject, index);
    answer.value = number_result(co_await calls.open(std::move(path)));
  } else if (call.kind == CallKind::kMemfdCreate) {
    std::string name = with_index(call.subject, index);
    const auto flags = static_cast<std::uint32_t>(call.flags);
    answer.value = number_result(co_await calls.memfd_create(std::move(name), flags));
  } else if (call.kind == CallKind::kEventfd) {
    answer.value = number_result(co_await calls.eventfd());
  } else if (call.kind == CallKind::kSetrlimit) {
    const auto most = static_cast<std::uint64_t>(value_of(process, call, "value", index, 0));
    answer.value = nothing_result(co_await calls.setrlimit_nofile(most));
  } else {
    const int fd = descriptor_of(process, call, index);
    if (call.kind == CallKind::kClose) {
      answer.value = nothing_result(co_await calls.close(fd));
    } else if (call.kind == CallKind::kDup) {
      answer.value = number_result(co_await calls.dup(fd));
    } else if (call.kind == CallKind::kFtruncate) {
      const auto length = static_cast<std::uint64_t>(value_of(process, call, "length", index, 0));
      answer.value = nothing_result(co_await calls.ftruncate(fd, length));
    } else if (call.kind == CallKind::kLseek) {
      const std::int64_t offset = value_of(process, call, "offset", index, 0);
      answer.value = number_result(co_await calls.lseek(fd, offset, static_cast<int>(call.flags)));
    } else if (call.kind == CallKind::kFcntl) {
      if (call.flags != 0) {
        answer.value = nothing_result(
            co_await calls.fcntl_add_seals(fd, static_cast<std::uint32_t>(call.flags)));
      } else {
        answer.value = number_result(co_await calls.fcntl_get_seals(fd));
      }
    } else if (call.kind == CallKind::kReadlink) {
      const Result<std::string> link = co_await calls.read_link(fd);
      if (!link) {
        answer.value = fail(link.error());
      } else {
        answer.value = static_cast<std::int64_t>(link->size());
        answer.wrong = compare_content(call, *link, index);
      }
    }
  }
  co_return answer;
}

Co<ScriptProcesses::Answer> ScriptProcesses::read(RunningProcess& process, const ScriptCall& call,
                                                  unsigned index) {
  const int fd = descriptor_of(process, call, index);
  const std::int64_t wanted =
      call.content ? static_cast<std::int64_t>(with_index(*call.content, index).size())
                   : static_cast<std::int64_t>(kPageBytes);
  const auto length = static_cast<std::uint64_t>(value_of(process, call, "length", index, wanted));
  std::string buffer(std::min(length, kMostBytes), '\0');
  const std::span<std::byte> bytes = std::as_writable_bytes(std::span(buffer));
  Answer answer;
  if (call.kind == CallKind::kPread) {
    const auto offset = static_cast<std::uint64_t>(value_of(process, call, "offset", index, 0));
    answer.value = number_result(co_await process.calls.pread(fd, bytes, offset));
  } else {
    answer.value = number_result(co_await process.calls.read(fd, bytes));
  }
  if (answer.value) {
    buffer.resize(static_cast<std::size_t>(*answer.value));
    answer.wrong = compare_content(call, buffer, index);
  }
  co_return answer;
}

Co<ScriptProcesses::Answer> ScriptProcesses::write(RunningProcess& process, const ScriptCall& call,
                                                   unsigned index) {
  const int fd = descriptor_of(process, call, index);
  const std::string content =
      call.content_is_text ? with_index(*call.content, index) : *call.content;
  const std::span<const std::byte> bytes = std::as_bytes(std::span(content));
  Answer answer;
  if (call.kind == CallKind::kPwrite) {
    const auto offset = static_cast<std::uint64_t>(value_of(process, call, "offset", index, 0));
    answer.value = number_result(co_await process.calls.pwrite(fd, bytes, offset));
  } else {
    answer.value = number_result(co_await process.calls.write(fd, bytes));
  }
  co_return answer;
}

Co<ScriptProcesses::Answer> ScriptProcesses::ioctl(RunningProcess& process, const ScriptCall& call,
                                                   unsigned index) {
  const int fd = static_cast<int>(value_of(process, call, "on", index, -1));
  std::vector<std::byte> buffer = argument_of(process, call, index);
  std::span<std::byte> argument(buffer);
  if (call.memory == ArgumentMemory::kUnmapped) argument = {};
  process.process.set_answers_fault(call.memory == ArgumentMemory::kReadOnly);
  Answer answer;
  answer.value = co_await process.calls.ioctl(fd, call.command, argument);
  process.process.set_answers_fault(false);
  if (answer.value && call.row != nullptr) {
    answer.wrong = compare_fields(process, call, buffer, index);
    if (const auto* result = linux::uapi::field_of(*call.row, call.row->result)) {
      answer.value = get(buffer, *result);
    }
  }
  co_return answer;
}

Co<ScriptProcesses::Answer> ScriptProcesses::on_process(RunningProcess& process,
                                                        const ScriptCall& call, unsigned index) {
  sim::Context& context = environment_.context();
  Answer answer;
  const std::string name = with_index(call.subject, index);
  if (call.kind == CallKind::kSleep) {
    co_await process.calls.sleep(sim::Duration::picoseconds(number_of(name).value_or(0)));
  } else if (call.kind == CallKind::kPause) {
    while (!process.killed) {
      sim::WaitNode node(context, context.actor(), "pause");
      co_await process.signal.wait(context, node);
    }
    answer.value = fail(Errno::kIntr);
  } else if (call.kind == CallKind::kFork) {
    running_.push_back(std::make_unique<RunningProcess>(environment_.kernel(), name));
    RunningProcess& child = *running_.back();
    process.process.share_descriptors(child.process);
    child.results = process.results;
    environment_.spawn(run_calls(child, call.child));
  } else if (call.kind == CallKind::kSendmsg) {
    answer = send(process, call, index);
  } else if (call.kind == CallKind::kRecvmsg) {
    answer = co_await receive(process);
  } else {
    RunningProcess* other = find(name);
    if (other == nullptr || other->ended) {
      answer.value = fail(call.kind == CallKind::kKill ? Errno::kSrch : Errno::kChild);
    } else if (call.kind == CallKind::kKill) {
      other->killed = true;
      other->signal.wake_all();
      other->sent.wake_all();
    } else {
      while (!other->ended) {
        sim::WaitNode node(context, context.actor(), "waitpid");
        co_await other->ending.wait(context, node);
      }
    }
  }
  co_return answer;
}

// SCM_RIGHTS [linux net/core/scm.c]: the open file, under a number of the receiver's.
ScriptProcesses::Answer ScriptProcesses::send(RunningProcess& process, const ScriptCall& call,
                                              unsigned index) {
  Answer answer;
  RunningProcess* other = find(with_index(call.subject, index));
  if (other == nullptr || other->killed || other->leaving) {
    answer.value = fail(Errno::kPipe);
    return answer;
  }
  const auto fd = static_cast<int>(value_of(process, call, "fd", index, -1));
  const Result<int> given = process.process.send_descriptor(fd, other->process);
  if (given) {
    other->received.push_back(*given);
    other->sent.wake_all();
  } else {
    answer.value = fail(given.error());
  }
  return answer;
}

Co<ScriptProcesses::Answer> ScriptProcesses::receive(RunningProcess& process) {
  sim::Context& context = environment_.context();
  Answer answer;
  while (process.received.empty() && !process.killed) {
    sim::WaitNode node(context, context.actor(), "recvmsg");
    co_await process.sent.wait(context, node);
  }
  if (process.killed) {
    answer.value = fail(Errno::kIntr);
  } else {
    answer.value = process.received.front();
    process.received.pop_front();
  }
  co_return answer;
}

Co<ScriptProcesses::Answer> ScriptProcesses::reboot(RunningProcess& process,
                                                    const ScriptCall& call) {
  Answer answer;
  if (call.kind == CallKind::kKexecFileLoad) {
    const std::size_t last = config_.next_kernels.size() - 1;
    const KernelFile& file =
        config_.next_kernels[std::min<std::size_t>(environment_.generation(), last)];
    answer.value =
        nothing_result(co_await process.calls.kexec_file_load(file.index, file.command_line));
  } else {
    answer.value = nothing_result(co_await process.calls.reboot_kexec());
  }
  co_return answer;
}

}  // namespace baton::vmm
