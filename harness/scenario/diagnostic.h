// What is wrong with a scenario, and where: collected over a whole file, sorted by position,
// printed with the line and a caret under the place.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace baton::harness {

// A place in a scenario file; lines and columns count from 1, columns in bytes. Line 0 is the file
// as a whole.
struct Position {
  unsigned line = 0;
  unsigned column = 0;
  unsigned length = 1;  // bytes that the caret covers
  unsigned source = 0;  // 0: the file; else what Diagnostics::add_source() gave for another text

  friend auto operator<=>(const Position&, const Position&) = default;
};

// The kinds of problem; each has a row in problem_rows() that `baton explain` prints.
enum class Problem : std::uint8_t {
  kSyntax,
  kYamlFeature,
  kUnknownKey,
  kDuplicateKey,
  kMissingKey,
  kWrongType,
  kUnknownValue,
  kBadValue,
  kOutOfRange,
  kUnknownName,
  kDuplicateName,
  kNotBuilt,
  kFile,
  kConflict,
  kDump,
  kTopology,
};

struct ProblemRow {
  Problem problem;
  std::string_view code;  // "E0101"
  std::string_view title;
  std::string_view text;
  std::string_view wrong;  // an example, lines separated by \n
  std::string_view right;
};

std::span<const ProblemRow> problem_rows();
const ProblemRow& row_of(Problem problem);

// A file that the scenario names, in which a problem lies.
struct OtherFile {
  std::string name;  // as the program opened it; empty: the scenario itself
  std::string line;  // the text of the line in question
};

struct Diagnostic {
  Problem problem;
  Position at;
  std::string message;
  std::string caret_note;  // beside the caret: did you mean "x"?
  std::string help;        // a line of its own: choices, units
  OtherFile file;
};

class Diagnostics {
 public:
  // At most this many are printed; the rest is counted.
  static constexpr std::size_t kShown = 20;

  void add(Problem problem, Position at, std::string message, std::string caret_note = {},
           std::string help = {});

  void add_in_file(Problem problem, OtherFile file, Position at, std::string message,
                   std::string help = {});
  // A text beside the file in which places can lie, by its name for people: an option. What is
  // added at a place in it is quoted from it.
  unsigned add_source(std::string name, std::string text);

  bool empty() const { return list_.empty(); }
  std::size_t size() const { return list_.size(); }
  // True if one of them is about the file's structure, so that checks across keys would only
  // report its consequences.
  bool structural() const;
  // Sorted by position, those of the scenario before those of other files; equal positions in the
  // order of discovery.
  std::vector<Diagnostic> sorted() const;

  // The text for people, with a newline at the end. Columns count characters.
  std::string format(std::string_view file, std::string_view text) const;

 private:
  std::vector<Diagnostic> list_;
  std::vector<OtherFile> sources_;
};

// The candidate that `word` most likely means, or an empty view: the smallest edit distance, at
// most a third of the word (and at least one edit), the first of equals; else the only one
// that begins with it.
std::string_view closest(std::string_view word, std::span<const std::string_view> candidates);

// "did you mean "x"?" or an empty string.
std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates);

}  // namespace baton::harness
