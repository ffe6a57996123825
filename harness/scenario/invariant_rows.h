// The promises that baton checks, by id: what a scenario may name in `expect`, and what `baton list
// invariants` and `baton explain` print. The checkers are in harness/invariants, one file for each
// row.
#pragma once

#include <span>
#include <string_view>

namespace baton::harness {

struct InvariantRow {
  std::string_view id;
  std::string_view sentence;
  std::string_view text;    // what the checker does, in prose
  std::string_view source;  // where the promise is written
  std::string_view holds;   // a scenario of the library in which it holds
  std::string_view defect;  // a defect that makes it fire
  // Judged by a second run, without the live update: not among `all`, only where it is named.
  bool differential = false;
};

std::span<const InvariantRow> invariant_rows();
const InvariantRow* invariant_row(std::string_view id);

// Quantities that a scenario may bound in `expect`.
enum class MeasureUnit : std::uint8_t { kDuration, kBytes, kCount };

struct MeasureRow {
  std::string_view id;
  MeasureUnit unit;
  std::string_view sentence;
};

std::span<const MeasureRow> measure_rows();
const MeasureRow* measure_row(std::string_view id);

}  // namespace baton::harness
