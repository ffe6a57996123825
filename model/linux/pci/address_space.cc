#include "model/linux/pci/address_space.h"

#include <algorithm>

namespace baton::linux::pci {

bool AddressSpace::request(std::uint64_t start, std::uint64_t size) {
  if (size == 0 || !contains(start, size)) return false;
  const auto next = taken_.lower_bound(start);
  if (next != taken_.end() && next->first - start < size) return false;
  if (next != taken_.begin() && std::prev(next)->second > start) return false;
  taken_.emplace(start, start + size);
  return true;
}

std::optional<std::uint64_t> AddressSpace::allocate(std::uint64_t size, std::uint64_t alignment,
                                                    std::uint64_t from, std::uint64_t below) {
  if (size == 0 || alignment == 0) return std::nullopt;
  const std::uint64_t last = std::min(end_, below);
  const auto aligned = [alignment](std::uint64_t at) {
    return at % alignment == 0 ? at : at + (alignment - at % alignment);
  };
  std::uint64_t at = aligned(std::max(start_, from));
  for (auto taken = taken_.begin(); taken != taken_.end(); ++taken) {
    if (taken->second <= at) continue;
    if (taken->first >= at && taken->first - at >= size) break;
    if (taken->second > UINT64_MAX - alignment) return std::nullopt;
    at = aligned(taken->second);
  }
  if (at >= last || last - at < size) return std::nullopt;
  taken_.emplace(at, at + size);
  return at;
}

}  // namespace baton::linux::pci
