// sessions-sealed: what the reboot hook has written stays as it is until the jump, and the jump
// follows.
//
// A kernel that hangs between the two leaves every user of a session blocked for ever.

#include <fmt/format.h>

#include <optional>
#include <string>

#include "harness/invariants/checkers.h"
#include "harness/invariants/watch.h"
#include "model/linux/base/observations.h"
#include "model/luo/observations.h"

namespace baton::harness {
namespace {

class SessionsSealed final : public Checker {
 public:
  explicit SessionsSealed(Watch& watch) : Checker(watch) {
    sim::Simulation& simulation = watch.simulation();
    simulation.topic<luo::SessionsSerialized>().subscribe(
        [this](const luo::SessionsSerialized& seen) {
          checked();
          sealed_ = watch_.now();
          kernel_ = seen.generation;
        });
    simulation.topic<luo::FileCallback>().subscribe([this](const luo::FileCallback& seen) {
      changed(
          fmt::format("file {} ({}) of session \"{}\"", seen.token, seen.compatible, seen.session));
    });
    simulation.topic<linux::SessionChanged>().subscribe([this](const linux::SessionChanged& seen) {
      changed(fmt::format("session \"{}\": {}", seen.session, seen.state));
    });
    simulation.topic<host::KernelJumped>().subscribe([this](const auto&) { sealed_.reset(); });
    simulation.topic<host::ColdRebooted>().subscribe([this](const auto&) { sealed_.reset(); });
    simulation.topic<host::KernelHalted>().subscribe([this](const auto&) { sealed_.reset(); });
  }

  std::string_view id() const override { return "sessions-sealed"; }

  // A run may be cut short on the way down; what takes longer than any shutdown hangs.
  void finish() override {
    constexpr sim::Duration kLongest = sim::Duration::seconds(1);
    if (!sealed_ || watch_.now() - *sealed_ < kLongest || !want()) return;
    report(fmt::format("kernel {}", kernel_), "the jump follows what the reboot hook has written",
           fmt::format("no jump for {}: its sessions are blocked for ever",
                       sim::to_string(watch_.now() - *sealed_)),
           watch_.milestones());
  }

 private:
  void changed(std::string subject) {
    if (!sealed_) return;
    checked();
    if (!want()) return;
    std::vector<ChainLink> chain = watch_.milestones();
    chain.push_back({*sealed_, fmt::format("kernel {} has serialized its sessions", kernel_)});
    report(std::move(subject), "nothing changes between serialization and jump",
           "it changes after what the next kernel will read was written", std::move(chain));
  }

  std::optional<sim::Time> sealed_;
  unsigned kernel_ = 0;
};

}  // namespace

std::unique_ptr<Checker> make_sessions_sealed(Watch& watch) {
  return std::make_unique<SessionsSealed>(watch);
}

}  // namespace baton::harness
