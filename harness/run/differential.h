// guest-unaware and device-unaware: what guests asked of their devices, what entered the devices
// and what these completed, compared with a second run of the scenario without its live update.
//
// The second run has the same machine, kernels, guests and seed, and neither the script nor the
// processes of the scenario. It goes on until each guest has made as many calls as in the first
// run, which takes it less simulated time, or until the first run's length is reached. What a guest
// did not come to is no difference: the live update took its time.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "harness/record/call_tape.h"
#include "harness/report/run_result.h"

namespace baton::harness {

class Differential {
 public:
  // Before power-on. `loaded` and `watch` outlive it.
  Differential(Watch& watch, const Loaded& loaded, std::uint64_t seed,
               std::function<bool()> interrupted);

  // An expectation of the scenario names one of the two.
  static bool wanted(const Scenario& scenario);
  // Both, for the judge; they say what compare() found.
  std::vector<std::unique_ptr<Checker>> make_checkers();

  // Makes the second run; `started` is when the script's times began to count in the first. Without
  // that, or when it was interrupted, nothing is compared.
  void compare(std::optional<sim::Time> started);
  // Every difference between devices, and the first ones between guests.
  const std::vector<DifferenceRow>& rows() const { return rows_; }

 private:
  class Unaware;

  Loaded reference() const;
  bool caught_up(const CallTape& other) const;
  void compare_guest(const VmSpec& vm, const CallTape& other);
  void compare_device(std::size_t index, const CallTape& other);
  void compare_inputs(const std::string& who, std::span<const DeviceInput> a,
                      std::span<const DeviceInput> b);
  void keep(DifferenceRow row, const std::string& expected, std::vector<ChainLink> chain);
  void note(DifferenceRow row);
  std::vector<ChainLink> milestones_until(sim::Time time) const;

  Watch& watch_;
  const Loaded& loaded_;
  std::uint64_t seed_;
  std::function<bool()> interrupted_;
  CallTape tape_;
  std::vector<DifferenceRow> rows_;
  std::uint64_t guest_checks_ = 0;
  std::uint64_t device_checks_ = 0;
};

}  // namespace baton::harness
