#include "harness/scenario/call_rows.h"

#include <algorithm>
#include <array>
#include <set>

namespace baton::harness {
namespace {

using K = vmm::CallKind;
using T = CallKeyType;
constexpr bool kMust = true;
constexpr bool kMay = false;

constexpr std::array kCommon{
    CallKey{"as", T::kName, kMay, "what later calls name the result by"},
    CallKey{"fails", T::kErrno, kMay,
            "the errno that must come back; without it the call succeeds"},
    CallKey{"returns", T::kNumber, kMay, "the value that must come back"},
    CallKey{"blocks", T::kBoolean, kMay, "true: it must not return while this kernel lives"},
    CallKey{"repeat", T::kNumber, kMay,
            "make it this often; %i in names and texts is the number of the repetition, from 0"},
};

constexpr CallKey kLengthMust{"length", T::kOperand, kMust, "bytes"};
constexpr CallKey kLength{"length", T::kOperand, kMay, "bytes; by default those of the content"};
constexpr CallKey kOffset{"offset", T::kOperand, kMay, "from here"};
constexpr CallKey kTextKey{"text", T::kText, kMay, "the content, up to a NUL"};
constexpr CallKey kBytesKey{"bytes", T::kBytes, kMay, "the content, in hexadecimal"};

constexpr std::array kReadKeys{kLength, kTextKey, kBytesKey};
constexpr std::array kPreadKeys{kOffset, kLength, kTextKey, kBytesKey};
constexpr std::array kWriteKeys{kTextKey, kBytesKey};
constexpr std::array kPwriteKeys{kOffset, kTextKey, kBytesKey};
constexpr std::array kFtruncateKeys{kLengthMust};
constexpr std::array kMemfdKeys{CallKey{"flags", T::kFlags, kMay, "MFD_*"}};
constexpr std::array kLseekKeys{kOffset, CallKey{"whence", T::kFlags, kMay, "SEEK_SET by default"}};
constexpr std::array kFcntlKeys{
    CallKey{"seals", T::kFlags, kMay, "F_ADD_SEALS of these; without them F_GET_SEALS"}};
constexpr std::array kMmapKeys{kOffset, kLengthMust, CallKey{"prot", T::kFlags, kMay, "PROT_*"}};
constexpr std::array kMunmapKeys{CallKey{"length", T::kOperand, kMay, "bytes; all by default"}};
constexpr CallKey kStride{"stride", T::kOperand, kMay, "added to offset with each repetition"};
constexpr CallKey kWidth{"width", T::kOperand, kMay, "1, 2, 4 or 8 bytes; 4 by default"};
constexpr CallKey kMask{"mask", T::kOperand, kMay, "the bits that count; all by default"};
constexpr std::array kLoadKeys{kOffset, kLength, kTextKey, kBytesKey, kStride};
constexpr std::array kStoreKeys{kOffset, kTextKey, kBytesKey, kStride};
constexpr std::array kPeekKeys{kOffset, kWidth, kMask,
                               CallKey{"value", T::kOperand, kMay, "what must be read"}, kStride};
constexpr std::array kPokeKeys{kOffset, kWidth,
                               CallKey{"value", T::kOperand, kMust, "what is written"}, kStride};
constexpr std::array kWaitForKeys{
    kOffset,
    kWidth,
    kMask,
    CallKey{"value", T::kOperand, kMust, "what must be read at last"},
    CallKey{"every", T::kDuration, kMay, "between two looks; 1ms by default"},
    CallKey{"timeout", T::kDuration, kMay, "5s by default; ETIMEDOUT then"}};
constexpr std::array kMovdir64bKeys{
    kOffset, CallKey{"from", T::kOperand, kMust, "memory that holds the 64 bytes"},
    CallKey{"at", T::kOperand, kMay, "from here in it"},
    CallKey{"stride", T::kOperand, kMay, "added to at with each repetition"}};
constexpr CallKey kByteKey{"value", T::kOperand, kMay, "this byte all over, as memset"};
constexpr CallKey kPatternKey{"pattern", T::kOperand, kMay,
                              "words that all differ, by the seed that this is"};
constexpr std::array kFillKeys{kOffset, kLengthMust, kByteKey, kPatternKey};
constexpr std::array kCompareKeys{
    kOffset,
    kLengthMust,
    kByteKey,
    kPatternKey,
    CallKey{"with", T::kOperand, kMay, "equal to this other memory, as memcmp"},
    CallKey{"at", T::kOperand, kMay, "from here in the other memory"}};
constexpr std::array kReadlinkKeys{kTextKey};
constexpr std::array kRlimitKeys{CallKey{"value", T::kOperand, kMust, "descriptors"}};
constexpr std::array kForkKeys{CallKey{"calls", T::kCalls, kMust, "what the child does"}};
constexpr std::array kSendmsgKeys{CallKey{"fd", T::kOperand, kMust, "the descriptor"}};
constexpr std::array kIoctlKeys{
    CallKey{"on", T::kOperand, kMust, "the descriptor that it is made on"},
    CallKey{"gives", T::kFields, kMay, "fields of the answer, with what they must hold"},
    CallKey{"eventfds", T::kOperands, kMay, "descriptors that follow the struct, s32 each"},
    CallKey{"tail", T::kNumber, kMay, "first byte behind the struct, when size is larger"},
    CallKey{"argument", T::kMemory, kMay, "the memory that holds the struct; writable by default"},
};

constexpr std::array kMemfdFlags{CallFlag{"MFD_CLOEXEC", 1}, CallFlag{"MFD_ALLOW_SEALING", 2},
                                 CallFlag{"MFD_HUGETLB", 4}};
constexpr std::array kWhence{CallFlag{"SEEK_SET", 0}, CallFlag{"SEEK_CUR", 1},
                             CallFlag{"SEEK_END", 2}};
constexpr std::array kSeals{CallFlag{"F_SEAL_SEAL", 1},          CallFlag{"F_SEAL_SHRINK", 2},
                            CallFlag{"F_SEAL_GROW", 4},          CallFlag{"F_SEAL_WRITE", 8},
                            CallFlag{"F_SEAL_FUTURE_WRITE", 16}, CallFlag{"F_SEAL_EXEC", 32}};
constexpr std::array kProt{CallFlag{"PROT_READ", 1}, CallFlag{"PROT_WRITE", 2}};

constexpr std::array kRows{
    CallRow{"open",
            K::kOpen,
            T::kPath,
            {},
            {},
            true,
            "open(path, O_RDWR)",
            "{open: /dev/liveupdate, as: luo}"},
    CallRow{"close", K::kClose, T::kOperand, {}, {}, false, "close(fd)", "{close: luo}"},
    CallRow{"dup", K::kDup, T::kOperand, {}, {}, true, "dup(fd)", "{dup: luo, as: again}"},
    CallRow{"ioctl",
            K::kIoctl,
            T::kRequest,
            kIoctlKeys,
            {},
            true,
            "ioctl(on, request, struct); the struct's fields are keys, under their own names; its "
            "size is filled in",
            "{ioctl: LIVEUPDATE_SESSION_PRESERVE_FD, on: session, fd: m1, token: 0x1A}"},
    CallRow{"memfd_create", K::kMemfdCreate, T::kPath, kMemfdKeys, kMemfdFlags, true,
            "memfd_create(name, flags)", "{memfd_create: m1, flags: [MFD_ALLOW_SEALING], as: m1}"},
    CallRow{"ftruncate",
            K::kFtruncate,
            T::kOperand,
            kFtruncateKeys,
            {},
            false,
            "ftruncate(fd, length)",
            "{ftruncate: m1, length: 4KiB}"},
    CallRow{"read",
            K::kRead,
            T::kOperand,
            kReadKeys,
            {},
            false,
            "read(fd) from the file's position; the content must be this",
            "{read: m1, text: hello}"},
    CallRow{"write",
            K::kWrite,
            T::kOperand,
            kWriteKeys,
            {},
            false,
            "write(fd)",
            "{write: m1, text: hello}"},
    CallRow{"pread",
            K::kPread,
            T::kOperand,
            kPreadKeys,
            {},
            false,
            "pread(fd)",
            "{pread: m1, offset: 4096, text: hello}"},
    CallRow{"pwrite",
            K::kPwrite,
            T::kOperand,
            kPwriteKeys,
            {},
            false,
            "pwrite(fd)",
            "{pwrite: m1, offset: 4096, text: hello}"},
    CallRow{"lseek", K::kLseek, T::kOperand, kLseekKeys, kWhence, false,
            "lseek(fd, offset, whence)", "{lseek: m1, offset: 0}"},
    CallRow{"fcntl", K::kFcntl, T::kOperand, kFcntlKeys, kSeals, false, "seals of a memfd",
            "{fcntl: m1, seals: [F_SEAL_GROW]}"},
    CallRow{"mmap", K::kMmap, T::kOperand, kMmapKeys, kProt, true,
            "mmap(fd, offset, length, prot, MAP_SHARED); `anonymous` for memory without a file",
            "{mmap: m1, length: 4KiB, prot: [PROT_READ, PROT_WRITE], as: p}"},
    CallRow{"munmap",
            K::kMunmap,
            T::kOperand,
            kMunmapKeys,
            {},
            false,
            "munmap(address, length)",
            "{munmap: p}"},
    CallRow{"load",
            K::kLoad,
            T::kOperand,
            kLoadKeys,
            {},
            false,
            "reads mapped memory; EFAULT stands for SIGSEGV and SIGBUS",
            "{load: p, text: hello}"},
    CallRow{"store",
            K::kStore,
            T::kOperand,
            kStoreKeys,
            {},
            false,
            "writes mapped memory",
            "{store: p, text: hello}"},
    CallRow{"peek",
            K::kPeek,
            T::kOperand,
            kPeekKeys,
            {},
            true,
            "one load of a number from mapped memory or from a register of a mapped BAR",
            "{peek: registers, offset: 0xA8, mask: 0xFF, value: 0}"},
    CallRow{"poke",
            K::kPoke,
            T::kOperand,
            kPokeKeys,
            {},
            false,
            "one store of a number",
            "{poke: registers, offset: 0xA0, value: 0x500000}"},
    CallRow{"wait_for",
            K::kWaitFor,
            T::kOperand,
            kWaitForKeys,
            {},
            false,
            "peek again and again, asleep in between, until the number is there",
            "{wait_for: record, width: 1, value: 1, timeout: 1s}"},
    CallRow{"movdir64b",
            K::kMovdir64b,
            T::kOperand,
            kMovdir64bKeys,
            {},
            false,
            "one store of 64 bytes that lie in memory, as to the portal of a DSA",
            "{movdir64b: portal, from: descriptors, at: 64}"},
    CallRow{"fill",
            K::kFill,
            T::kOperand,
            kFillKeys,
            {},
            false,
            "writes a region of mapped memory",
            "{fill: p, length: 4KiB, pattern: 1}"},
    CallRow{"compare",
            K::kCompare,
            T::kOperand,
            kCompareKeys,
            {},
            false,
            "reads a region of mapped memory, which must have this content",
            "{compare: p, length: 4KiB, with: q, at: 4KiB}"},
    CallRow{"eventfd",
            K::kEventfd,
            T::kNumber,
            {},
            {},
            true,
            "eventfd(value)",
            "{eventfd: 0, as: irq}"},
    CallRow{"readlink",
            K::kReadlink,
            T::kOperand,
            kReadlinkKeys,
            {},
            false,
            "readlink(/proc/self/fd/N)",
            "{readlink: session, text: \"anon_inode:[luo_session] s\"}"},
    CallRow{"setrlimit",
            K::kSetrlimit,
            T::kWord,
            kRlimitKeys,
            {},
            false,
            "setrlimit(RLIMIT_NOFILE, value)",
            "{setrlimit: RLIMIT_NOFILE, value: 2032}"},
    CallRow{"fork",
            K::kFork,
            T::kName,
            kForkKeys,
            {},
            false,
            "a child that has the descriptors and the names, not the mappings",
            "{fork: daemon, calls: [{pause: forever}]}"},
    CallRow{"kill",
            K::kKill,
            T::kProcess,
            {},
            {},
            false,
            "kill(pid, SIGKILL): it ends at its next return from the kernel",
            "{kill: daemon}"},
    CallRow{"waitpid",
            K::kWaitpid,
            T::kProcess,
            {},
            {},
            false,
            "waits until a process has ended",
            "{waitpid: daemon}"},
    CallRow{"sendmsg",
            K::kSendmsg,
            T::kProcess,
            kSendmsgKeys,
            {},
            false,
            "sendmsg(SCM_RIGHTS) to a process over a Unix socket: passes a descriptor; EPIPE when "
            "the process is gone",
            "{sendmsg: vmm, fd: session}"},
    CallRow{"recvmsg",
            K::kRecvmsg,
            T::kWord,
            {},
            {},
            true,
            "waits for a descriptor that another process sends",
            "{recvmsg: descriptor, as: session}"},
    CallRow{"sleep", K::kSleep, T::kDuration, {}, {}, false, "nanosleep", "{sleep: 1ms}"},
    CallRow{"kexec_file_load",
            K::kKexecFileLoad,
            T::kWord,
            {},
            {},
            false,
            "loads the kernel that comes next in the list of kernels",
            "{kexec_file_load: next}"},
    CallRow{"reboot",
            K::kReboot,
            T::kWord,
            {},
            {},
            false,
            "reboot(LINUX_REBOOT_CMD_KEXEC); it returns only to say why not",
            "{reboot: kexec}"},
    CallRow{"pause",
            K::kPause,
            T::kWord,
            {},
            {},
            false,
            "until it is killed, or the kernel dies: what is open stays open",
            "{pause: forever}"},
};

}  // namespace

std::span<const CallRow> call_rows() { return kRows; }

const CallRow* call_row(std::string_view name) {
  const auto found = std::ranges::find(kRows, name, &CallRow::name);
  return found == kRows.end() ? nullptr : &*found;
}

std::span<const CallKey> common_call_keys() { return kCommon; }

std::vector<std::string_view> all_call_keys() {
  std::set<std::string_view> names{"size"};
  for (const CallKey& key : kCommon) names.insert(key.name);
  for (const CallRow& row : kRows) {
    names.insert(row.name);
    for (const CallKey& key : row.keys) names.insert(key.name);
  }
  for (const auto& row : linux::uapi::ioctl_rows()) {
    for (const auto& field : row.fields) names.insert(field.name);
  }
  return {names.begin(), names.end()};
}

}  // namespace baton::harness
