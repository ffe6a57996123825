// Bytes in the encoding of protocol buffers, as hand-packed records [protobuf.dev, Encoding]:
// fields in the order in which they are put, which is that of their numbers where the bytes shall
// be those of the generated encoder.
//
// Not generated code, because an event of a trace is 60 bytes and the generated classes took ten
// times as long to build and write it (docs/performance.md).
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace baton::harness {

class ProtoBytes {
 public:
  ProtoBytes() : bytes_(256) {}

  void clear() { used_ = 0; }
  std::string_view view() const { return {bytes_.data(), used_}; }

  // Bytes that a number takes.
  static constexpr std::size_t size_of(std::uint64_t value) {
    return (static_cast<std::size_t>(std::bit_width(value | 1)) + 6) / 7;
  }

  void number(unsigned field, std::uint64_t value) {
    make_room(20);
    varint(field << 3);
    varint(value);
  }
  void signed_number(unsigned field, std::int64_t value) {
    number(field, static_cast<std::uint64_t>(value));
  }
  void fixed(unsigned field, std::uint64_t value) {
    make_room(20);
    varint(field << 3 | 1);
    std::memcpy(bytes_.data() + used_, &value, sizeof value);  // little endian, as the host is
    used_ += sizeof value;
  }
  // A string, or a message that has been encoded.
  void bytes(unsigned field, std::string_view value) {
    begin(field, value.size());
    add(value);
  }
  // A message of this length, whose fields are put next.
  void begin(unsigned field, std::size_t length) {
    make_room(20);
    varint(field << 3 | 2);
    varint(length);
  }
  // Fields that were encoded elsewhere.
  void add(std::string_view fields) {
    make_room(fields.size());
    if (!fields.empty()) std::memcpy(bytes_.data() + used_, fields.data(), fields.size());
    used_ += fields.size();
  }

 private:
  void make_room(std::size_t more) {
    if (bytes_.size() - used_ < more) [[unlikely]] {
      bytes_.resize(2 * bytes_.size() + more);
    }
  }
  void varint(std::uint64_t value) {
    while (value >= 0x80) {
      bytes_[used_++] = static_cast<char>(value | 0x80);
      value >>= 7;
    }
    bytes_[used_++] = static_cast<char>(value);
  }

  std::vector<char> bytes_;
  std::size_t used_ = 0;
};

}  // namespace baton::harness
