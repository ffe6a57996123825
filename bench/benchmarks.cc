// All regions (bench/measured.h) as Google Benchmark measures them: time for one of what each does.
//
//   benchmarks --benchmark_filter='phold|wait'
#include <benchmark/benchmark.h>

#include <algorithm>

#include "bench/measured.h"

namespace {

void measure(benchmark::State& state, const baton::bench::Region& region) {
  const baton::bench::Work work = region.prepare();
  const std::uint64_t count = std::max<std::uint64_t>(region.count, 1);
  work(count);
  std::uint64_t done = 0;
  for (auto _ : state) done += work(count);
  // Of one: the time of an iteration is that of many.
  state.counters["each"] = benchmark::Counter(
      static_cast<double>(done), benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

}  // namespace

int main(int argc, char** argv) {
  for (const baton::bench::Region& region : baton::bench::all_regions()) {
    benchmark::RegisterBenchmark(region.name.c_str(), [region](benchmark::State& state) {
      measure(state, region);
    })->Unit(benchmark::kMicrosecond);
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
