// Strings that are written once and named by number. Most come again and again: what was last put
// where a string's looks (or its address, if it is a literal) say is a good guess.
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
    Guess& guess = guesses_[looks(name) % guesses_.size()];
    if (guess.text == name && guess.id != 0) return {guess.id, false};
    return look_up(name, guess);
  }
  // A text that never changes is known by its address.
  Found intern_static(std::string_view name) {
    const auto address = reinterpret_cast<std::uintptr_t>(name.data());
    Guess& guess = guesses_[(address ^ address >> 8) % guesses_.size()];
    if (guess.address == name.data() && guess.text.size() == name.size()) return {guess.id, false};
    return look_up(name, guess);
  }

 private:
  struct Guess {
    const char* address = nullptr;
    std::string_view text{};  // as it was put
    std::uint64_t id = 0;     // 0: none
  };
  static std::size_t looks(std::string_view name) {
    if (name.empty()) return 0;
    const auto first = static_cast<unsigned char>(name.front());
    const auto last = static_cast<unsigned char>(name.back());
    return name.size() + 8U * first + last;
  }
  Found look_up(std::string_view name, Guess& guess) {
    auto entry = ids_.find(name);
    const bool fresh = entry == ids_.end();
    if (fresh) entry = ids_.emplace(std::string(name), ids_.size() + 1).first;
    guess = {name.data(), entry->first, entry->second};
    return {entry->second, fresh};
  }

  std::map<std::string, std::uint64_t, std::less<>> ids_;
  std::array<Guess, 256> guesses_{};
};

}  // namespace baton::harness
