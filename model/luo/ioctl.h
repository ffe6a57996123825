// How LUO's ioctls read and answer their extensible structs [linux kernel/liveupdate/luo_core.c,
// luo_session.c; lib/usercopy.c copy_struct_from_user].
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>

#include "model/linux/base/errno.h"

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

// Copies the caller's struct in. EINVAL below the size that this kernel needs, E2BIG for a longer
// one with anything but zeros behind, EFAULT for memory that is not there.
template <class T>
linux::Result<> copy_struct(std::span<const std::byte> argument, T& to) {
  const auto size = user_size(argument);
  if (!size) {
    return linux::fail(size.error());
  }
  if (*size < sizeof(T)) {
    return linux::fail(linux::Errno::kInval);
  }
  const std::size_t there = std::min<std::size_t>(*size, argument.size());
  if (there > sizeof(T)) {
    const auto tail = argument.subspan(sizeof(T), there - sizeof(T));
    if (std::ranges::any_of(tail, [](std::byte byte) { return byte != std::byte{0}; })) {
      return linux::fail(linux::Errno::kTooBig);
    }
  }
  if (there < *size) {
    return linux::fail(linux::Errno::kFault);
  }
  std::memcpy(&to, argument.data(), sizeof(T));
  return {};
}

// The whole struct was read from there, so there is room for the answer.
template <class T>
void copy_reply(std::span<std::byte> argument, const T& reply) {
  std::memcpy(argument.data(), &reply, sizeof(T));
}

}  // namespace baton::luo
