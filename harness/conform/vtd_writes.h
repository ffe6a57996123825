// The order in which a measured kernel programmed a remapping unit, held against the order in which
// this Linux does: a record of configuration accesses that has ["vtd", "w 0xOFF SIZE 0xVAL"]
// entries (tests/conformance/data/README.md).
//
// Compared are register writes, up to what is the kernel's own choice:
//   addresses of queue, root and interrupt tables are renamed by the register that gets them, the
//     fields beside the address count;
//   the queue's tail is counted in descriptors from the tail before;
//   vector and CPU of the fault event do not count, its three writes do.
// Not compared: submissions between the fault event's set-up and the root pointer, and those that
// come after the invalidations of the root pointer. They are entries of interrupts whose drivers
// are not modelled (I/O APIC, timers), and their number is the machine's.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "harness/conform/iommu_boot.h"
#include "harness/conform/json_input.h"

namespace baton::harness {

// One phase, in the words of the comparison.
struct WritesPhase {
  std::string name;
  std::vector<std::string> recorded;
  std::vector<std::string> model;
  std::size_t equal = 0;  // longest common subsequence
};

struct WritesResult {
  std::string name;  // of the record
  std::string mode;  // "scalable, crash"
  std::vector<WritesPhase> phases;

  std::size_t equal() const;
  std::size_t total() const;  // of each phase the longer side
};

// A record as read: what it tells of the machine, and its phases.
struct WritesRecord {
  std::string name;
  IommuBootConfig config;
  std::vector<RegisterWrite> cold;
  std::vector<RegisterWrite> shutdown;
  std::vector<RegisterWrite> next;
};

std::expected<WritesRecord, std::string> read_vtd_writes(const std::string& file,
                                                         const boost::json::value& document);
// Runs the model as the record's kernel ran.
std::expected<WritesResult, std::string> judge_vtd_writes(const WritesRecord& record);
// A line for each phase; with `verbose`, both sides where they differ.
std::string text(const WritesResult& result, bool verbose);

// The writes of one boot in the words of the comparison.
std::vector<std::string> compared_writes(const std::vector<RegisterWrite>& writes);

}  // namespace baton::harness
