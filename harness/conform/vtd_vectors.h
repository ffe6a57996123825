// Conformance vectors of a VT-d remapping unit, format "baton-vtd-vectors-1": sequences of register
// accesses, CPU stores and device requests with their results, measured on an implementation that
// shares no code with this one (tests/conformance/data/README.md).
//
// Results are facts: what is compared by name, each a line of text. A fault record gives several,
// so that a difference names the field.
#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "harness/conform/json_input.h"
#include "model/iommu_vtd/profile.h"

namespace baton::harness {

using VtdFacts = std::map<std::string, std::string>;

// How far the recorded result binds.
enum class VtdLevel : std::uint8_t {
  kMust,         // exactly as recorded
  kMay,          // as recorded or as the alternative
  kDeviates,     // the measured unit departs from the specification: as the alternative
  kImpl,         // implementation defined
  kUnspecified,  // software breaks a rule
};
std::string_view name(VtdLevel level);

struct VtdStep {
  enum class Op : std::uint8_t {
    kRegisterWrite,
    kRegisterRead,
    kMemoryWrite,
    kMemoryRead,
    kBusMaster,
    kBridgeRenumber,
    kDeviceWrite,
    kDeviceRead,
    kDeviceMessage,
  };
  Op op = Op::kRegisterRead;
  std::string words;  // as a reader wants to see it: "reg_read FSTS"
  unsigned size = 4;
  std::uint64_t address = 0;               // offset, gpa, iova, message address
  std::uint64_t value = 0;                 // register value, message data
  std::uint64_t mask = ~std::uint64_t{0};  // of a register read
  std::uint64_t length = 0;                // bytes
  std::uint64_t repeat = 1;
  std::vector<std::uint64_t> words64;
  std::vector<std::byte> data;
  Bdf requester;
  Bdf device;  // where the function sits, which a bridge may hide
  Bdf bridge;
  unsigned secondary = 0;
  bool enable = false;
  VtdFacts recorded;
  VtdFacts alternative;  // facts that may take the place of recorded ones
};

struct VtdMemory {
  std::uint64_t gpa = 0;
  std::vector<std::byte> bytes;
};

// What the specification asks for, where the measured unit departs from it.
struct VtdSpecExpect {
  std::set<std::string> reasons;  // accepted fault reasons, "0x79"
  std::optional<bool> recorded;   // a fault record exists at the end
  std::optional<bool> delivered;  // the interrupt or the data arrives
};

struct VtdVector {
  std::string name;
  std::string category;
  std::string config;
  VtdLevel level = VtdLevel::kMust;
  bool has_alternative = false;  // as results
  bool has_prose = false;        // an alternative in words alone
  std::optional<VtdSpecExpect> expect;
  std::vector<VtdMemory> memory;
  std::vector<VtdStep> steps;
  VtdFacts recorded;  // after the last step
  VtdFacts alternative;
};

struct VtdVectors {
  std::map<std::string, iommu_vtd::Profile> configs;
  std::vector<VtdVector> vectors;
};

// The error names the file, and the field by its path.
std::expected<VtdVectors, std::string> load_vtd_vectors(const std::string& file);
std::expected<VtdVectors, std::string> read_vtd_vectors(const std::string& file,
                                                        const boost::json::value& document);

// Facts, as both sides write them.
std::string irq_fact(std::uint64_t destination, bool logical, std::uint64_t delivery_mode,
                     std::uint64_t vector, bool level_triggered);
struct FaultRecordBits {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
};
void add_fault_record(VtdFacts& facts, std::size_t index, FaultRecordBits record);
// A register read. Of the upper half of a fault record the reason is a fact of its own, and the
// bits that hold garbage on the measured unit (PV, PP) do not count.
void add_register(VtdFacts& facts, const iommu_vtd::Profile& profile, const VtdStep& step,
                  std::uint64_t value);

}  // namespace baton::harness
