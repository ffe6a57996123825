// Transitions: a live update leaves the rows that it should, in order, and looking changes nothing.

#include "harness/record/transitions.h"

#include <algorithm>
#include <set>

#include "harness/run/host_builder.h"
#include "harness/run/run.h"
#include "tests/support/source_dir.h"

using namespace baton;
using namespace baton::harness;

namespace {

Loaded live_update() {
  Loaded loaded = check_scenario_text(
      "s.yaml",
      "baton: 1\n"
      "title: t\n"
      "machine:\n"
      "  memory: 8GiB\n"
      "  topology: {lspci: hosts/flat.lspci, add: [{kind: dsa, name: dsa0, bus: 0x6a}]}\n"
      "vms:\n"
      "  - {name: vm0, memory: 64MiB, devices: [dsa0], workload: {size: 16KiB, depth: 16, "
      "rate: 20MB/s}}\n"
      "script: [{at: 5ms, do: live-update}]\n"
      "expect: [{holds: all}]\n",
      testing::source_dir() + "/scenarios");
  REQUIRE(loaded.good());
  return loaded;
}

RunResult run_keeping(const Loaded& loaded, std::size_t keep, std::uint64_t until = 0) {
  RunOptions options;
  options.keep_transitions = keep;
  options.until_event = until;
  return run_scenario(loaded, options);
}

}  // namespace

TEST_CASE("every glyph has its own sign and name") {
  std::set<char> signs;
  std::set<std::string_view> names;
  for (const GlyphRow& row : glyph_rows()) {
    CHECK(signs.insert(row.sign).second);
    CHECK(names.insert(row.name).second);
  }
}

TEST_CASE("a live update leaves a row for each of its architectural transitions") {
  const Loaded loaded = live_update();
  const RunResult result = run_keeping(loaded, SIZE_MAX);
  CHECK(result.fingerprint == run_scenario(loaded, {}).fingerprint);
  const TransitionLog& log = result.transitions;
  CHECK(log.lanes == std::vector<std::string>{"software", "iommu", "dsa0", "other"});
  const auto count = [&log](Glyph glyph) {
    return std::ranges::count(log.rows, glyph, &Transition::glyph);
  };
  for (const Glyph glyph :
       {Glyph::kPhase, Glyph::kBootStep, Glyph::kSession, Glyph::kFile, Glyph::kLedger,
        Glyph::kConfigChanged, Glyph::kTranslation, Glyph::kSubmitted, Glyph::kDone}) {
    INFO(row_of(glyph).name);
    CHECK(count(glyph) > 1);
  }
  CHECK(count(Glyph::kJump) == 1);
  CHECK(count(Glyph::kGuestPause) == 1);
  CHECK(count(Glyph::kGuestResume) == 1);
  CHECK(count(Glyph::kPanic) == 0);
  CHECK(std::ranges::is_sorted(log.rows, {}, &Transition::event));
  CHECK(std::ranges::is_sorted(log.rows, {}, &Transition::time));
  const auto jump = std::ranges::find(log.rows, Glyph::kJump, &Transition::glyph);
  CHECK_FALSE(jump->generation);
  CHECK(jump->phase == "kexec");
}

TEST_CASE("the last rows are kept and the others counted") {
  const Loaded loaded = live_update();
  const RunResult all = run_keeping(loaded, SIZE_MAX);
  const RunResult some = run_keeping(loaded, 10);
  REQUIRE(some.transitions.rows.size() == 10);
  CHECK(some.transitions.dropped + 10 == all.transitions.rows.size());
  CHECK(some.transitions.rows.back().text == all.transitions.rows.back().text);
}

TEST_CASE("a run that is stopped at an event has come as far as that, and no further") {
  const Loaded loaded = live_update();
  const RunResult all = run_keeping(loaded, SIZE_MAX);
  const auto jump = std::ranges::find(all.transitions.rows, Glyph::kJump, &Transition::glyph);
  const RunResult stopped = run_keeping(loaded, SIZE_MAX, jump->event);
  CHECK(stopped.stopped);
  CHECK_FALSE(stopped.passed());
  CHECK(stopped.events >= jump->event);
  CHECK(stopped.end == jump->time);
  REQUIRE_FALSE(stopped.transitions.rows.empty());
  CHECK(stopped.transitions.rows.back().text == jump->text);
  const RunResult beyond = run_keeping(loaded, 1, all.events + 1'000'000);
  CHECK_FALSE(beyond.stopped);
  CHECK(beyond.fingerprint == all.fingerprint);
}
