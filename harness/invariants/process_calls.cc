// process-calls: what the scenario's processes ask of a kernel is answered as the scenario says,
// and every one of their calls is made.
//
// A process that gave up after a wrong answer owes no more calls. The last call of a process may be
// one that never returns: pause, a reboot, a call that shall block.

#include <fmt/format.h>

#include <map>
#include <string>

#include "harness/invariants/checkers.h"
#include "harness/invariants/watch.h"
#include "model/vmm/observations.h"

namespace baton::harness {
namespace {

using vmm::ScriptCall;
using vmm::ScriptPlace;

class ProcessCalls final : public Checker {
 public:
  explicit ProcessCalls(Watch& watch) : Checker(watch) {
    for (const vmm::ScriptProcess& process : watch.processes()) {
      expect(process.kernel, process.name, process.place, process.calls);
    }
    sim::Simulation& simulation = watch.simulation();
    simulation.topic<vmm::ScriptCallBegun>().subscribe([this](const auto& o) { on_begun(o); });
    simulation.topic<vmm::ScriptCallMade>().subscribe([this](const auto& o) { on_made(o); });
    simulation.topic<vmm::ScriptProcessChanged>().subscribe(
        [this](const auto& o) { on_changed(o); });
  }

  std::string_view id() const override { return "process-calls"; }

  void finish() override {
    for (const auto& [key, state] : states_) {
      checked();
      if (state.done || !want()) continue;
      const std::string subject =
          fmt::format("process {} of kernel {}, {}", key.second, key.first, place(state.place));
      if (state.call == nullptr) {
        report(subject, "it makes its calls", "it never started", watch_.milestones());
      } else if (state.returned) {
        report(subject, "it makes all of its calls",
               fmt::format("its kernel ended after {}", state.call->text), watch_.milestones());
      } else {
        report(subject, fmt::format("{} returns", state.call->text), "it has not returned",
               watch_.milestones());
      }
    }
  }

 private:
  using Key = std::pair<unsigned, std::string>;
  struct State {
    ScriptPlace place;
    const std::vector<ScriptCall>* calls = nullptr;
    const ScriptCall* call = nullptr;  // the last one that was begun
    bool returned = false;
    bool done = false;
  };

  void expect(unsigned kernel, const std::string& name, ScriptPlace at,
              const std::vector<ScriptCall>& calls) {
    states_[{kernel, name}] = {at, &calls, nullptr, false, calls.empty()};
    for (const ScriptCall& call : calls) {
      if (call.kind == vmm::CallKind::kFork) expect(kernel, call.subject, call.place, call.child);
    }
  }

  State* find(unsigned generation, std::string_view name) {
    const auto found = states_.find({generation, std::string(name)});
    return found == states_.end() ? nullptr : &found->second;
  }

  void on_begun(const vmm::ScriptCallBegun& seen) {
    State* state = find(seen.generation, seen.process);
    if (state == nullptr) return;
    for (const ScriptCall& call : *state->calls) {
      if (call.place == seen.place) state->call = &call;
    }
    state->returned = false;
    state->place = seen.place;
    const bool last = state->call == &state->calls->back();
    state->done = last && state->call->may_never_return();
  }

  void on_made(const vmm::ScriptCallMade& seen) {
    checked();
    State* state = find(seen.generation, seen.process);
    if (state != nullptr) {
      state->returned = true;
      state->done = !seen.right;
    }
    if (seen.right || !want()) return;
    std::vector<ChainLink> chain = watch_.milestones();
    chain.push_back(watch_.link(fmt::format("{} makes the call", seen.process)));
    const std::string repetition =
        seen.index == 0 ? std::string() : fmt::format(" (repetition {})", seen.index);
    report(fmt::format("process {} of kernel {}, {}: {}{}", seen.process, seen.generation,
                       place(seen.place), seen.text, repetition),
           std::string(seen.expected), std::string(seen.seen), std::move(chain));
  }

  void on_changed(const vmm::ScriptProcessChanged& seen) {
    State* state = find(seen.generation, seen.process);
    if (state != nullptr && seen.state != "started") state->done = true;
  }

  std::string place(ScriptPlace at) const {
    return fmt::format("{}:{}:{}", watch_.scenario(), at.line, at.column);
  }

  std::map<Key, State> states_;
};

}  // namespace

std::unique_ptr<Checker> make_process_calls(Watch& watch) {
  return std::make_unique<ProcessCalls>(watch);
}

}  // namespace baton::harness
