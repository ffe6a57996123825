// Every configuration write of every kernel: when, in which phase, to which register of which
// function, by which kernel function, and what it changed.
//
// Recorded are writes by software. What firmware and hardware set is no write; a device owner's
// accesses appear as those of the kernel that makes them for it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/record/observer.h"
#include "harness/record/phase_clock.h"
#include "model/linux/pci/observations.h"
#include "model/pci/observations.h"

namespace baton::harness {

struct ConfigWriteRow {
  sim::Time time;
  unsigned generation = 0;
  std::string_view phase;  // see PhaseMark::name
  std::string function;    // the actor's name; empty: nobody answered
  Sbdf address;            // as addressed
  std::uint16_t offset = 0;
  std::string_view register_name;  // "Command"; empty outside of what the field rows cover
  unsigned width = 0;
  std::uint32_t old_value = 0;
  std::uint32_t written = 0;
  std::uint32_t new_value = 0;
  std::string_view by;  // the kernel function
  // Whose probe of the function it is part of; empty: of none.
  std::string_view driver;

  // It wrote what was there, and nothing changed.
  bool value_equal() const { return written == old_value && new_value == old_value; }
};

// Writes to one register of one function by one kernel function in one phase, in the probe of one
// driver or outside of any.
struct ConfigWriteGroup {
  std::string function;
  Sbdf address;  // of the first write
  unsigned generation = 0;
  std::string_view phase;
  std::uint16_t offset = 0;
  std::string_view register_name;
  unsigned width = 0;
  std::string_view by;
  std::string_view driver;
  std::uint64_t writes = 0;
  std::uint64_t value_equal = 0;
  sim::Time first;
  sim::Time last;
  std::uint32_t old_value = 0;  // before the first
  std::uint32_t new_value = 0;  // after the last
};

// "__pci_set_master", "__pci_set_master, nvme probes".
std::string writer_text(const ConfigWriteGroup& group);

// In the order of first writes, functions together: sorted by (function's first address,
// generation, time).
std::vector<ConfigWriteGroup> group_writes(std::span<const ConfigWriteRow> rows);

class ConfigWrites final : public RunObserver {
 public:
  void attach(Watch& watch, const Scenario& scenario) override;

  const std::vector<ConfigWriteRow>& rows() const { return rows_; }

 private:
  void on_access(const host::ConfigAccess& seen);
  void on_written(const pci::ConfigWritten& seen);
  void on_probe(const linux::pci::DriverProbe& seen);

  Watch* watch_ = nullptr;
  PhaseClock clock_;
  std::vector<ConfigWriteRow> rows_;
  std::vector<linux::pci::DriverProbe> probes_;  // that have begun
  bool open_ = false;  // the last row waits for what the function says of it
};

}  // namespace baton::harness
