// The kernel's copy of a request as the struct that it is.
#pragma once

#include <cstddef>
#include <cstring>
#include <span>

namespace baton::iommufd {

template <class T>
T as(std::span<const std::byte> request) {
  T value;
  std::memcpy(&value, request.first(sizeof(T)).data(), sizeof(T));
  return value;
}

template <class T>
void answer(std::span<std::byte> request, const T& value) {
  std::memcpy(request.first(sizeof(T)).data(), &value, sizeof(T));
}

}  // namespace baton::iommufd
