#include "harness/show/show.h"

#include <fmt/format.h>

#include "harness/run/run.h"

namespace baton::harness {
namespace {

// The records of a run and the instant at which they are looked at.
class Shower final : public RunObserver {
 public:
  Shower(const ShowRequest& request, std::ostream& out)
      : request_(request), out_(out), moment_(request.moment, [this] { take(); }) {}

  void attach(Watch& watch, const Scenario& scenario) override {
    watch_ = &watch;
    scenario_ = &scenario;
    RunObserver* const records[] = {&ledger_,     &config_writes_, &topology_,      &boots_,
                                    &interrupts_, &timeline_,      &critical_path_, &luo_states_,
                                    &flow_,       &moment_};
    for (RunObserver* record : records) record->attach(watch, scenario);
  }

  void finish() override { moment_.finish(); }

  bool happened() const { return moment_.happened(); }
  std::string what_happened() const { return moment_.what_happened(); }
  const ShowResult& result() const { return result_; }

 private:
  void take() {
    const ShowContext context{*watch_,        *scenario_,  ledger_,     config_writes_,
                              topology_,      boots_,      interrupts_, timeline_,
                              critical_path_, luo_states_, flow_,       request_.format};
    result_ = request_.row->make(context, out_);
  }

  const ShowRequest& request_;
  std::ostream& out_;
  Watch* watch_ = nullptr;
  const Scenario* scenario_ = nullptr;
  Ledger ledger_;
  ConfigWrites config_writes_;
  TopologyWatch topology_;
  BootRecords boots_;
  InterruptCounts interrupts_;
  Timeline timeline_;
  CriticalPath critical_path_;
  LuoStates luo_states_;
  Flow flow_;
  MomentWatch moment_;
  ShowResult result_;
};

std::string moment_text(const Moment& moment) {
  if (moment.time) return sim::to_string(*moment.time);
  if (!moment.generation) return moment.name;
  return fmt::format("{}#{}", moment.name, *moment.generation);
}

}  // namespace

std::expected<void, ShowError> show(const Loaded& loaded, const ShowRequest& request,
                                    std::ostream& out) {
  Shower shower(request, out);
  bool interrupted = false;
  RunOptions options;
  options.seed = request.seed;
  options.observers = {&shower};
  options.interrupted = [&] {
    interrupted = interrupted || (request.interrupted && request.interrupted());
    return interrupted || shower.happened();
  };
  static_cast<void>(run_scenario(loaded, options));
  if (interrupted && !shower.happened()) {
    return std::unexpected(ShowError{ShowProblem::kInterrupted, "interrupted"});
  }
  if (!shower.happened()) {
    return std::unexpected(ShowError{
        ShowProblem::kNever, fmt::format("{} never happens in this run. What happens:\n{}",
                                         moment_text(request.moment), shower.what_happened())});
  }
  if (!shower.result()) {
    return std::unexpected(ShowError{ShowProblem::kNothing, shower.result().error()});
  }
  return {};
}

}  // namespace baton::harness
