// The regions of the program whose cost is watched: each builds what it works on, and then does a
// number of the same thing. Two programs run them all: `instruction_counts` for callgrind, whose
// counts are compared with a list in the tree (bench/count-instructions), and `benchmarks` for time
// (Google Benchmark).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace baton::bench {

// Does about so many, and says how many it did.
using Work = std::function<std::uint64_t(std::uint64_t)>;

struct Region {
  std::string name;
  std::uint64_t count = 0;  // for callgrind; 0: not counted, timed one at a time
  std::function<Work()> prepare;
};

std::vector<Region> engine_regions();       // events, waits, observations, the log
std::vector<Region> translation_regions();  // of a remapping unit
std::vector<Region> routing_regions();      // who claims an address, and the whole way to it
std::vector<Region> device_regions();       // a DSA's pages and descriptors behind a remapping unit
std::vector<Region> run_regions();          // what surrounds a simulation

inline std::vector<Region> all_regions() {
  std::vector<Region> all;
  for (auto* some :
       {engine_regions, translation_regions, routing_regions, device_regions, run_regions}) {
    for (Region& region : some()) all.push_back(std::move(region));
  }
  return all;
}

// What a compiler must take for used.
inline volatile std::uint64_t used = 0;
inline void use(std::uint64_t value) { used = value; }

}  // namespace baton::bench
