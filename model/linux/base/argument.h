// The argument of a request whose struct begins with the size that its caller knows: `argsz` of
// VFIO [linux drivers/vfio/: minsz, copy_from_user].
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>

#include "model/linux/base/errno.h"

namespace baton::linux {

// EFAULT when `minimum` bytes are not there, EINVAL when the caller says that it knows fewer.
template <class T>
Result<> take_argument(std::span<const std::byte> argument, T& to, std::size_t minimum) {
  if (argument.size() < minimum) return fail(Errno::kFault);
  std::memcpy(&to, argument.data(), std::min(argument.size(), sizeof(T)));
  return to.argsz < minimum ? fail(Errno::kInval) : Result<>();
}

// Answers with as much as the caller has room for.
template <class T>
void give_argument(std::span<std::byte> argument, const T& from) {
  std::memcpy(argument.data(), &from, std::min<std::size_t>(argument.size(), sizeof(T)));
}

// An argument that is no struct: a number, or a descriptor. EFAULT.
template <class T>
Result<T> plain_argument(std::span<const std::byte> argument) {
  T value{};
  if (argument.size() < sizeof(value)) return fail(Errno::kFault);
  std::memcpy(&value, argument.data(), sizeof(value));
  return value;
}

}  // namespace baton::linux
