// A set of pages as disjoint runs.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "sim/memory.h"

namespace baton::harness {

class PageSet {
 public:
  // A part of a page counts as the whole page.
  void add(sim::PhysRange range);
  void remove(sim::PhysRange range);
  void clear() { runs_.clear(); }

  bool empty() const { return runs_.empty(); }
  bool contains(PhysAddr address) const;
  // The first page of the set that lies in `range`, or nothing.
  std::vector<sim::PhysRange> within(sim::PhysRange range) const;
  // What of the set is in none of `others` (sorted, disjoint).
  std::vector<sim::PhysRange> outside(std::span<const sim::PhysRange> others) const;
  std::vector<sim::PhysRange> runs() const;
  std::uint64_t pages() const;

 private:
  std::map<std::uint64_t, std::uint64_t> runs_;  // first page number to one past the last
};

std::uint64_t pages_in(std::span<const sim::PhysRange> ranges);

}  // namespace baton::harness
