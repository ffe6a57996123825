#include "harness/run/differential.h"

#include <fmt/format.h>

#include <algorithm>

#include "harness/run/run.h"
#include "harness/scenario/invariant_rows.h"

namespace baton::harness {
namespace {

constexpr std::string_view kGuest = "guest-unaware";
constexpr std::string_view kDevice = "device-unaware";
constexpr std::size_t kRowsKept = 64;
// What is written within it belongs together.
constexpr sim::Duration kOneSetup = sim::Duration::milliseconds(1);
// How far ahead the next common entry is looked for.
constexpr std::size_t kAhead = 64;
// The second run may need a little longer where the first one skipped ahead at a jump.
constexpr sim::Duration kSlack = sim::Duration::milliseconds(100);

enum class Step : std::uint8_t { kSame, kExtra, kMissing, kOther };

// Which entries of `a` have one of `b` beside them, in order: tells each difference with the places
// in both. What `b` goes on with after the end of `a` is none.
template <class Row, class Tell>
void align(std::span<const Row> a, std::span<const Row> b, Tell tell) {
  std::size_t i = 0;
  std::size_t j = 0;
  while (i < a.size()) {
    if (j == b.size()) {
      tell(Step::kExtra, i++, j);
      continue;
    }
    if (a[i].same(b[j])) {
      tell(Step::kSame, i++, j++);
      continue;
    }
    std::size_t extra = 1;
    while (extra < kAhead && i + extra < a.size() && !a[i + extra].same(b[j])) ++extra;
    std::size_t missing = 1;
    while (missing < kAhead && j + missing < b.size() && !a[i].same(b[j + missing])) ++missing;
    const bool found_extra = extra < kAhead && i + extra < a.size();
    const bool found_missing = missing < kAhead && j + missing < b.size();
    if (found_extra && (!found_missing || extra <= missing)) {
      for (; extra != 0; --extra) tell(Step::kExtra, i++, j);
    } else if (found_missing) {
      for (; missing != 0; --missing) tell(Step::kMissing, i, j++);
    } else {
      tell(Step::kOther, i++, j++);
    }
  }
}

std::string at(sim::Time time) { return "at " + sim::to_string(time); }

}  // namespace

// The verdict has been found when the run ends; this gives it a name and a count.
class Differential::Unaware final : public Checker {
 public:
  Unaware(Watch& watch, std::string_view id, const std::uint64_t& checks)
      : Checker(watch), id_(id), counted_(checks) {}

  std::string_view id() const override { return id_; }
  void finish() override {
    for (std::uint64_t i = 0; i < counted_; ++i) checked();
  }

