#include "harness/scenario/diagnostic.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace baton::harness {
namespace {

constexpr std::array kProblems{
    ProblemRow{Problem::kSyntax, "E0101", "not YAML",
               "The file cannot be read as YAML 1.2. The place is where the reader noticed; the "
               "cause is there or shortly before: an indentation, a missing bracket or quote."},
    ProblemRow{Problem::kYamlFeature, "E0102", "YAML feature not allowed",
               "Aliases, anchors, tags, merge keys and further documents are refused, so that "
               "what a scenario says can be read where it stands."},
    ProblemRow{Problem::kUnknownKey, "E0103", "unknown key",
               "No such key exists at this place. `baton check --expand` prints all keys of a "
               "scenario with their defaults."},
    ProblemRow{Problem::kDuplicateKey, "E0104", "duplicate key",
               "A key stands twice in one mapping; YAML readers would take either."},
    ProblemRow{Problem::kMissingKey, "E0105", "missing key",
               "This key has no default and must be given."},
    ProblemRow{Problem::kWrongType, "E0106", "wrong type",
               "A mapping, a list or a single value stands where another is expected."},
    ProblemRow{Problem::kUnknownValue, "E0107", "unknown value",
               "The value is none of the choices of its key."},
    ProblemRow{Problem::kBadValue, "E0108", "malformed value",
               "The value cannot be read. Sizes, durations and rates need a unit: 4KiB, 2ms, "
               "200MB/s."},
    ProblemRow{Problem::kOutOfRange, "E0109", "value out of range",
               "The value is readable but smaller or larger than the model takes."},
    ProblemRow{Problem::kUnknownName, "E0110", "unknown name",
               "A device is named that the machine does not have."},
    ProblemRow{Problem::kDuplicateName, "E0111", "name used twice",
               "Two things of one kind share a name, or one device is given to two VMs."},
    ProblemRow{Problem::kNotBuilt, "E0112", "not built yet",
               "The value belongs to the design, but this version of baton does not model it."},
    ProblemRow{Problem::kFile, "E0113", "file cannot be used",
               "A file that the scenario names cannot be read, or is not what it should be."},
    ProblemRow{Problem::kConflict, "E0114", "keys contradict each other",
               "Each value is fine by itself, but not together with another."},
};

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

std::string_view line_of(std::string_view text, unsigned line) {
  for (unsigned at = 1; at < line; ++at) {
    const std::size_t newline = text.find('\n');
    if (newline == std::string_view::npos) return {};
    text.remove_prefix(newline + 1);
  }
  std::string_view found = text.substr(0, text.find('\n'));
  if (!found.empty() && found.back() == '\r') found.remove_suffix(1);
  return found;
}

// Tabs of the quoted line are kept in the padding, so that the caret stands under its place.
std::string padding_before(std::string_view line, unsigned column) {
  std::string padding;
  for (std::size_t at = 0; at + 1 < column; ++at) {
    padding.push_back(at < line.size() && line[at] == '\t' ? '\t' : ' ');
  }
  return padding;
}

void format_one(std::string& out, const Diagnostic& diagnostic, std::string_view file,
                std::string_view text) {
  fmt::format_to(std::back_inserter(out), "error[{}]: {}\n  --> {}:{}:{}\n",
                 row_of(diagnostic.problem).code, diagnostic.message, file, diagnostic.at.line,
                 diagnostic.at.column);
  const std::string_view line = line_of(text, diagnostic.at.line);
  const std::string number = fmt::format("{:4}", diagnostic.at.line);
  const std::string gutter(number.size(), ' ');
  std::size_t carets = std::max(1U, diagnostic.at.length);
  if (diagnostic.at.column <= line.size()) {
    carets = std::min<std::size_t>(carets, line.size() - diagnostic.at.column + 1);
  } else {
    carets = 1;
  }
  fmt::format_to(std::back_inserter(out), "{} | {}\n{} | {}{}", number, line, gutter,
                 padding_before(line, diagnostic.at.column), std::string(carets, '^'));
  if (!diagnostic.caret_note.empty()) {
    fmt::format_to(std::back_inserter(out), " {}", diagnostic.caret_note);
  }
  out.push_back('\n');
  if (!diagnostic.help.empty()) {
    fmt::format_to(std::back_inserter(out), "{} = {}\n", gutter, diagnostic.help);
  }
}

}  // namespace

std::span<const ProblemRow> problem_rows() { return kProblems; }

const ProblemRow& row_of(Problem problem) {
  return kProblems.at(static_cast<std::size_t>(problem));
}

void Diagnostics::add(Problem problem, Position at, std::string message, std::string caret_note,
                      std::string help) {
  list_.push_back({problem, at, std::move(message), std::move(caret_note), std::move(help)});
}

bool Diagnostics::structural() const {
  return std::ranges::any_of(list_, [](const Diagnostic& diagnostic) {
    return diagnostic.problem <= Problem::kWrongType;
  });
}

std::vector<Diagnostic> Diagnostics::sorted() const {
  std::vector<Diagnostic> result = list_;
  std::ranges::stable_sort(result, [](const Diagnostic& a, const Diagnostic& b) {
    return std::pair(a.at.line, a.at.column) < std::pair(b.at.line, b.at.column);
  });
  return result;
}

std::string Diagnostics::format(std::string_view file, std::string_view text) const {
  std::string out;
  const std::vector<Diagnostic> all = sorted();
  for (std::size_t i = 0; i < all.size() && i < kShown; ++i) {
    format_one(out, all[i], file, text);
  }
  if (all.size() > kShown) {
    fmt::format_to(std::back_inserter(out), "... and {} more errors\n", all.size() - kShown);
  }
  return out;
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
  return best;
}

std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates) {
  const std::string_view found = closest(word, candidates);
  return found.empty() ? std::string() : fmt::format("did you mean \"{}\"?", found);
}

}  // namespace baton::harness
