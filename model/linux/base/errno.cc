#include "model/linux/base/errno.h"

#include <array>
#include <utility>

namespace baton::linux {

namespace {

constexpr std::array kNames{
    std::pair{Errno::kNameTooLong, "ENAMETOOLONG"},
    std::pair{Errno::kSrch, "ESRCH"},
    std::pair{Errno::kChild, "ECHILD"},
    std::pair{Errno::kPerm, "EPERM"},
    std::pair{Errno::kNoEnt, "ENOENT"},
    std::pair{Errno::kIntr, "EINTR"},
    std::pair{Errno::kIo, "EIO"},
    std::pair{Errno::kNxio, "ENXIO"},
    std::pair{Errno::kTooBig, "E2BIG"},
    std::pair{Errno::kBadF, "EBADF"},
    std::pair{Errno::kAgain, "EAGAIN"},
    std::pair{Errno::kNoMem, "ENOMEM"},
    std::pair{Errno::kAcces, "EACCES"},
    std::pair{Errno::kFault, "EFAULT"},
    std::pair{Errno::kBusy, "EBUSY"},
    std::pair{Errno::kExist, "EEXIST"},
    std::pair{Errno::kNoDev, "ENODEV"},
    std::pair{Errno::kNotDir, "ENOTDIR"},
    std::pair{Errno::kInval, "EINVAL"},
    std::pair{Errno::kNFile, "ENFILE"},
    std::pair{Errno::kMFile, "EMFILE"},
    std::pair{Errno::kNoTty, "ENOTTY"},
    std::pair{Errno::kFBig, "EFBIG"},
    std::pair{Errno::kNoSpc, "ENOSPC"},
    std::pair{Errno::kSPipe, "ESPIPE"},
    std::pair{Errno::kPipe, "EPIPE"},
    std::pair{Errno::kRange, "ERANGE"},
    std::pair{Errno::kNoData, "ENODATA"},
    std::pair{Errno::kOverflow, "EOVERFLOW"},
    std::pair{Errno::kBadFd, "EBADFD"},
    std::pair{Errno::kMsgSize, "EMSGSIZE"},
    std::pair{Errno::kOpNotSupp, "EOPNOTSUPP"},
    std::pair{Errno::kAddrInUse, "EADDRINUSE"},
    std::pair{Errno::kAddrNotAvail, "EADDRNOTAVAIL"},
    std::pair{Errno::kTimedOut, "ETIMEDOUT"},
};

}  // namespace

std::string_view name(Errno error) {
  for (const auto& [number, text] : kNames) {
    if (number == error) {
      return text;
    }
  }
  return "unknown errno";
}

std::optional<Errno> errno_by_name(std::string_view wanted) {
  for (const auto& [number, text] : kNames) {
    if (text == wanted) {
      return number;
    }
  }
  return std::nullopt;
}

std::span<const std::string_view> errno_names() {
  static constexpr auto kTexts = [] {
    std::array<std::string_view, kNames.size()> texts;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      texts[i] = kNames[i].second;
    }
    return texts;
  }();
  return kTexts;
}

}  // namespace baton::linux
