// session-complete: every session that was preserved when the machine jumped is retrieved and
// finished before the run ends or the next jump, and no kernel panics on the way.

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "harness/invariants/checkers.h"
#include "harness/invariants/watch.h"
#include "model/linux/base/observations.h"

namespace baton::harness {
namespace {

class SessionComplete final : public Checker {
 public:
  explicit SessionComplete(Watch& watch) : Checker(watch) {
    sim::Simulation& simulation = watch.simulation();
    simulation.topic<host::KernelHalted>().subscribe([this](const auto& o) { on_halt(o); });
    simulation.topic<linux::SessionFileChanged>().subscribe([this](const auto& o) { on_file(o); });
    simulation.topic<linux::SystemCallFailed>().subscribe([this](const auto& o) { on_error(o); });
  }

  std::string_view id() const override { return "session-complete"; }

  void finish() override {
    checked();
    if (halted_ || !watch_.jumped()) return;
    for (const std::string& session : watch_.pending_sessions()) {
      if (!want()) continue;
      std::vector<ChainLink> chain = watch_.milestones();
      chain.insert(chain.end(), progress_.begin(), progress_.end());
      std::ranges::stable_sort(chain, {}, &ChainLink::time);
      report(fmt::format("session \"{}\"", session), "retrieved and finished",
             "the run ended before it was finished", std::move(chain));
    }
  }

 private:
  void on_halt(const host::KernelHalted& seen) {
    checked();
    halted_ = true;
    if (!want()) return;
    report(fmt::format("kernel {}", seen.generation), "it carries the preserved sessions on",
           fmt::format("it panicked: {}", seen.reason), watch_.milestones());
  }

  void on_file(const linux::SessionFileChanged& seen) {
    checked();
    if (!watch_.jumped()) return;
    progress_.push_back(watch_.link(fmt::format("file {} ({}) of session \"{}\": {}", seen.token,
                                                seen.compatible, seen.session, seen.state)));
  }

  // What user space was refused after the jump is why a session stays open.
  void on_error(const linux::SystemCallFailed& seen) {
    if (!watch_.jumped()) return;
    progress_.push_back(watch_.link(
        fmt::format("{}: {} fails with {}", seen.process, seen.call, linux::name(seen.error))));
  }

  bool halted_ = false;
  std::vector<ChainLink> progress_;
};

}  // namespace

std::unique_ptr<Checker> make_session_complete(Watch& watch) {
  return std::make_unique<SessionComplete>(watch);
}

}  // namespace baton::harness
