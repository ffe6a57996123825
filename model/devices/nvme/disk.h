// The bytes behind a namespace: what was written, zeros where nothing was. Held in chunks that come
// into being when they are first written.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>

namespace baton::devices::nvme {

class Disk {
 public:
  explicit Disk(std::uint64_t capacity) : capacity_(capacity) {}

  std::uint64_t capacity() const { return capacity_; }
  // Inside the capacity.
  void read(std::uint64_t offset, std::span<std::byte> to) const;
  void write(std::uint64_t offset, std::span<const std::byte> from);

 private:
  static constexpr std::uint64_t kChunkBytes = 64 * 1024;
  using Chunk = std::array<std::byte, kChunkBytes>;

  std::uint64_t capacity_;
  std::map<std::uint64_t, std::unique_ptr<Chunk>> chunks_;  // by offset / kChunkBytes
};

}  // namespace baton::devices::nvme
