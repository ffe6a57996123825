// The encoding of protocol buffers [protobuf.dev, Encoding], as functions that put one thing at a
// place in memory and return the place after it. A message's length is one byte, filled in when the
// message is complete; the few that are 128 bytes and longer are moved up then.
//
// Not generated code, because an event of a trace is 46 bytes and the generated classes took ten
// times as many instructions to build and write it (docs/performance.md).
//
// The caller sees to the room: what is put, and kOvershoot bytes more, which may be written over.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace baton::harness {

constexpr std::size_t kOvershoot = 8;

// Bytes that a number takes.
constexpr std::size_t varint_size(std::uint64_t value) {
  return (9U * static_cast<unsigned>(std::bit_width(value | 1)) + 64) / 64;  // bits over 7, up
}

// Groups of 7 bits, lowest first, all but the last with bit 7 set. Eight groups are pulled apart at
// once, by halves: a loop over the bytes of a time takes twice as long.
inline char* put_varint(char* at, std::uint64_t value) {
  if (value < 0x80) {
    *at = static_cast<char>(value);
    return at + 1;
  }
  while (value >> 56 != 0) {
    *at++ = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  std::uint64_t groups = (value & 0x0FFF'FFFF) | (value & 0xFF'FFFF'F000'0000) << 4;
  groups = (groups & 0x3FFF'0000'3FFF) | (groups & 0x0FFF'C000'0FFF'C000) << 2;
  groups = (groups & 0x7F'007F'007F'007F) | (groups & 0x3F80'3F80'3F80'3F80) << 1;
  const std::size_t size = varint_size(value);
  groups |= 0x80'8080'8080'8080 >> (8 * (8 - size));
  std::memcpy(at, &groups, sizeof groups);  // little endian, as the host is
  return at + size;
}

inline char* put_number(char* at, unsigned field, std::uint64_t value) {
  return put_varint(put_varint(at, field << 3), value);
}
// A number below 128.
inline char* put_small(char* at, unsigned field, std::uint64_t value) {
  at = put_varint(at, field << 3);
  *at = static_cast<char>(value);
  return at + 1;
}

inline char* put_fixed(char* at, unsigned field, std::uint64_t value) {
  at = put_varint(at, field << 3 | 1);
  std::memcpy(at, &value, sizeof value);  // little endian, as the host is
  return at + sizeof value;
}

// A string, or a message that is encoded already.
inline char* put_bytes(char* at, unsigned field, std::string_view value) {
  at = put_varint(put_varint(at, field << 3 | 2), value.size());
  if (!value.empty()) std::memcpy(at, value.data(), value.size());
  return at + value.size();
}

// A message whose fields are put at what is returned, which goes to close_message() with their end.
inline char* open_message(char* at, unsigned field) { return put_varint(at, field << 3 | 2) + 1; }

inline char* close_message(char* fields, char* end) {
  const auto length = static_cast<std::size_t>(end - fields);
  if (length < 0x80) [[likely]] {
    fields[-1] = static_cast<char>(length);
    return end;
  }
  const std::size_t more = varint_size(length) - 1;
  std::memmove(fields + more, fields, length);
  std::size_t rest = length;
  for (char* at = fields - 1; at != fields + more; ++at, rest >>= 7) {
    *at = static_cast<char>(rest >= 0x80 ? rest | 0x80 : rest);
  }
  return end + more;
}

}  // namespace baton::harness
