// What routing a memory request down costs, beside a bare walk of page tables in the same run: a
// CPU access to a BAR behind a root port, with 16 and 1024 windows and BARs to choose from, and a
// DMA of a function below such a port that ends in RAM. BARs at random are held against pages at
// random, the rest against pages in order.
//
//   address_decode [REQUESTS]
#include <fmt/format.h>

#include <array>

#include "bench/bar_machine.h"
#include "bench/bare_walk.h"

namespace {

using namespace baton;
using namespace baton::bench;

void measure(const Bare& bare, Word pages, unsigned ports, Word count) {
  Machine machine(ports);
  std::array<std::byte, 64> data{};
  Timed walk;
  Timed random_walk;
  Timed same;
  Timed any;
  Timed dma;
  for (int round = 0; round < 5; ++round) {
    time(walk, count, [&] {
      // Not known to be the same in every round.
      const volatile Word nothing = 0;
      Word sum = 0;
      Word dependence = nothing;
      for (Word i = 0; i < count; ++i) {
        const Word result = bare.walk(kIova + i % pages * 4096 + i % 64 * 64 + dependence, 1);
        sum += result;
        dependence = result >> 63 << 12;
      }
      return sum;
    });
    time(random_walk, count, [&] {
      Random random;
      Word sum = 0;
      Word dependence = 0;  // always 0
      for (Word i = 0; i < count; ++i) {
        const Word page = random.next() & (pages - 1);
        const Word result = bare.walk(kIova + page * 4096 + i % 64 * 64 + dependence, 1);
        sum += result;
        dependence = result >> 63 << 12;
      }
      return sum;
    });
    time(same, count, [&] { return read_bars(machine, ports, true, count); });
    time(any, count, [&] { return read_bars(machine, ports, false, count); });
    time(dma, count, [&] {
      Word sum = 0;
      for (Word i = 0; i < count; ++i) sum += machine.dma(5, i % 4096 * 64 + (sum >> 63), data);
      return sum;
    });
  }
  const auto show = [&](const char* name, const Timed& timed, const Timed& beside) {
    fmt::print("  {} {:6.1f} ns ({:.2f}x)", name, timed.ns, timed.ns / beside.ns);
  };
  fmt::print("{:5} windows: bare walk {:5.1f} ns, at random {:5.1f} ns", ports, walk.ns,
             random_walk.ns);
  show("same BAR", same, walk);
  show("any BAR", any, random_walk);
  show("64 bytes to RAM", dma, walk);
  fmt::print("\n");
}

}  // namespace

int main(int argc, char** argv) {
  const Word count = argc > 1 ? std::strtoull(argv[1], nullptr, 0) : 1'000'000;
  constexpr Word kPages = Word{1} << 14;
  const Bare bare(kPages);
  for (const unsigned ports : {16U, 1024U}) measure(bare, kPages, ports, count);
  return 0;
}
