// A range of addresses and what of it is taken: one level of the kernel's resource tree [linux
// kernel/resource.c: request_resource, allocate_resource].
#pragma once

#include <cstdint>
#include <map>
#include <optional>

namespace baton::linux::pci {

class AddressSpace {
 public:
  // [start, end).
  AddressSpace(std::uint64_t start, std::uint64_t end) : start_(start), end_(end) {}

  std::uint64_t start() const { return start_; }
  std::uint64_t end() const { return end_; }
  bool contains(std::uint64_t start, std::uint64_t size) const {
    return start >= start_ && start < end_ && size <= end_ - start;
  }
  // False: not inside, or something of it is taken already.
  bool request(std::uint64_t start, std::uint64_t size);
  // The lowest free place at or above `from`, below `below`.
  std::optional<std::uint64_t> allocate(std::uint64_t size, std::uint64_t alignment,
                                        std::uint64_t from, std::uint64_t below);
  void release(std::uint64_t start) { taken_.erase(start); }
  bool empty() const { return taken_.empty(); }

 private:
  std::uint64_t start_;
  std::uint64_t end_;
  std::map<std::uint64_t, std::uint64_t> taken_;  // start and end
};

}  // namespace baton::linux::pci
