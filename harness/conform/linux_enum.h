// What a measured Linux wrote to configuration space, held against what this Linux writes on the
// same host (enum_record.h, enum_run.h).
//
// Compared are, of each variant of a record: the ordered writes of the PCI core's own contexts in
// the cold boot, the shutdown and the boot after kexec (equal: the longest common subsequence;
// vector and CPU of an MSI message are the kernel's choice and do not count, except the zeros at
// shutdown), and the final registers of every function: bus numbers, windows, BARs, ROM, Bridge
// Control, Command.
//
// A difference is a failure unless the reviewed list has it with its reason; an entry of the list
// that meets no difference is stale, and a failure too.
#pragma once

#include <expected>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "harness/conform/enum_record.h"
#include "harness/conform/enum_run.h"

namespace baton::harness {

// An explained difference of the writes to one register, or of its final value.
struct ReviewedEnum {
  std::string topology;
  std::string variant;
  std::string phase;  // of kEnumPhases, or a state
  std::string function;
  std::uint16_t offset = 0;
  std::string reason;
};
std::expected<std::vector<ReviewedEnum>, std::string> read_reviewed_enum(
    const std::string& file, const boost::json::value& document);
std::vector<ReviewedEnum> reviewed_enum();

// A write that only one side has, and where in that side's sequence.
struct EnumDifference {
  EnumWrite write;
  bool recorded = false;  // else the model's
  std::size_t index = 0;
  const ReviewedEnum* reviewed = nullptr;
};

struct EnumPhaseResult {
  std::string name;
  std::size_t recorded = 0;
  std::size_t model = 0;
  std::size_t equal = 0;
  std::vector<EnumDifference> differences;
  std::size_t longer() const { return std::max(recorded, model); }
};

struct EnumRegisterDifference {
  std::string state;
  std::string function;
  std::string what;  // "Command is 0x103, recorded 0x107"
  std::uint16_t offset = 0;
  const ReviewedEnum* reviewed = nullptr;
};

struct EnumVariantResult {
  std::string name;
  std::size_t functions = 0;  // that all compared states have
  std::size_t registers = 0;
  std::size_t registers_equal = 0;
  std::vector<EnumPhaseResult> phases;
  std::vector<EnumRegisterDifference> registers_differing;
};

struct EnumResult {
  std::string name;
  std::vector<EnumVariantResult> variants;
  std::vector<std::string> stale;  // entries of the list that met nothing

  std::size_t equal() const;
  std::size_t total() const;
  bool passed() const;
};

std::expected<EnumResult, std::string> judge_enum(const EnumRecord& record,
                                                  std::span<const ReviewedEnum> reviewed);
// A table; with `verbose`, every difference.
std::string text(const EnumResult& result, bool verbose);

}  // namespace baton::harness
