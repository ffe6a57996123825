// The name of a kind of event, hashed at compile time: the hot path compares and fingerprints a
// number, people read the name.
#pragma once

#include <cstdint>
#include <string_view>

namespace baton::sim {

// FNV-1a, 64 bit.
constexpr std::uint64_t hash_name(std::string_view name) {
  std::uint64_t hash = 0xCBF29CE484222325;
  for (const char c : name) {
    hash = (hash ^ static_cast<std::uint8_t>(c)) * 0x100000001B3;
  }
  return hash;
}

struct Kind {
  std::string_view name;
  std::uint64_t hash;

  // Implicit on purpose: a Kind is written as its name.
  consteval Kind(const char* text) : name(text), hash(hash_name(name)) {}
};

}  // namespace baton::sim
