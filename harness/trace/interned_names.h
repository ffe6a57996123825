// Strings that are written once and named by number. Most that come again are literals: an address
// is a good guess of where a string was put.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace baton::harness {

class InternedNames {
 public:
  struct Found {
    std::uint64_t id;
    bool fresh;
  };
  // Any text: what was put there is compared.
  Found intern(std::string_view name) {
    Guess& guess = guess_of(name);
    if (guess.text == name) return {guess.id, false};
    return look_up(name, guess);
  }
  // A text that never changes is known by its address.
  Found intern_static(std::string_view name) {
    Guess& guess = guess_of(name);
    if (guess.address == name.data() && guess.text.size() == name.size()) return {guess.id, false};
    return look_up(name, guess);
  }

 private:
  struct Guess {
    const char* address = nullptr;
    std::string_view text{};  // as it was put
    std::uint64_t id = 0;
  };
  Guess& guess_of(std::string_view name) {
    const auto address = reinterpret_cast<std::uintptr_t>(name.data());
    return guesses_[(address ^ address >> 8) % guesses_.size()];
  }
  Found look_up(std::string_view name, Guess& guess) {
    const auto [entry, fresh] = ids_.try_emplace(std::string(name), ids_.size() + 1);
    guess = {name.data(), entry->first, entry->second};
    return {entry->second, fresh};
  }

  std::map<std::string, std::uint64_t> ids_;
  std::array<Guess, 256> guesses_{};
};

}  // namespace baton::harness