 private:
  std::string_view id_;
  const std::uint64_t& counted_;
};

Differential::Differential(Watch& watch, const Loaded& loaded, std::uint64_t seed,
                           std::function<bool()> interrupted)
    : watch_(watch), loaded_(loaded), seed_(seed), interrupted_(std::move(interrupted)) {
  tape_.attach(watch, loaded.scenario);
}

bool Differential::wanted(const Scenario& scenario) {
  const auto names = [](const Expectation& expectation) {
    return std::ranges::any_of(expectation.ids, [](const std::string& id) {
      const InvariantRow* row = invariant_row(id);
      return row != nullptr && row->differential;
    });
  };
  return std::ranges::any_of(scenario.expect, names);
}

std::vector<std::unique_ptr<Checker>> Differential::make_checkers() {
  std::vector<std::unique_ptr<Checker>> result;
  result.push_back(std::make_unique<Unaware>(watch_, kGuest, guest_checks_));
  result.push_back(std::make_unique<Unaware>(watch_, kDevice, device_checks_));
  return result;
}

Loaded Differential::reference() const {
  Loaded other = loaded_;
  other.scenario.script.clear();
  other.scenario.processes.clear();
  other.scenario.machine.changes.clear();
  other.scenario.expect.clear();
  return other;
}

bool Differential::caught_up(const CallTape& other) const {
  return std::ranges::all_of(tape_.guests(), [&other](const auto& named) {
    const auto found = other.guests().find(named.first);
    return found != other.guests().end() && found->second.calls.size() >= named.second.calls.size();
  });
}

void Differential::compare(std::optional<sim::Time> started) {
  if (!started) return;
  Loaded other = reference();
  other.scenario.end = watch_.now() - *started + kSlack;
  CallTape tape;
  RunOptions options;
  options.seed = seed_;
  options.interrupted = interrupted_;
  options.observers = {&tape};
  ScenarioRun run(other, options);
  while (!caught_up(tape) && run.advance()) {
  }
  if (interrupted_ && interrupted_()) return;
  tape_.finish();
  tape.finish();
  for (const VmSpec& vm : loaded_.scenario.vms) {
    if (vm.carried) compare_guest(vm, tape);
  }
  for (std::size_t i = 0; i < watch_.devices().size(); ++i) compare_device(i, tape);
}

void Differential::compare_guest(const VmSpec& vm, const CallTape& other) {
  const auto mine = tape_.guests().find(vm.name);
  const auto theirs = other.guests().find(vm.name);
  if (mine == tape_.guests().end() || theirs == other.guests().end()) return;
  const std::span<const GuestCall> a = mine->second.calls;
  const std::span<const GuestCall> b = theirs->second.calls;
  const std::string who = "guest " + vm.name;
  align(a, b, [&](Step step, std::size_t i, std::size_t j) {
    ++guest_checks_;
    if (step == Step::kSame) return;
    const GuestCall& call = a[std::min(i, a.size() - 1)];
    DifferenceRow row{std::string(kGuest), who, call.time, call.event, "it " + call.text(), ""};
    std::string expected = "no such call: without the live update it makes none here";
    if (step == Step::kMissing) row.text = fmt::format("it does not: {}", b[j].text());
    if (step != Step::kExtra) {
      expected = fmt::format("it {}, as without the live update {}", b[j].text(), at(b[j].time));
    }
    std::vector<ChainLink> chain = milestones_until(call.time);
    if (i > 0) {
      chain.push_back(
          {a[i - 1].time, "the last call that both runs have: " + a[i - 1].text(), a[i - 1].event});
    }
    keep(std::move(row), expected, std::move(chain));
  });
  if (mine->second.running || !theirs->second.running) return;
  ++guest_checks_;
  const GuestTape& tape = mine->second;
  keep({std::string(kGuest), who, tape.left, tape.left_event, "it is " + tape.fate, ""},
       "it still runs, as without the live update", milestones_until(watch_.now()));
}

void Differential::compare_device(std::size_t index, const CallTape& other) {
  const WatchedDevice& device = watch_.devices()[index];
  const auto carried = std::ranges::find(loaded_.scenario.vms, device.vm, &VmSpec::name);
  if (carried == loaded_.scenario.vms.end() || !carried->carried) return;
  const std::string who = fmt::format("{} of {}", device.function->name(), device.vm);
  for (unsigned kind = 0; kind < kInputKinds; ++kind) {
    const std::vector<DeviceInput>& mine = tape_.devices()[index][kind];
    const std::vector<DeviceInput>& theirs = other.devices()[index][kind];
    if (kind != static_cast<unsigned>(InputKind::kCompletion)) {
      compare_inputs(who, mine, theirs);
      continue;
    }
    // The second run ends with the guest's last call; what the device makes of it comes later.
    for (std::span<const DeviceInput> left = mine; !left.empty();) {
      const std::uint64_t queue = queue_of(left.front());
      const auto all = std::ranges::equal_range(theirs, queue, {}, &queue_of);
      const auto own = std::ranges::equal_range(left, queue, {}, &queue_of);
      compare_inputs(who, left.first(std::min(own.size(), all.size())), {all.begin(), all.end()});
      left = left.subspan(own.size());
    }
  }
  // A device that nothing enters has been looked at all the same.
  ++device_checks_;
}

void Differential::compare_inputs(const std::string& who, std::span<const DeviceInput> a,
                                  std::span<const DeviceInput> b) {
  align(a, b, [&](Step step, std::size_t i, std::size_t j) {
    ++device_checks_;
    if (step == Step::kSame) return;
    const DeviceInput& input = a[i];
    DifferenceRow row{std::string(kDevice), who, input.time, input.event, input.text(), ""};
    std::string expected = "nothing: without the live update there is none";
    if (step == Step::kMissing) row.text = "missing: " + b[j].text();
    if (step != Step::kExtra) {
      expected = fmt::format("{}, as without the live update {}", b[j].text(), at(b[j].time));
    }
    if (step != Step::kMissing && input.excuse == Excuse::kInterruptPolicy) {
      row.excuse = "sets up interrupts";
    } else if (step != Step::kMissing && input.excuse == Excuse::kChangesNothing) {
      row.excuse = "changes nothing";
    }
    if (!row.excuse.empty()) return note(std::move(row));
    keep(std::move(row), expected, milestones_until(input.time));
  });
}

// One row stands for a table that is written entry by entry.
void Differential::note(DifferenceRow row) {
  const auto kind = [](const std::string& text) { return text.substr(0, text.find(" of ")); };
  if (!rows_.empty() && !row.excuse.empty()) {
    DifferenceRow& last = rows_.back();
    if (last.id == row.id && last.who == row.who && last.excuse == row.excuse &&
        row.time - last.time < kOneSetup && kind(last.text) == kind(row.text)) {
      ++last.more;
      return;
    }
  }
  if (rows_.size() < kRowsKept) rows_.push_back(std::move(row));
}

void Differential::keep(DifferenceRow row, const std::string& expected,
                        std::vector<ChainLink> chain) {
  if (watch_.findings().wants_detail(row.id)) {
    Violation violation;
    violation.id = row.id;
    violation.time = row.time;
    violation.subject = row.who;
    violation.expected = expected;
    violation.seen = row.text;
    violation.chain = std::move(chain);
    violation.device = row.id == kDevice ? row.who : "";
    violation.event = row.event;
    watch_.findings().report(std::move(violation));
  } else {
    watch_.findings().count_more(row.id);
  }
  note(std::move(row));
}

std::vector<ChainLink> Differential::milestones_until(sim::Time time) const {
  std::vector<ChainLink> chain;
  for (const ChainLink& link : watch_.milestones()) {
    if (link.time <= time) chain.push_back(link);
  }
  return chain;
}

}  // namespace baton::harness
