// The user interface of the Live Update Orchestrator: request numbers and struct bytes
// [linux include/uapi/linux/liveupdate.h, v7.2].
//
// All requests are _IO(0xBA, nr): type in bits 15..8, number in bits 7..0, no size, no direction.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace baton::linux::uapi {

// The bytes of an argument struct, as ioctl() takes them.
template <class T>
std::span<std::byte> bytes_of(T& value) {
  return std::as_writable_bytes(std::span<T, 1>(&value, 1));
}

inline constexpr std::uint32_t kLiveupdateIoctlCreateSession = 0xBA00;    // on /dev/liveupdate
inline constexpr std::uint32_t kLiveupdateIoctlRetrieveSession = 0xBA01;  // on /dev/liveupdate
inline constexpr std::uint32_t kLiveupdateSessionPreserveFd = 0xBA40;     // on a session
inline constexpr std::uint32_t kLiveupdateSessionRetrieveFd = 0xBA41;
inline constexpr std::uint32_t kLiveupdateSessionFinish = 0xBA42;
inline constexpr std::uint32_t kLiveupdateSessionGetName = 0xBA43;

// Bytes of a session's name, its NUL included.
inline constexpr std::size_t kLiveupdateSessionNameLength = 64;
using SessionName = std::array<char, kLiveupdateSessionNameLength>;

// A name as the structs carry it; longer text is cut, leaving no NUL.
constexpr SessionName session_name(std::string_view text) {
  SessionName name{};
  for (std::size_t i = 0; i < name.size() && i < text.size(); ++i) {
    name[i] = text[i];
  }
  return name;
}

struct LiveupdateCreateSession {
  std::uint32_t size = 72;
  std::int32_t fd = -1;  // out
  SessionName name{};
};
static_assert(sizeof(LiveupdateCreateSession) == 72);

struct LiveupdateRetrieveSession {
  std::uint32_t size = 72;
  std::int32_t fd = -1;  // out
  SessionName name{};
};
static_assert(sizeof(LiveupdateRetrieveSession) == 72);

struct LiveupdatePreserveFd {
  std::uint32_t size = 16;
  std::int32_t fd = -1;
  std::uint64_t token = 0;
};
static_assert(sizeof(LiveupdatePreserveFd) == 16);

struct LiveupdateRetrieveFd {
  std::uint32_t size = 16;
  std::int32_t fd = -1;  // out
  std::uint64_t token = 0;
};
static_assert(sizeof(LiveupdateRetrieveFd) == 16);

struct LiveupdateFinish {
  std::uint32_t size = 8;
  std::uint32_t reserved = 0;
};
static_assert(sizeof(LiveupdateFinish) == 8);

struct LiveupdateGetName {
  std::uint32_t size = 72;
  std::uint32_t reserved = 0;
  SessionName name{};  // out
};
static_assert(sizeof(LiveupdateGetName) == 72);

}  // namespace baton::linux::uapi
