// What became of the VMs' devices in the first live update of a run: the facts by which the stages
// of the roadmap are told apart (harness/report/stages_report.h). Of several devices the worst
// counts.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "model/pci/function.h"
#include "sim/time.h"

namespace baton::harness {

class Watch;

struct StageFacts {
  bool jumped = false;              // there was a live update
  bool device_handed_over = false;  // by a file of its own
  bool device_retrieved = false;
  bool device_taken_over = false;     // bound to an iommufd of its VM under the next kernel
  unsigned resets = 0;                // from the freeze until user space is done with it
  std::string stopped_by;             // who cleared its bus master or reset it; empty: it went on
  bool interrupts_at_freeze = false;  // MSI-X is enabled
  bool interrupts_at_jump = false;
  bool interrupts_at_end = false;
  bool works_at_end = false;          // requests of it arrived in the last 100 ms
  std::vector<std::string> refusals;  // "PRESERVE_FD vfio: ENOENT", in their order, each once
  bool sessions_finished = false;     // all that were handed over
};

class StageFactsRecorder {
 public:
  explicit StageFactsRecorder(Watch& watch);
  StageFactsRecorder(const StageFactsRecorder&) = delete;
  StageFactsRecorder& operator=(const StageFactsRecorder&) = delete;

  StageFacts take();  // at the end of the run

 private:
  void subscribe();
  void stopped(const pci::Function& function, std::string by);
  bool any_interrupts() const;

  Watch& watch_;
  StageFacts facts_;
  bool frozen_ = false;
  sim::Time last_request_;
};

}  // namespace baton::harness
