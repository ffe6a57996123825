#include "model/pci/address_map.h"

#include <algorithm>
#include <limits>

#include "sim/check.h"

namespace baton::pci {
namespace {

constexpr std::uint64_t kLastAddress = std::numeric_limits<std::uint64_t>::max();

}  // namespace

AddressMap::AddressMap() { segments_.try_emplace(0); }

AddressMap::Segments::iterator AddressMap::holding(std::uint64_t address) {
  return std::prev(segments_.upper_bound(address));
}

AddressMap::Segments::iterator AddressMap::split_at(std::uint64_t address) {
  const auto segment = holding(address);
  if (segment->first == address) return segment;
  return segments_.emplace_hint(std::next(segment), address, segment->second);
}

void AddressMap::join(Segments::iterator segment) {
  if (segment == segments_.end() || segment == segments_.begin()) return;
  if (std::prev(segment)->second == segment->second) segments_.erase(segment);
}

void AddressMap::add(std::uint64_t first, std::uint64_t last, Claimant claimant) {
  BATON_CHECK(first <= last, "an empty claim");
  const auto begin = split_at(first);
  const auto end = last == kLastAddress ? segments_.end() : split_at(last + 1);
  for (auto segment = begin; segment != end; ++segment) {
    auto& all = segment->second;
    all.insert(std::ranges::lower_bound(all, claimant), claimant);
  }
  forget_found();
}

void AddressMap::remove(std::uint64_t first, std::uint64_t last, Claimant claimant) {
  BATON_CHECK(first <= last, "an empty claim");
  const auto begin = split_at(first);
  const auto end = last == kLastAddress ? segments_.end() : split_at(last + 1);
  for (auto segment = begin; segment != end; ++segment) {
    auto& all = segment->second;
    const auto at = std::ranges::lower_bound(all, claimant);
    BATON_CHECK(at != all.end() && *at == claimant, "a claim that was not made");
    all.erase(at);
  }
  for (auto segment = begin; segment != end;) join(segment++);
  join(end);
  forget_found();
}

void AddressMap::look(std::uint64_t address) {
  const auto segment = holding(address);
  const auto next = std::next(segment);
  found_first_ = segment->first;
  found_last_ = next == segments_.end() ? kLastAddress : next->first - 1;
  found_ = segment->second.empty() ? std::nullopt : std::optional(segment->second.front());
}

}  // namespace baton::pci
