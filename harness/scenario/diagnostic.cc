#include "harness/scenario/diagnostic.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

namespace baton::harness {
namespace {

std::size_t edit_distance(std::string_view a, std::string_view b) {
  // Optimal string alignment: insertion, deletion, substitution, swap of neighbours.
  std::vector<std::vector<std::size_t>> cost(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) cost[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) cost[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = a[i - 1] == b[j - 1] ? 0 : 1;
      cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
      }
    }
  }
  return cost[a.size()][b.size()];
}

}  // namespace

void Diagnostics::add(Problem problem, Position at, std::string message, std::string caret_note,
                      std::string help) {
  OtherFile file;
  if (at.source != 0 && at.source <= sources_.size()) file = sources_[at.source - 1];
  list_.push_back(
      {problem, at, std::move(message), std::move(caret_note), std::move(help), std::move(file)});
}

void Diagnostics::add_in_file(Problem problem, OtherFile file, Position at, std::string message,
                              std::string help) {
  list_.push_back({problem, at, std::move(message), {}, std::move(help), std::move(file)});
}

unsigned Diagnostics::add_source(std::string name, std::string text) {
  sources_.push_back({std::move(name), std::move(text)});
  return static_cast<unsigned>(sources_.size());
}

bool Diagnostics::structural() const {
  return std::ranges::any_of(list_, [](const Diagnostic& diagnostic) {
    return diagnostic.problem <= Problem::kWrongType;
  });
}

std::vector<Diagnostic> Diagnostics::sorted() const {
  std::vector<Diagnostic> result = list_;
  std::ranges::stable_sort(result, [](const Diagnostic& a, const Diagnostic& b) {
    return std::tie(a.file.name, a.at.source, a.at.line, a.at.column) <
           std::tie(b.file.name, b.at.source, b.at.line, b.at.column);
  });
  return result;
}

std::string_view closest(std::string_view word, std::span<const std::string_view> candidates) {
  std::string_view best;
  std::size_t best_distance = std::max<std::size_t>(1, word.size() / 3) + 1;
  for (const std::string_view candidate : candidates) {
    // "kind dsa", "kind:dsa": the key is right, the colon or the space is missing.
    if (word.size() > candidate.size() && word.starts_with(candidate) &&
        (word[candidate.size()] == ':' || word[candidate.size()] == ' ')) {
      return candidate;
    }
    const std::size_t distance = edit_distance(word, candidate);
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  if (!best.empty() || word.size() < 3) return best;
  // The beginning of one candidate, and of no other.
  const auto begins = [word](std::string_view candidate) { return candidate.starts_with(word); };
  if (std::ranges::count_if(candidates, begins) != 1) return best;
  return *std::ranges::find_if(candidates, begins);
}

std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates) {
  const std::string_view found = closest(word, candidates);
  return found.empty() ? std::string() : fmt::format("did you mean \"{}\"?", found);
}

}  // namespace baton::harness
