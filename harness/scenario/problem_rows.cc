// The table of problems: what `baton explain E0107` prints.

#include <algorithm>
#include <array>

#include "harness/scenario/diagnostic.h"

namespace baton::harness {
namespace {

constexpr std::array kProblems{
    ProblemRow{Problem::kSyntax, "E0101", "not YAML",
               "The file cannot be read as YAML 1.2. The place is where the reader noticed; the "
               "cause is there or shortly before: an indentation, a missing bracket or quote.",
               "topology: {lspci: hosts/flat.lspci", "topology: {lspci: hosts/flat.lspci}"},
    ProblemRow{Problem::kYamlFeature, "E0102", "YAML feature not allowed",
               "Aliases, anchors, tags, merge keys and further documents are refused, so that "
               "what a scenario says can be read where it stands.",
               "memory: &size 64GiB", "memory: 64GiB"},
    ProblemRow{Problem::kUnknownKey, "E0103", "unknown key",
               "No such key exists at this place. `baton check --expand` prints all keys of a "
               "scenario with their defaults, `baton list parameters` all that there are.",
               "memroy: 64GiB", "memory: 64GiB"},
    ProblemRow{Problem::kDuplicateKey, "E0104", "duplicate key",
               "A key stands twice in one mapping; YAML readers would take either.",
               "title: one\ntitle: another", "title: one"},
    ProblemRow{Problem::kMissingKey, "E0105", "missing key",
               "This key has no default and must be given.", "script: [{do: live-update}]",
               "script: [{at: 200ms, do: live-update}]"},
    ProblemRow{Problem::kWrongType, "E0106", "wrong type",
               "A mapping, a list or a single value stands where another is expected.",
               "script: {at: 200ms, do: live-update}", "script: [{at: 200ms, do: live-update}]"},
    ProblemRow{Problem::kUnknownValue, "E0107", "unknown value",
               "The value is none of the choices of its key.", "do: live-updte", "do: live-update"},
    ProblemRow{Problem::kBadValue, "E0108", "malformed value",
               "The value cannot be read. Sizes, durations and rates need a unit: 4KiB, 2ms, "
               "200MB/s.",
               "memory: 64", "memory: 64GiB"},
    ProblemRow{Problem::kOutOfRange, "E0109", "value out of range",
               "The value is readable but smaller or larger than the model takes.", "memory: 1GiB",
               "memory: 4GiB"},
    ProblemRow{Problem::kUnknownName, "E0110", "unknown name",
               "A device is named that the machine does not have.", "devices: [dsa7]",
               "devices: [dsa0]"},
    ProblemRow{Problem::kDuplicateName, "E0111", "name used twice",
               "Two things of one kind share a name, or one device is given to two VMs.",
               "devices: [dsa0, dsa0]", "devices: [dsa0]"},
    ProblemRow{Problem::kNotBuilt, "E0112", "not built yet",
               "The value belongs to the design, but this version of baton does not model it.",
               "preset: v6.19", "preset: vision"},
    ProblemRow{Problem::kFile, "E0113", "file cannot be used",
               "A file that the scenario names cannot be read, or is not what it should be.",
               "lspci: host/flat.lspci", "lspci: hosts/flat.lspci"},
    ProblemRow{Problem::kConflict, "E0114", "keys contradict each other",
               "Each value is fine by itself, but not together with another.",
               "expect: [{measure: guest_pause}]", "expect: [{measure: guest_pause, below: 2s}]"},
    ProblemRow{Problem::kDump, "E0115", "not an lspci dump",
               "The file that machine.topology.lspci names is not the output of `lspci -xxxx`, run "
               "as root. The place is in that file.",
               "lspci > host.lspci", "sudo lspci -xxxx > host.lspci"},
    ProblemRow{Problem::kTopology, "E0116", "impossible host",
               "Every line of the dump can be read, but no machine has such functions, bridges and "
               "bus numbers together: a function behind no bridge, a bus number used twice. The "
               "place is in the dump.",
               "a dump from which lines were cut", "sudo lspci -xxxx > host.lspci"},
};
static_assert(std::ranges::is_sorted(kProblems, {}, &ProblemRow::problem));

}  // namespace

std::span<const ProblemRow> problem_rows() { return kProblems; }

const ProblemRow& row_of(Problem problem) {
  return kProblems.at(static_cast<std::size_t>(problem));
}

}  // namespace baton::harness
