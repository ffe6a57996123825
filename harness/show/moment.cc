#include "harness/show/moment.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "harness/scenario/diagnostic.h"
#include "harness/scenario/units.h"
#include "sim/event.h"

namespace baton::harness {
namespace {

constexpr std::array<std::string_view, 9> kNames{"boot",  "run",      "preserve", "freeze", "kexec",
                                                 "boot2", "retrieve", "finish",   "end"};

std::optional<unsigned> parse_generation(std::string_view text) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::expected<Moment, std::string> parse_moment(std::string_view text) {
  Moment moment;
  if (!text.empty() && text.front() >= '0' && text.front() <= '9') {
    const ParsedValue time = parse_duration(text);
    if (!time) return std::unexpected(fmt::format("WHEN \"{}\": {}", text, time.error()));
    moment.time = sim::Time::from_ps(static_cast<std::int64_t>(*time));
    return moment;
  }
  const std::size_t hash = text.find('#');
  const std::string_view name = text.substr(0, hash);
  if (std::ranges::find(kNames, name) == kNames.end()) {
    const std::string hint = did_you_mean(name, kNames);
    return std::unexpected(fmt::format("WHEN \"{}\" is neither a time (1.2s) nor one of {}{}{}",
                                       text, fmt::join(kNames, ", "), hint.empty() ? "" : "; ",
                                       hint));
  }
  if (hash != std::string_view::npos) {
    moment.generation = parse_generation(text.substr(hash + 1));
    if (!moment.generation || name == "end") {
      return std::unexpected(
          fmt::format("WHEN \"{}\": after # comes the number of a kernel, 0 for the first, as in "
                      "run#1; end has none",
                      text));
    }
  }
  moment.name = std::string(name);
  if (name == "boot2") {
    moment.name = "boot";
    if (!moment.generation) moment.generation = 1;
  }
  return moment;
}

// Rings after everything else of its instant, in the phase of those who only look.
class MomentWatch::Alarm {
 public:
  Alarm(MomentWatch& owner, sim::Simulation& simulation)
      : owner_(owner), event_(*this, simulation.add_actor("show"), "moment", sim::Phase::kCheck) {}

  void set(sim::Simulation& simulation, sim::Time at) { simulation.schedule_at(event_, at); }

 private:
  void ring() { owner_.hit(); }

  MomentWatch& owner_;
  sim::MemberEvent<&Alarm::ring> event_;
};

MomentWatch::MomentWatch(Moment moment, std::function<void()> reached)
    : moment_(std::move(moment)), reached_(std::move(reached)) {}

MomentWatch::~MomentWatch() = default;

void MomentWatch::attach(Watch& watch, const Scenario& /*scenario*/) {
  watch_ = &watch;
  clock_.attach(watch);
  sim::Simulation& simulation = watch.simulation();
  if (moment_.time) {
    alarm_ = std::make_unique<Alarm>(*this, simulation);
    alarm_->set(simulation, *moment_.time);
    return;
  }
  simulation.topic<linux::PhaseEntered>().subscribe([this](const linux::PhaseEntered& seen) {
    if (seen.phase != linux::RunPhase::kKexec) saw(phase_name(seen.phase), seen.generation);
  });
  simulation.topic<host::KernelJumped>().subscribe(
      [this](const host::KernelJumped& seen) { saw("kexec", seen.from_generation); });
}

void MomentWatch::saw(std::string_view name, unsigned generation) {
  if (name != moment_.name || (moment_.generation && *moment_.generation != generation)) return;
  hit();
}

void MomentWatch::hit() {
  if (happened_) return;
  happened_ = true;
  reached_();
}

void MomentWatch::finish() {
  end_ = watch_->now();
  alarm_.reset();  // before the simulation goes
  if (!moment_.time && moment_.name == "end") hit();
}

std::string MomentWatch::what_happened() const {
  std::string text;
  for (const PhaseMark& mark : clock_.marks()) {
    text += fmt::format("  {:<12} {}\n", fmt::format("{}#{}", mark.name, mark.generation),
                        sim::to_string(mark.time));
  }
  return text + fmt::format("  {:<12} {}\n", "end", sim::to_string(end_));
}

}  // namespace baton::harness
