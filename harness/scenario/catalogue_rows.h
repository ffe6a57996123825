// What a scenario may name beside invariants and defects: devices, presets; and the documents that
// the tables cite. `baton list` and `baton explain` print these rows.
#pragma once

#include <array>
#include <span>
#include <string_view>

namespace baton::harness {

// A kind of machine.topology.add[].
struct DeviceRow {
  std::string_view kind;
  std::string_view sentence;
  std::string_view modelled;
  std::string_view left_out;
  std::string_view source;
};

std::span<const DeviceRow> device_rows();

// A piece of a kernel and the generation that a preset gives it.
struct PieceRow {
  std::string_view piece;
  std::string_view generation;
  std::string_view text;
  std::string_view standing;
};

struct PresetRow {
  std::string_view id;
  std::string_view sentence;
  std::string_view text;
  std::span<const PieceRow> pieces;
};

std::span<const PresetRow> preset_rows();

// A document; citations in the tables and in comments begin with its `prefix`: "[VT-d 6.2.1]".
struct SourceRow {
  std::string_view id;
  std::string_view prefix;
  std::string_view title;
  std::string_view text;  // what is taken from it
};

std::span<const SourceRow> source_rows();

}  // namespace baton::harness
