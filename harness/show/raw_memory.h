// Checked little-endian reads of RAM for the readers of the handover.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "sim/memory.h"

namespace baton::harness {

class RawMemory {
 public:
  explicit RawMemory(sim::PhysicalMemory& memory) : memory_(memory) {}

  bool has(std::uint64_t address, std::uint64_t length) const {
    return address != 0 && memory_.contains(PhysAddr(address), length);
  }

  std::uint64_t pages() const { return memory_.size() / sim::kPageSize; }

  // `width` bytes from an address for which has() is true.
  std::uint64_t number(std::uint64_t address, unsigned width) const {
    std::uint64_t value = 0;
    memory_.read(PhysAddr(address), std::as_writable_bytes(std::span(&value, 1)).first(width));
    return value;
  }
  std::uint32_t u32(std::uint64_t address) const {
    return static_cast<std::uint32_t>(number(address, 4));
  }
  std::uint64_t u64(std::uint64_t address) const { return number(address, 8); }

  // A fixed field: up to its first NUL; anything that is not printable ASCII becomes a dot.
  std::string text(std::uint64_t address, std::size_t length) const {
    std::string result(length, '\0');
    memory_.read(PhysAddr(address), std::as_writable_bytes(std::span(result.data(), length)));
    result.resize(std::min(result.find('\0'), result.size()));
    for (char& c : result) c = c >= ' ' && c <= '~' ? c : '.';
    return result;
  }

 private:
  sim::PhysicalMemory& memory_;
};

}  // namespace baton::harness
