// A bare walk of 4-level tables in one flat mapping: what translations and routing are measured
// beside, in the same run. And the clock of all benchmarks: CPU time of the process.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <utility>
#include <vector>

namespace baton::bench {

using Word = std::uint64_t;

inline constexpr Word kAddress = 0x000F'FFFF'FFFF'F000;
inline constexpr Word kIova = Word{1} << 40;
inline constexpr Word kTop = 0x3000;
inline constexpr Word kTables = 0x10'0000;
inline constexpr Word kTargets = Word{4} << 30;

// Tables below kTargets, then the pages: clear of the interrupt range.
constexpr Word memory_for(Word pages) { return kTargets + pages * 4096; }

inline Word cpu_ns() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<Word>(now.tv_sec) * 1'000'000'000 + static_cast<Word>(now.tv_nsec);
}

struct Random {
  Word state = 88172645463325252;
  Word next() {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
  }
};

// The best of several rounds, ns for one of `count`; and what the round computed.
struct Timed {
  double ns = 1e9;
  Word sum = 0;
};

template <class Run>
void time(Timed& best, Word count, Run run) {
  const Word start = cpu_ns();
  // Through a volatile, so that a result that nobody prints is computed all the same.
  const volatile Word result = run();
  best.sum = result;
  best.ns = std::min(best.ns, static_cast<double>(cpu_ns() - start) / static_cast<double>(count));
}

// 4-level tables that map `pages` pages of 4 KiB to pages in random order, written through `put`.
template <class Get, class Put>
void map_pages(Word pages, Get get, Put put) {
  Random random;
  std::vector<std::uint32_t> order(pages);
  for (Word i = 0; i < pages; ++i) order[i] = static_cast<std::uint32_t>(i);
  for (Word i = pages - 1; i > 0; --i) std::swap(order[i], order[random.next() % (i + 1)]);
  Word next = kTables;
  for (Word i = 0; i < pages; ++i) {
    const Word iova = kIova + i * 4096;
    Word table = kTop;
    for (unsigned level = 3; level > 0; --level) {
      const Word at = table + (iova >> (12 + 9 * level) & 511) * 8;
      if (get(at) == 0) {
        put(at, next | 3);
        next += 4096;
      }
      table = get(at) & kAddress;
    }
    put(table + (iova >> 12 & 511) * 8, (kTargets + Word{order[i]} * 4096) | 3);
  }
}

class Bare {
 public:
  explicit Bare(Word pages)
      : bytes_(memory_for(pages)),
        memory_(static_cast<char*>(::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE,
                                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0))) {
    if (memory_ == MAP_FAILED) std::abort();
    map_pages(
        pages, [this](Word at) { return get(at); },
        [this](Word at, Word value) { std::memcpy(memory_ + at, &value, 8); });
  }
  ~Bare() { ::munmap(memory_, bytes_); }
  Bare(const Bare&) = delete;
  Bare& operator=(const Bare&) = delete;

  [[gnu::noinline]] Word walk(Word iova, Word need) const {
    Word table = kTop;
    for (unsigned level = 3;; --level) {
      const unsigned shift = 12 + 9 * level;
      const Word entry = get(table + (iova >> shift & 511) * 8);
      if ((entry & need) != need) return ~Word{0};
      if (level == 0 || (entry & 0x80) != 0) {
        return (entry & kAddress) | (iova & ((Word{1} << shift) - 1));
      }
      table = entry & kAddress;
    }
  }

 private:
  Word get(Word at) const {
    Word value = 0;
    std::memcpy(&value, memory_ + at, 8);
    return value;
  }
  Word bytes_;
  char* memory_;
};

}  // namespace baton::bench
