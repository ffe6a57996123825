// The PHOLD workloads that baton, std::priority_queue, ns-3 and SystemC run alike: N entities, one
// pending event each; every event draws a delay from its entity's xorshift64 and schedules the
// entity again. Times are ticks (read them as picoseconds).
//
//   uni     U[1, 2^21]                     sparse
//   exp     mean 2^20                      sparse, skewed
//   dense   U[1, 2048]                     many ties
//   burst   k * 2^20, k in 1..4            the whole population in lockstep
//   delta   7 of 8 delays are zero
//   cancel  uni, and each event cancels and re-arms a timeout that never fires (N/2 entities)
//
// Order is checked by a sum over (time, entity) that depends on the order of execution, so equal
// sums mean equal order, first in first out among equal times.
#pragma once

#include <time.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

namespace phold {

enum class Workload { kUni, kExp, kDense, kBurst, kDelta, kCancel };

inline constexpr std::uint64_t kMean = std::uint64_t{1} << 20;
inline constexpr std::uint64_t kTimeout = 4 * kMean;

struct Arguments {
  Workload workload = Workload::kUni;
  std::uint64_t population = 0;
  std::uint64_t events = 0;

  std::uint64_t entities() const {
    return workload == Workload::kCancel ? population / 2 : population;
  }
  std::uint64_t mean() const {
    return workload == Workload::kDense   ? 1024
           : workload == Workload::kBurst ? 5 * kMean / 2
                                          : kMean;
  }
  std::uint64_t warm_up_end() const { return 3 * mean() + 17; }
  std::uint64_t end() const {
    const double per_entity = static_cast<double>(events) / static_cast<double>(entities()) /
                              (workload == Workload::kDelta ? 8 : 1);
    return warm_up_end() + static_cast<std::uint64_t>(per_entity * static_cast<double>(mean()));
  }
};

// phold WORKLOAD POPULATION EVENTS
inline Arguments parse(int argc, char** argv) {
  constexpr std::array<std::string_view, 6> kNames{"uni",   "exp",   "dense",
                                                   "burst", "delta", "cancel"};
  Arguments arguments;
  bool known = false;
  for (std::size_t i = 0; argc == 4 && i < kNames.size(); ++i) {
    if (argv[1] == kNames[i]) {
      arguments.workload = static_cast<Workload>(i);
      known = true;
    }
  }
  if (!known) {
    std::fprintf(stderr, "usage: %s uni|exp|dense|burst|delta|cancel POPULATION EVENTS\n", argv[0]);
    std::exit(2);
  }
  arguments.population = std::strtoull(argv[2], nullptr, 10);
  arguments.events = std::strtoull(argv[3], nullptr, 10);
  return arguments;
}

struct Random {
  std::uint64_t state;
  std::uint64_t next() {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
  }
};

inline Random random_of_entity(std::uint64_t entity) {
  std::uint64_t x = 12345 + entity + 0x9E3779B97F4A7C15;
  x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9;
  x = (x ^ x >> 27) * 0x94D049BB133111EB;
  return {(x ^ x >> 31) | 1};
}

inline const std::array<std::uint32_t, 4096>& exponential_table() {
  static const std::array<std::uint32_t, 4096> table = [] {
    std::array<std::uint32_t, 4096> result{};
    for (std::size_t i = 0; i < result.size(); ++i) {
      const double quantile = (static_cast<double>(i) + 0.5) / 4096;
      const double delay = -static_cast<double>(kMean - 128) * std::log(quantile);
      result[i] = static_cast<std::uint32_t>(delay < 1 ? 1 : delay);
    }
    return result;
  }();
  return table;
}

template <Workload W>
std::uint64_t draw_delay(Random& random) {
  const std::uint64_t x = random.next();
  if constexpr (W == Workload::kUni || W == Workload::kCancel) {
    return 1 + (x >> 43);
  } else if constexpr (W == Workload::kExp) {
    return exponential_table()[x >> 52] + (x & 255);
  } else if constexpr (W == Workload::kDense) {
    return 1 + (x >> 53);
  } else if constexpr (W == Workload::kBurst) {
    return ((x >> 62) + 1) << 20;
  } else {
    return (x & 7) != 0 ? 0 : 1 + (x >> 43);
  }
}

struct Sums {
  std::uint64_t count = 0;
  std::uint64_t set = 0;
  std::uint64_t order = 0;

  void add(std::uint64_t time, std::uint64_t entity) {
    ++count;
    const std::uint64_t h = time * 0x9E3779B97F4A7C15 ^ entity * 0xD6E8FEB86659FD93;
    set += h;
    order = (order + h) * 0x2545F4914F6CDD1D;
  }
};

inline std::uint64_t cpu_ns() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec);
}

// One line: "ns-per-event events set-checksum order-checksum".
inline void report(std::uint64_t cpu_ns_spent, std::uint64_t events, const Sums& sums) {
  std::printf("%.2f %llu %016llx %016llx\n",
              static_cast<double>(cpu_ns_spent) / static_cast<double>(events),
              static_cast<unsigned long long>(events), static_cast<unsigned long long>(sums.set),
              static_cast<unsigned long long>(sums.order));
}

// Calls run.template operator()<W>() for the workload asked for.
template <class Run>
int dispatch(const Arguments& arguments, Run&& run) {
  switch (arguments.workload) {
    case Workload::kUni:
      return run.template operator()<Workload::kUni>();
    case Workload::kExp:
      return run.template operator()<Workload::kExp>();
    case Workload::kDense:
      return run.template operator()<Workload::kDense>();
    case Workload::kBurst:
      return run.template operator()<Workload::kBurst>();
    case Workload::kDelta:
      return run.template operator()<Workload::kDelta>();
    case Workload::kCancel:
      return run.template operator()<Workload::kCancel>();
  }
  return 2;
}

}  // namespace phold
