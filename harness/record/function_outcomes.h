// What became of each device of a VM in a handover: its number before and after, and the ways in
// which its requests went wrong from the freeze on, in the order in which each was first seen.
//
// Foreign memory is what a request reaches that its I/O virtual address did not mean at the freeze.
// It is looked for until the finish; all else until the end of the run.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/record/observer.h"
#include "harness/record/phase_clock.h"

namespace baton::harness {

enum class Harm : std::uint8_t {
  kUnsupportedRequest,
  kAcsViolation,
  kLostCompletion,
  kRemappingFault,
  kSourceMismatch,  // of an interrupt message with its remapping entry
  kOtherRefusal,
  kForeignMemory,
  kReset,
  kStopped,  // the device halts, or its controller fails
};
struct HarmRow {
  Harm harm;
  std::string_view id;    // "acs-violation"
  std::string_view text;  // "ACS violation"
};
std::span<const HarmRow> harm_rows();
const HarmRow& row_of(Harm harm);
const HarmRow* harm_row(std::string_view id);

struct HarmSeen {
  Harm harm = Harm::kStopped;
  sim::Time time;
  std::string phase;
};

struct FunctionOutcome {
  std::string device;
  std::string before;  // its requester id when the handover began: "0000:04:00.0"
  std::string after;   // at the end of the run
  std::vector<HarmSeen> harms;

  bool unharmed() const { return harms.empty(); }
};

class FunctionOutcomes final : public RunObserver {
 public:
  void attach(Watch& watch, const Scenario& scenario) override;
  void finish() override;

  // In the order of the VMs' devices; empty without a handover.
  std::vector<FunctionOutcome> take() { return std::move(outcomes_); }

 private:
  void begin();
  void on_request(const pci::RequestDone& seen);
  void add(const pci::Function& function, Harm harm);

  Watch* watch_ = nullptr;
  PhaseClock clock_;
  bool begun_ = false;
  std::uint8_t interrupt_fault_ = 0;  // reason of the last fault that an interrupt met
  std::vector<FunctionOutcome> outcomes_;
};

}  // namespace baton::harness
