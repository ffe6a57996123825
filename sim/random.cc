#include "sim/random.h"

#include <xxhash.h>

#include <bit>

#include "sim/check.h"

namespace baton::sim {

namespace {

std::uint64_t split_mix(std::uint64_t& state) {
  state += 0x9E3779B97F4A7C15;
  std::uint64_t z = state;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
  z = (z ^ z >> 27) * 0x94D049BB133111EB;
  return z ^ z >> 31;
}

struct Product {
  std::uint64_t high;
  std::uint64_t low;
};

// The full product of two 64-bit numbers, without the compiler's 128-bit extension.
Product multiply(std::uint64_t a, std::uint64_t b) {
  const std::uint64_t a_low = a & 0xFFFFFFFF;
  const std::uint64_t a_high = a >> 32;
  const std::uint64_t b_low = b & 0xFFFFFFFF;
  const std::uint64_t b_high = b >> 32;
  const std::uint64_t low = a_low * b_low;
  const std::uint64_t middle = a_high * b_low + (low >> 32);
  const std::uint64_t middle2 = a_low * b_high + (middle & 0xFFFFFFFF);
  return {a_high * b_high + (middle >> 32) + (middle2 >> 32), a * b};
}

}  // namespace

Random::Random(std::uint64_t seed, std::string_view actor) {
  std::uint64_t state = XXH3_64bits_withSeed(actor.data(), actor.size(), seed);
  for (std::uint64_t& word : state_) {
    word = split_mix(state);
  }
}

std::uint64_t Random::next() {
  const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  const std::uint64_t shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

std::uint64_t Random::below(std::uint64_t bound) {
  BATON_CHECK(bound > 0, "an empty range has no random element");
  const std::uint64_t threshold = (0 - bound) % bound;
  for (;;) {
    const Product product = multiply(next(), bound);
    if (product.low >= threshold) {
      return product.high;
    }
  }
}

bool Random::chance(std::uint64_t numerator, std::uint64_t denominator) {
  return below(denominator) < numerator;
}

}  // namespace baton::sim
