// Random numbers of one actor: xoshiro256** seeded from (seed, actor name) through XXH3 and
// SplitMix64, so that adding an actor never changes what another one draws. Integers only; the
// standard distributions differ between libraries and are not used anywhere.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace baton::sim {

class Random {
 public:
  Random(std::uint64_t seed, std::string_view actor);

  std::uint64_t next();

  // Uniform in [0, bound); bound > 0. Unbiased (Lemire's rejection).
  std::uint64_t below(std::uint64_t bound);

  // True with probability numerator/denominator.
  bool chance(std::uint64_t numerator, std::uint64_t denominator);

 private:
  std::array<std::uint64_t, 4> state_;
};

}  // namespace baton::sim
