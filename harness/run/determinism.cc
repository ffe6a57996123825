#include "harness/run/determinism.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace baton::harness {
namespace {

struct Seen {
  std::uint64_t event;
  sim::Time time;
  std::string text;  // actor, and what it does

  friend bool operator==(const Seen&, const Seen&) = default;
};

// One of the two runs, with what it did in the slice of time under way.
class Lane {
 public:
  Lane(const Loaded& loaded, RunOptions options) : run_(loaded, listening(std::move(options))) {}

  bool advance() {
    seen_.clear();
    first_event_ = run_.fingerprint().count();
    return run_.advance();
  }
  RunResult finish() { return run_.finish(); }

  const std::vector<Seen>& seen() const { return seen_; }
  std::uint64_t first_event() const { return first_event_; }
  std::string hex() const { return run_.fingerprint().hex(); }

 private:
  RunOptions listening(RunOptions options) {
    options.on_event = [this](std::uint64_t event, const sim::LogLine& line) {
      seen_.push_back({event, line.time, fmt::format("{:<10}  {}", line.actor, line.text)});
    };
    return options;
  }

  // Before the run, which speaks from its construction on.
  std::vector<Seen> seen_;
  std::uint64_t first_event_ = 0;
  ScenarioRun run_;
};

std::string line_of(const char* which, const std::vector<Seen>& seen, std::size_t at) {
  if (at == seen.size()) return fmt::format("  {}  nothing more in this slice of time\n", which);
  return fmt::format("  {}  {:>14}  {}\n", which, sim::to_string(seen[at].time), seen[at].text);
}

std::string describe(std::uint64_t seed, const Lane& a, const Lane& b) {
  const auto [in_a, in_b] = std::ranges::mismatch(a.seen(), b.seen());
  const auto at = static_cast<std::size_t>(in_a - a.seen().begin());
  if (in_a == a.seen().end() && in_b == b.seen().end()) {
    return fmt::format(
        "NOT DETERMINISTIC  seed {}: the same events, but not the same facts, after event {}\n"
        "  run 1  fingerprint {}\n  run 2  fingerprint {}\n",
        seed, a.first_event(), a.hex(), b.hex());
  }
  const std::uint64_t event = in_a != a.seen().end() ? in_a->event : in_b->event;
  std::string text =
      fmt::format("NOT DETERMINISTIC  seed {}: first difference at event {}\n", seed, event);
  if (at != 0) text += line_of("before", a.seen(), at - 1);
  text += line_of("run 1 ", a.seen(), at) + line_of("run 2 ", b.seen(), at);
  if (in_a != a.seen().end() && in_b != b.seen().end() && in_a->time == in_b->time) {
    text += "  at one time: the order, or what is carried, came from outside the simulation\n";
  }
  return text;
}

}  // namespace

DeterminismCheck check_determinism(const Loaded& loaded, const RunOptions& first,
                                   const RunOptions& second) {
  Lane a(loaded, first);
  Lane b(loaded, second);
  DeterminismCheck check;
  for (bool first_slice = true;; first_slice = false) {
    // Construction powers the machine on and may have spoken; that belongs to the first slice.
    const bool started_alike = !first_slice || a.seen() == b.seen();
    if (!started_alike) {
      check.difference = describe(first.seed, a, b);
      break;
    }
    const bool a_goes_on = a.advance();
    const bool b_goes_on = b.advance();
    if (a.seen() != b.seen() || a.hex() != b.hex() || a_goes_on != b_goes_on) {
      check.difference = describe(first.seed, a, b);
      break;
    }
    if (!a_goes_on) break;
  }
  check.result = a.finish();
  if (!check.difference) return check;
  // The verdict of a run that cannot be repeated is none.
  check.result.stopped = true;
  return check;
}

}  // namespace baton::harness
