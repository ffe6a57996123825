#include "harness/run/run_diff.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <map>

#include "harness/record/state_snapshot.h"
#include "harness/run/run.h"

namespace baton::harness {
namespace {

constexpr std::size_t kTransitionsShown = 6;

// One of the two runs, with the lines that the other has not matched yet.
class Lane {
 public:
  Lane(const DiffSide& side, const std::function<bool()>& interrupted)
      : run_(*side.loaded, options(side, interrupted)) {}

  // False when the run is over.
  bool advance() {
    if (over_) return false;
    over_ = !run_.advance();
    return !over_;
  }
  bool over() const { return over_; }
  sim::Time time() const { return last_; }
  std::deque<DiffLine>& lines() { return lines_; }
  void listen(bool on) { listening_ = on; }
  RunResult finish() { return run_.finish(); }

 private:
  RunOptions options(const DiffSide& side, const std::function<bool()>& interrupted) {
    RunOptions result;
    result.seed = side.seed;
    result.interrupted = interrupted;
    result.keep_transitions = SIZE_MAX;
    result.on_event = [this](std::uint64_t event, const sim::LogLine& line) {
      last_ = line.time;
      if (!listening_) return;
      lines_.push_back({event, line.time, std::string(line.actor), std::string(line.text)});
    };
    return result;
  }

  std::deque<DiffLine> lines_;
  sim::Time last_;
  bool listening_ = true;
  bool over_ = false;
  ScenarioRun run_;
};

// Takes off what both have. True when they have parted.
bool match(Lane& a, Lane& b, RunDiff& diff) {
  while (!a.lines().empty() && !b.lines().empty()) {
    if (a.lines().front() != b.lines().front()) {
      diff.in_a = a.lines().front();
      diff.in_b = b.lines().front();
      return true;
    }
    diff.common = std::move(a.lines().front());
    a.lines().pop_front();
    b.lines().pop_front();
  }
  // One has gone further than the other can come.
  if (a.over() && !b.lines().empty()) {
    diff.in_b = b.lines().front();
    return true;
  }
  if (b.over() && !a.lines().empty()) {
    diff.in_a = a.lines().front();
    return true;
  }
  return false;
}

void run_side_by_side(Lane& a, Lane& b, RunDiff& diff) {
  bool parted = match(a, b, diff);
  while (!a.over() || !b.over()) {
    // Who is behind goes on, so that neither has many lines in store.
    const bool first = b.over() || (!a.over() && a.time() <= b.time());
    (first ? a : b).advance();
    if (parted) continue;
    parted = match(a, b, diff);
    if (parted) {
      for (Lane* lane : {&a, &b}) {
        lane->listen(false);
        lane->lines().clear();
      }
    }
  }
}

void compare_transitions(RunDiff& diff) {
  const auto& a = diff.a.transitions.rows;
  const auto& b = diff.b.transitions.rows;
  const auto equal = [](const Transition& x, const Transition& y) {
    return x.time == y.time && x.device == y.device && x.glyph == y.glyph && x.text == y.text &&
           x.generation == y.generation;
  };
  const auto [in_a, in_b] = std::ranges::mismatch(a, b, equal);
  diff.lanes = diff.a.transitions.lanes;
  const auto count = static_cast<std::size_t>(in_a - a.begin());
  const auto shown = static_cast<std::ptrdiff_t>(std::min(count, kTransitionsShown));
  diff.transitions_common.assign(in_a - shown, in_a);
  const auto rest = [](auto from, auto to) {
    return std::vector<Transition>(from,
                                   from + std::min<std::ptrdiff_t>(to - from, kTransitionsShown));
  };
  diff.transitions_a = rest(in_a, a.end());
  diff.transitions_b = rest(in_b, b.end());
}

StateValues state_after(const DiffSide& side, const std::optional<DiffLine>& line,
                        const std::function<bool()>& interrupted) {
  StateSnapshot snapshot;
  RunOptions options;
  options.seed = side.seed;
  options.interrupted = interrupted;
  options.observers = {&snapshot};
  // A line of the log belongs to the event under way, which counts when it has been carried out.
  if (line) options.until_event = line->event + 1;
  static_cast<void>(run_scenario(*side.loaded, options));
  return snapshot.values();
}

void compare_state(const StateValues& a, const StateValues& b, RunDiff& diff) {
  std::map<std::string, StateDifference> found;
  for (const auto& [what, value] : a.values) {
    const auto other = b.values.find(what);
    if (other != b.values.end() && other->second == value) continue;
    found[what] = {what, value, other == b.values.end() ? "" : other->second};
  }
  for (const auto& [what, value] : b.values) {
    if (!a.values.contains(what)) found[what] = {what, "", value};
  }
  for (auto& [what, one] : found) diff.state.push_back(std::move(one));
  const auto add = [&diff](std::uint64_t page, const std::string& in_a, const std::string& in_b) {
    const auto at = std::ranges::find_if(diff.pages, [&](const PageDifference& one) {
      return one.owner_a == in_a && one.owner_b == in_b;
    });
    if (at == diff.pages.end()) {
      diff.pages.push_back({in_a, in_b, 1, page});
    } else {
      ++at->pages;
    }
  };
  for (const auto& [page, state] : a.pages) {
    const auto other = b.pages.find(page);
    if (other == b.pages.end()) {
      add(page, state.owner, "untouched");
    } else if (other->second != state) {
      add(page, state.owner, other->second.owner);
    }
  }
  for (const auto& [page, state] : b.pages) {
    if (!a.pages.contains(page)) add(page, "untouched", state.owner);
  }
}

std::string phase_of(const RunResult& result, sim::Time time) {
  std::string phase = "firmware";
  for (const PhaseRow& row : result.phases) {
    if (row.from > time) break;
    phase = fmt::format("{} (kernel {})", row.name, row.generation);
  }
  return phase;
}

}  // namespace

std::optional<RunDiff> diff_runs(const DiffSide& a, const DiffSide& b,
                                 const std::function<bool()>& interrupted) {
  RunDiff diff;
  {
    Lane in_a(a, interrupted);
    Lane in_b(b, interrupted);
    run_side_by_side(in_a, in_b, diff);
    diff.a = in_a.finish();
    diff.b = in_b.finish();
  }
  if (diff.a.interrupted || diff.b.interrupted) return std::nullopt;
  diff.same = !diff.in_a && !diff.in_b && diff.a.fingerprint == diff.b.fingerprint;
  if (diff.same) return diff;
  const std::optional<DiffLine>& line = diff.in_a ? diff.in_a : diff.in_b;
  if (line) diff.phase = phase_of(diff.in_a ? diff.a : diff.b, line->time);
  compare_transitions(diff);
  compare_state(state_after(a, diff.in_a, interrupted), state_after(b, diff.in_b, interrupted),
                diff);
  if (interrupted && interrupted()) return std::nullopt;
  return diff;
}

}  // namespace baton::harness
