// Replay tokens: bt1-<digest>-<seed>[-<overrides>]-<check>, all that is needed to run a scenario
// again as it was run, and to notice that it is no longer the same scenario or that a digit is
// wrong.
//
//   digest     8 hexadecimal digits over the scenario's text and the dump that it imports
//   seed       decimal
//   overrides  the KEY=VALUE texts of --set, a newline between them, in base 32
//   check      4 digits in base 32 over all before it
//
// Base 32 with Crockford's digits in lower case: no i, l, o, u. Not a secret and not a signature.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "harness/scenario/scenario.h"

namespace baton::harness {

struct Token {
  std::string digest;
  std::uint64_t seed = 0;
  std::vector<std::string> overrides;
  friend bool operator==(const Token&, const Token&) = default;
};

std::string format_token(const Token& token);
// What is wrong with it, as a sentence, if it is not a token.
std::expected<Token, std::string> parse_token(std::string_view text);

// The digest of a scenario that was read. A dump that cannot be read counts as empty.
std::string scenario_digest(const Loaded& loaded);

std::string base32(std::string_view bytes);
// Nothing for a digit that does not exist or bits left over that are not zero.
std::expected<std::string, std::string> from_base32(std::string_view digits);

}  // namespace baton::harness
