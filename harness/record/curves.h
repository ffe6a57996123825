// The course of a run as curves: when each guest ran and paused, and what each device of a VM wrote
// to memory in each window of time. What the figure of a report is drawn of.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "harness/record/observer.h"
#include "model/pci/observations.h"

namespace baton::harness {

// A stretch in which a guest ran, or was paused.
struct GuestSpan {
  std::string vm;
  sim::Time from;
  sim::Time to;
  bool paused = false;
};

// Bytes written to memory in each window since power-on.
struct DmaCurve {
  std::string device;
  std::vector<std::uint64_t> bytes;
};

class Curves final : public RunObserver {
 public:
  static constexpr sim::Duration kWindow = sim::Duration::milliseconds(2);

  void attach(Watch& watch, const Scenario& scenario) override;
  void finish() override;

  const std::vector<GuestSpan>& guests() const { return guests_; }
  const std::vector<DmaCurve>& dma() const { return dma_; }

 private:
  void change(std::string_view vm, bool paused);
  void stop(std::string_view vm);
  void on_request(const pci::RequestDone& seen);

  Watch* watch_ = nullptr;
  std::vector<GuestSpan> guests_;
  std::map<std::string, std::size_t, std::less<>> open_;  // places in guests_, by VM
  std::vector<DmaCurve> dma_;                             // beside Watch::devices()
};

}  // namespace baton::harness
