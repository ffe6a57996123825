#include "harness/invariants/page_set.h"

#include <algorithm>

namespace baton::harness {
namespace {

struct Run {
  std::uint64_t first;
  std::uint64_t end;
};

Run run_of(sim::PhysRange range) {
  return {range.start.page_number(),
          (range.start.value() + range.length + sim::kPageSize - 1) / sim::kPageSize};
}

sim::PhysRange range_of(std::uint64_t first, std::uint64_t end) {
  return {PhysAddr(first * sim::kPageSize), (end - first) * sim::kPageSize};
}

}  // namespace

void PageSet::add(sim::PhysRange range) {
  auto [first, end] = run_of(range);
  if (first >= end) return;
  auto at = runs_.upper_bound(first);
  if (at != runs_.begin() && std::prev(at)->second >= first) --at;
  while (at != runs_.end() && at->first <= end) {
    first = std::min(first, at->first);
    end = std::max(end, at->second);
    at = runs_.erase(at);
  }
  runs_.emplace(first, end);
}

void PageSet::remove(sim::PhysRange range) {
  const auto [first, end] = run_of(range);
  auto at = runs_.upper_bound(first);
  if (at != runs_.begin() && std::prev(at)->second > first) --at;
  while (at != runs_.end() && at->first < end) {
    const auto [run_first, run_end] = *at;
    at = runs_.erase(at);
    if (run_first < first) runs_.emplace(run_first, first);
    if (run_end > end) at = runs_.emplace(end, run_end).first;
  }
}

bool PageSet::contains(PhysAddr address) const {
  const auto at = runs_.upper_bound(address.page_number());
  return at != runs_.begin() && std::prev(at)->second > address.page_number();
}

std::vector<sim::PhysRange> PageSet::within(sim::PhysRange range) const {
  const auto [first, end] = run_of(range);
  std::vector<sim::PhysRange> result;
  auto at = runs_.upper_bound(first);
  if (at != runs_.begin() && std::prev(at)->second > first) --at;
  for (; at != runs_.end() && at->first < end; ++at) {
    result.push_back(range_of(std::max(first, at->first), std::min(end, at->second)));
  }
  return result;
}

std::vector<sim::PhysRange> PageSet::outside(std::span<const sim::PhysRange> others) const {
  PageSet rest = *this;
  for (const sim::PhysRange& other : others) rest.remove(other);
  return rest.runs();
}

std::vector<sim::PhysRange> PageSet::runs() const {
  std::vector<sim::PhysRange> result;
  for (const auto& [first, end] : runs_) result.push_back(range_of(first, end));
  return result;
}

std::uint64_t PageSet::pages() const {
  std::uint64_t result = 0;
  for (const auto& [first, end] : runs_) result += end - first;
  return result;
}

std::uint64_t pages_in(std::span<const sim::PhysRange> ranges) {
  std::uint64_t result = 0;
  for (const sim::PhysRange& range : ranges) result += range.length / sim::kPageSize;
  return result;
}

}  // namespace baton::harness
