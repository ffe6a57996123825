// The pages of docs/debates agree with the runs.
//
// The table and the picture are made by one command:
//   baton sweep scenarios/debates/bus-numbers.yaml --report markdown=... --report svg=...
// and so for interrupts.yaml.

#include "harness/sweep/sweep_report.h"
#include "tests/support/golden.h"
#include "tests/support/source_dir.h"

using namespace baton;
using namespace baton::harness;

namespace {

SweepResult sweep(const std::string& name) {
  SweepRequest request;
  request.file = testing::source_dir() + "/scenarios/debates/" + name;
  request.jobs = 2;
  auto plan = make_plan(request);
  INFO((plan ? "" : plan.error().text));
  REQUIRE(plan);
  plan->file = "scenarios/debates/" + name;
  plan->folder = testing::source_dir() + "/scenarios/debates";
  SweepOptions options;
  options.jobs = 2;
  auto result = run_sweep(std::move(*plan), options);
  REQUIRE(result);
  return *result;
}

}  // namespace

TEST_CASE("the page on bus numbers says what the runs say") {
  const SweepResult result = sweep("bus-numbers.yaml");
  CHECK(testing::golden_problem("docs/debates/bus-numbers-table.md",
                                format_sweep_markdown(result)) == "");
  CHECK(testing::golden_problem("docs/debates/bus-numbers.svg", format_sweep_svg(result)) == "");
  // What the page's text rests on.
  for (const RunRow& row : result.rows) {
    const std::size_t cell = result.plan.cell_of(row.run);
    INFO(result.plan.cell_text(cell));
    CHECK(row.verdict == RunVerdict::kOk);
    // Whatever the answer is called: at boot all still waits to be finished.
    const bool inherit = result.plan.label(cell, 1) != "reassign";
    const bool acs = result.plan.label(cell, 0) != "reversed-no-acs";
    bool foreign = false;
    CHECK(row.functions.size() == 2);
    for (const FunctionOutcome& outcome : row.functions) {
      CHECK(outcome.unharmed() == inherit);
      if (inherit) CHECK(outcome.before == outcome.after);
      foreign =
          foreign || std::ranges::count(outcome.harms, Harm::kForeignMemory, &HarmSeen::harm) != 0;
    }
    CHECK(foreign == (!inherit && !acs));
  }
}

namespace {

std::uint64_t measured(const RunRow& row, std::string_view id) {
  const auto found = std::ranges::find(row.measurements, id, &Measurement::id);
  REQUIRE(found != row.measurements.end());
  return found->value;
}

bool violates(const RunRow& row, std::string_view id) {
  return std::ranges::count(row.violated, id, &ViolatedInvariant::id) != 0;
}

}  // namespace

TEST_CASE("the page on interrupts says what the runs say") {
  const SweepResult result = sweep("interrupts.yaml");
  CHECK(testing::golden_problem("docs/debates/interrupts-table.md",
                                format_sweep_markdown(result)) == "");
  CHECK(testing::golden_problem("docs/debates/interrupts.svg", format_sweep_svg(result)) == "");
  // What the page's text rests on.
  for (const RunRow& row : result.rows) {
    const std::size_t cell = result.plan.cell_of(row.run);
    INFO(result.plan.cell_text(cell));
    const std::string& guest = result.plan.label(cell, 1);
    const std::string& policy = result.plan.label(cell, 2);
    const std::string& reinject = result.plan.label(cell, 3);
    CHECK(row.verdict == RunVerdict::kOk);
    CHECK_FALSE(violates(row, "dma-integrity"));
    CHECK_FALSE(violates(row, "isolation"));
    // Every interrupt has an end.
    CHECK(measured(row, "interrupts_raised") == measured(row, "interrupts_delivered") +
                                                    measured(row, "interrupts_merged") +
                                                    measured(row, "interrupts_lost"));
    CHECK(measured(row, "interrupts_under_way") == 0);
    const std::uint64_t lost = measured(row, "interrupts_lost");
    if (guest == "polls") {
      CHECK(lost == 0);  // its driver's admin commands have interrupts, on the controller
      continue;
    }
    if (policy == "posted-capture" || policy == "posted-capture-adopt") {
      CHECK((lost == 0) == (reinject != "none"));
    } else {
      CHECK(lost > 0);
    }
    // One that the VMM makes is enough for every guest.
    if (reinject == "spurious") {
      CHECK(measured(row, "interrupts_not_made_up") == 0);
      CHECK(measured(row, "guest_timeouts") == 0);
    }
    if (guest == "times-out" && reinject == "none") CHECK(measured(row, "guest_timeouts") > 0);
    // What the kernel found is enough, where it found anything.
    if (reinject == "pending-only") {
      const bool found = policy.starts_with("posted-capture") || policy == "remember";
      CHECK((measured(row, "interrupts_not_made_up") == 0) == found);
    }
    if (guest == "every-edge") {
      const bool told = reinject == "spurious" || (reinject == "pending-only" &&
                                                   measured(row, "interrupts_not_made_up") == 0);
      CHECK((measured(row, "guest_batches") >= 8) == told);
    }
    const bool faults = measured(row, "interrupt_faults") != 0;
    const bool messages = policy.ends_with("-new-table");
    CHECK(faults == messages);
  }
}

TEST_CASE("the page on bus numbers says what becomes of broken bridges") {
  const SweepResult result = sweep("bus-numbers-broken.yaml");
  CHECK(testing::golden_problem("docs/debates/bus-numbers-broken-table.md",
                                format_sweep_markdown(result)) == "");
  CHECK(testing::golden_problem("docs/debates/bus-numbers-broken.svg", format_sweep_svg(result)) ==
        "");
  const auto missing = [](const RunRow& row) {
    const auto found = std::ranges::find(row.measurements, "functions_missing", &Measurement::id);
    REQUIRE(found != row.measurements.end());
    return found->value;
  };
  for (const RunRow& row : result.rows) {
    const std::size_t cell = result.plan.cell_of(row.run);
    INFO(result.plan.cell_text(cell));
    CHECK(row.verdict == RunVerdict::kOk);
    const std::string& bridge = result.plan.label(cell, 0);
    const std::string& policy = result.plan.label(cell, 1);
    REQUIRE(row.functions.size() == 2);
    // The other guest's device is never harmed: its bridge keeps its numbers.
    CHECK(row.functions[1].unharmed());
    if (bridge == "sound") {
      CHECK(row.functions[0].unharmed());
      CHECK(missing(row) == 0);
    }
    // A bridge without preserved devices: v9 numbers it, v6 and v7 leave what is below out.
    if (bridge.starts_with("other")) {
      CHECK(row.functions[0].unharmed());
      CHECK(missing(row) == (policy == "inherit-preserved" ? 1 : 0));
    }
  }
}
