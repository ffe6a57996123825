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
  changed();
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
  changed();
}

void AddressMap::changed() {
  found_first_ = 1;
  found_last_ = 0;
  laid_.clear();
  looks_ = 0;
}

void AddressMap::lay_out() {
  laid_.reserve(segments_.size());
  for (const auto& [first, all] : segments_) {
    laid_.push_back({first, all.empty() ? std::nullopt : std::optional(all.front())});
  }
}

void AddressMap::look(std::uint64_t address) {
  constexpr std::size_t kLooksThatPay = 8;  // of the tree, for one segment of the array
  if (laid_.empty()) {
    const auto segment = holding(address);
    const auto next = std::next(segment);
    found_first_ = segment->first;
    found_last_ = next == segments_.end() ? kLastAddress : next->first - 1;
    found_ = segment->second.empty() ? std::nullopt : std::optional(segment->second.front());
    if (++looks_ * kLooksThatPay >= segments_.size()) lay_out();
    return;
  }
  // The last segment that begins at or before the address; the first begins at 0.
  const Laid* at = laid_.data();
  for (std::size_t rest = laid_.size(); rest > 1;) {
    const std::size_t half = rest / 2;
    at = at[half].first <= address ? at + half : at;
    rest -= half;
  }
  const bool is_last = at == &laid_.back();
  found_first_ = at->first;
  found_last_ = is_last ? kLastAddress : at[1].first - 1;
  found_ = at->claimant;
}

}  // namespace baton::pci
