// How LUO's ioctls read and answer their extensible structs [linux kernel/liveupdate/luo_core.c,
// luo_session.c; lib/usercopy.c copy_struct_from_user].
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>

#include "model/linux/base/errno.h"
#include "model/linux/base/process.h"

namespace baton::luo {

inline constexpr std::uint32_t ioctl_number(std::uint32_t command) { return command & 0xFF; }

// The caller's size: EFAULT when there are not even four bytes.
inline linux::Result<std::uint32_t> user_size(std::span<const std::byte> argument) {
  std::uint32_t size = 0;
  if (argument.size() < sizeof(size)) {
    return linux::fail(linux::Errno::kFault);
  }
  std::memcpy(&size, argument.data(), sizeof(size));
  return size;
}

// Copies the caller's struct in, of which this kernel knows `known` bytes. EINVAL below that, E2BIG
// for a longer one with anything but zeros behind, EFAULT for memory that is not there.
template <class T>
linux::Result<> copy_struct(std::span<const std::byte> argument, T& to,
                            std::size_t known = sizeof(T)) {
  const auto size = user_size(argument);
  if (!size) {
    return linux::fail(size.error());
  }
  if (*size < known) {
    return linux::fail(linux::Errno::kInval);
  }
  const std::size_t there = std::min<std::size_t>(*size, argument.size());
  if (there > known) {
    const auto tail = argument.subspan(known, there - known);
    if (std::ranges::any_of(tail, [](std::byte byte) { return byte != std::byte{0}; })) {
      return linux::fail(linux::Errno::kTooBig);
    }
  }
  if (there < *size) {
    return linux::fail(linux::Errno::kFault);
  }
  std::memcpy(&to, argument.data(), std::min(there, sizeof(T)));
  return {};
}

// The whole struct was read from there, so there is room for the answer; EFAULT where the caller's
// memory cannot be written.
template <class T>
linux::Result<> copy_reply(const linux::Process& process, std::span<std::byte> argument,
                           const T& reply) {
  if (process.answers_fault()) {
    return linux::fail(linux::Errno::kFault);
  }
  std::memcpy(argument.data(), &reply, std::min(argument.size(), sizeof(T)));
  return {};
}

}  // namespace baton::luo
