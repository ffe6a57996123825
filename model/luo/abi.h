// What LUO hands from kernel to kernel, generation luo-v5 [linux include/linux/kho/abi/luo.h,
// v7.2]. Packed, native endian; sessions and files lie in kho blocks.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace baton::luo::abi {

inline constexpr const char* kBlobName = "LUO";
inline constexpr std::array<char, 8> kCompatible{'l', 'u', 'o', '-', 'v', '5', '\0', '\0'};
inline constexpr std::size_t kCompatibleLength = 48;  // of handlers and FLBs, NUL included
using Compatible = std::array<char, kCompatibleLength>;

// struct luo_ser, the blob "LUO".
struct Header {
  std::array<char, 8> compatible = kCompatible;
  std::uint64_t liveupdate_number = 0;  // of the boot that will read it
  std::uint64_t sessions = 0;           // first session block, 0: none
  std::uint64_t flbs = 0;               // FLB page
};
static_assert(sizeof(Header) == 32);
inline constexpr std::uint64_t kHeaderSessionsOffset = 16;

struct SessionEntry {
  std::array<char, 64> name{};
  std::uint64_t files = 0;  // first file block, 0: none
  std::uint64_t count = 0;
};
static_assert(sizeof(SessionEntry) == 80);

struct FileEntry {
  Compatible compatible{};
  std::uint64_t data = 0;  // the handler's
  std::uint64_t token = 0;
};
static_assert(sizeof(FileEntry) == 64);

// The FLB page: its own size in pages, the number of entries, entries.
struct FlbPageHeader {
  std::uint64_t pages = 1;
  std::uint64_t count = 0;
};
static_assert(sizeof(FlbPageHeader) == 16);

struct FlbEntry {
  Compatible compatible{};
  std::uint64_t data = 0;
  std::uint64_t count = 0;  // files that depend on it
};
static_assert(sizeof(FlbEntry) == 64);
inline constexpr std::size_t kMostFlbs = 63;

inline Compatible compatible(std::string_view text) {
  Compatible bytes{};
  std::copy_n(text.begin(), std::min(text.size(), bytes.size() - 1), bytes.begin());
  return bytes;
}

// The text of a fixed field that another kernel wrote: it may lack a NUL.
template <std::size_t N>
std::string_view text_of(const std::array<char, N>& field) {
  return {field.data(), ::strnlen(field.data(), field.size())};
}

}  // namespace baton::luo::abi
