// Bytes in the encoding of protocol buffers, as hand-packed records [protobuf.dev, Encoding]:
// fields one after the other as they are put, messages within messages.
//
// Not generated code, because an event of a trace is 60 bytes and the generated classes took ten
// times as long to build and write it (docs/performance.md). For the same reason the length of a
// message whose fields are not known beforehand is four bytes whatever its value, which every
// reader accepts, and put in when the message is complete: as Perfetto's own writer does [perfetto
// include/perfetto/protozero/message.h].
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "sim/check.h"

namespace baton::harness {

class ProtoBytes {
 public:
  ProtoBytes() : bytes_(256, '\0') {}

  bool empty() const { return used_ == 0; }
  void clear() { used_ = 0; }
  std::string_view view() const { return {bytes_.data(), used_}; }
  // Gives away all bytes.
  std::string take() {
    bytes_.resize(used_);
    used_ = 0;
    return std::move(bytes_);
  }

  // Bytes that a number takes.
  static constexpr std::size_t size_of(std::uint64_t value) {
    return (static_cast<std::size_t>(std::bit_width(value | 1)) + 6) / 7;
  }

  void number(unsigned field, std::uint64_t value) {
    make_room(kMost);
    used_to(put_number(end(), field, value));
  }
  // A message of two numbers, which is short enough for a length of one byte.
  void two_numbers(unsigned message, unsigned field, std::uint64_t value, unsigned second_field,
                   std::uint64_t second) {
    make_room(3 * kMost);
    char* const fields = varint(end(), message << 3 | 2) + 1;
    const char* const last = put_number(put_number(fields, field, value), second_field, second);
    fields[-1] = static_cast<char>(last - fields);
    used_to(last);
  }
  void signed_number(unsigned field, std::int64_t value) {
    number(field, static_cast<std::uint64_t>(value));
  }
  void fixed(unsigned field, std::uint64_t value) {
    make_room(kMost);
    char* const at = varint(end(), field << 3 | 1);
    std::memcpy(at, &value, sizeof value);  // little endian, as the host is
    used_to(at + sizeof value);
  }
  // A string, or a message that has been encoded.
  void bytes(unsigned field, std::string_view value) {
    begin(field, value.size());
    add(value);
  }
  // A message of this length, whose fields are put next.
  void begin(unsigned field, std::size_t length) {
    make_room(kMost);
    used_to(varint(varint(end(), field << 3 | 2), length));
  }
  // A message whose fields are put next, until close().
  struct Open {
    std::size_t fields;
  };
  Open open(unsigned field) {
    make_room(kMost);
    used_to(varint(end(), field << 3 | 2) + kLength);
    return {used_};
  }
  void close(Open message) {
    const std::size_t length = used_ - message.fields;
    BATON_CHECK(length < std::size_t{1} << 28, "a message of a trace is too long");
    const std::uint32_t groups = static_cast<std::uint32_t>(
        (length & 0x7F) | (length & 0x3F80) << 1 | (length & 0x1F'C000) << 2 |
        (length & 0xFE0'0000) << 3 | 0x0080'8080);
    std::memcpy(bytes_.data() + message.fields - kLength, &groups, kLength);
  }
  // Fields that were encoded elsewhere.
  void add(std::string_view fields) {
    make_room(fields.size());
    if (!fields.empty()) std::memcpy(end(), fields.data(), fields.size());
    used_ += fields.size();
  }

 private:
  static constexpr std::size_t kMost = 20;   // of one number with its field
  static constexpr std::size_t kLength = 4;  // bytes, of the length of an open message

  void make_room(std::size_t more) {
    if (bytes_.size() - used_ < more) [[unlikely]] {
      // Without writing zeros first.
      bytes_.resize_and_overwrite(2 * bytes_.size() + more,
                                  [](char*, std::size_t size) { return size; });
    }
  }
  char* end() { return bytes_.data() + used_; }
  void used_to(const char* end) { used_ = static_cast<std::size_t>(end - bytes_.data()); }
  static char* put_number(char* at, unsigned field, std::uint64_t value) {
    return varint(varint(at, field << 3), value);
  }
  static char* varint(char* at, std::uint64_t value) {
    while (value >= 0x80) {
      *at++ = static_cast<char>(value | 0x80);
      value >>= 7;
    }
    *at++ = static_cast<char>(value);
    return at;
  }

  std::string bytes_;
  std::size_t used_ = 0;
};

}  // namespace baton::harness
