// Error numbers of the Linux uAPI [linux include/uapi/asm-generic/errno-base.h, errno.h].
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string_view>

namespace baton::linux {

enum class Errno : std::int32_t {
  kPerm = 1,
  kNoEnt = 2,
  kSrch = 3,
  kIntr = 4,
  kIo = 5,
  kNxio = 6,
  kBadF = 9,
  kChild = 10,
  kAgain = 11,
  kNoMem = 12,
  kAcces = 13,
  kFault = 14,
  kBusy = 16,
  kExist = 17,
  kNoDev = 19,
  kNotDir = 20,
  kInval = 22,
  kNFile = 23,
  kMFile = 24,
  kNoTty = 25,
  kFBig = 27,
  kNoSpc = 28,
  kSPipe = 29,
  kPipe = 32,
  kRange = 34,
  kNameTooLong = 36,
  kNoData = 61,
  kOverflow = 75,
  kTooBig = 7,  // E2BIG
  kBadFd = 77,
  kMsgSize = 90,
  kOpNotSupp = 95,
  kAddrInUse = 98,
  kAddrNotAvail = 99,
  kTimedOut = 110,
};

// "EINVAL"
std::string_view name(Errno error);
std::optional<Errno> errno_by_name(std::string_view name);
// Every name above, for whoever lists them.
std::span<const std::string_view> errno_names();

template <class T = void>
using Result = std::expected<T, Errno>;

// return fail(Errno::kInval);
inline std::unexpected<Errno> fail(Errno error) { return std::unexpected<Errno>(error); }

}  // namespace baton::linux
