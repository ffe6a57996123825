// One region under callgrind: instruction_counts [REGION]. Prints how many of it were done; without
// an argument, the names of all regions. Collects what measured_region() does, after a first round
// that grows tables and touches memory.
//
//   valgrind --tool=callgrind --toggle-collect='*measured_region*' instruction_counts REGION
#include <cstdio>
#include <string_view>

#include "bench/measured.h"

namespace {

[[gnu::noinline]] std::uint64_t measured_region(const baton::bench::Work& work,
                                                std::uint64_t count) {
  return work(count);
}

}  // namespace

int main(int argc, char** argv) {
  bool known = argc < 2;
  for (const baton::bench::Region& region : baton::bench::all_regions()) {
    if (region.count == 0) continue;
    if (argc < 2) {
      std::printf("%s\n", region.name.c_str());
    } else if (std::string_view(argv[1]) == region.name) {
      known = true;
      const baton::bench::Work work = region.prepare();
      work(region.count);
      const std::uint64_t done = measured_region(work, region.count);
      std::printf("done %llu\n", static_cast<unsigned long long>(done));
    }
  }
  if (!known) std::fprintf(stderr, "no region has this name\n");
  return known ? 0 : 2;
}
