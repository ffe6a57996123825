// What a run's report is made of, gathered from observations: phases with the DMA in each, pauses,
// notes, what was used and how well founded it is.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "harness/invariants/watch.h"
#include "harness/report/run_result.h"
#include "model/pci/observations.h"

namespace baton::harness {

class Recorder {
 public:
  explicit Recorder(Watch& watch);
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  // Closes the last phase and pauses that never ended.
  void finish();

  const std::vector<PhaseRow>& phases() const { return phases_; }
  const std::vector<std::string>& notes() const { return notes_; }
  // Functions of the host that the last kernel never read an id of.
  std::uint64_t functions_missing() const;
  std::uint64_t live_updates() const { return live_updates_; }
  sim::Duration longest_pause() const { return longest_pause_; }
  std::uint64_t dma_bytes() const;
  // Between a freeze and the next kernel's user space.
  std::uint64_t dma_bytes_without_kernel() const;
  std::vector<StandingCount> standings() const;

 private:
  void enter(unsigned generation, std::string name);
  void on_phase(const linux::PhaseEntered& seen);
  void on_request(const pci::RequestDone& seen);
  void on_session(const linux::SessionChanged& seen);
  void note(std::string text);
  void use(std::string standing, std::string thing);
  void subscribe_to_hardware();
  void subscribe_to_errors();
  void subscribe_to_user_space();
  void subscribe_to_standings();

  Watch& watch_;
  std::vector<PhaseRow> phases_;
  std::vector<std::string> notes_;
  std::map<std::string, sim::Time, std::less<>> paused_;  // by VM
  sim::Duration longest_pause_;
  std::uint64_t live_updates_ = 0;
  std::map<std::string, std::set<std::string>, std::less<>> standings_;
  std::set<std::string> errors_told_;
  std::map<std::string, std::uint64_t> abandoned_;  // files of sessions that are being closed
  std::set<Sbdf> found_;                            // by the kernel that runs
};

}  // namespace baton::harness
