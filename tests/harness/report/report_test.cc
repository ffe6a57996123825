// Reports: the story of a run, the block of a failure, JSON.

#include <boost/json.hpp>

#include "harness/report/cases.h"
#include "harness/report/ci_reports.h"
#include "harness/report/failure_report.h"
#include "harness/report/json_report.h"
#include "harness/report/text_report.h"
#include "harness/report/transition_report.h"
#include "harness/report/verdict.h"

using namespace baton;
using namespace baton::harness;
using namespace baton::sim::literals;

namespace {

sim::Time at(sim::Duration since_power_on) { return sim::Time() + since_power_on; }

RunResult sample() {
  RunResult result;
  result.file = "s.yaml";
  result.text = "baton: 1\nexpect:\n  - {holds: isolation}\n";
  result.title = "A sample";
  result.seed = 7;
  result.token = "bt1-0badcafe-7-abcd";
  result.digest = "0badcafe";
  result.host = "flat.lspci";
  result.kernels = {"0: vision"};
  result.phases = {{0, "boot", at(0_us), at(10_us), 0, 0, 0},
                   {0, "run", at(10_us), at(30_us), 4096, 2, 1}};
  result.verdicts = {{"isolation", 2, 100}, {"dma-continuity", 0, 5}};
  Violation violation;
  violation.id = "isolation";
  violation.time = at(20_us);
  violation.subject = "dsa0, page 0x1000";
  violation.expected = "guest memory";
  violation.seen = "a free page";
  violation.event = 31;
  violation.device = "dsa0 at 0000:6a:00.0";
  violation.chain = {{at(5_us), "page freed", 12}, {at(20_us), "dsa0 writes it", 31}};
  violation.changes = {{"page 0x1000 at 5.000 us", "kernel 0: memfd folio", "kernel 0: free"}};
  result.violations = {violation};
  result.measurements = {{"guest_pause", 1'200'000'000'000}, {"dma_bytes", 4096}};
  Expectation expectation;
  expectation.kind = ExpectationKind::kHolds;
  expectation.ids = {"isolation"};
  expectation.text = "holds: isolation";
  expectation.at = {3, 5, 5};
  result.expectations = {{expectation, false, "isolation: 2 violations"}};
  result.fingerprint = "0123456789abcdef";
  result.events = 42;
  result.end = at(30_us);
  return result;
}

}  // namespace

TEST_CASE("the story says first that the preset is a design target") {
  const std::string story = format_story(sample(), Detail::kFigures);
  const std::size_t second_line = story.find('\n') + 1;
  CHECK(story.substr(second_line).starts_with("preset vision is a design target"));
}

TEST_CASE("the story shows phases, bytes, verdicts, measurements and the fingerprint") {
  const std::string story = format_story(sample(), Detail::kFigures);
  CHECK(story.find("20.000 us") != std::string::npos);
  CHECK(story.find("4.0 KiB") != std::string::npos);
  CHECK(story.find("VIOLATED  isolation           2 times, first at 20.000 us") !=
        std::string::npos);
  CHECK(story.find("holds     dma-continuity      5 checks") != std::string::npos);
  CHECK(story.find("1.200 s") != std::string::npos);
  CHECK(story.find("fingerprint 0123456789abcdef") != std::string::npos);
}

TEST_CASE("an invariant without a single check is called unchecked, and no success by itself") {
  RunResult result = sample();
  result.verdicts = {{"isolation", 0, 0}, {"dma-continuity", 0, 5}};
  CHECK(format_story(result, Detail::kFigures)
            .find("unchecked isolation           nothing to check") != std::string::npos);
  CHECK(format_json(std::vector<RunResult>{result}).find("\"verdict\": \"unchecked\"") !=
        std::string::npos);
  Expectation expectation = result.expectations[0].expectation;
  CHECK(not_shown(result, expectation, "isolation") == "isolation was not checked");
  CHECK(not_shown(result, expectation, "dma-continuity").empty());
  // Beside one that was checked it says nothing, unless the run was given up.
  expectation.ids.emplace_back("dma-continuity");
  CHECK(not_shown(result, expectation, "isolation").empty());
  result.expectations[0] = {expectation, true, ""};
  CHECK(cases_of(result)[0].outcome == Outcome::kUnchecked);
  CHECK(cases_of(result)[1].outcome == Outcome::kMet);
  const std::vector<RunResult> runs{result};
  CHECK(
      format_ktap(runs).find("ok 1 s.holds-isolation # SKIP nothing to check\nok 2 s.holds-dma") !=
      std::string::npos);
  CHECK(format_junit(runs).find("<skipped message=\"nothing to check\"/>") != std::string::npos);
  CHECK(format_junit(runs).find("tests=\"2\" failures=\"0\" errors=\"0\" skipped=\"1\"") !=
        std::string::npos);
  result.given_up = "nothing came";
  CHECK(not_shown(result, expectation, "isolation") ==
        "isolation was not checked: the run was given up, nothing came");
  CHECK(cases_of(result)[0].outcome == Outcome::kFailed);
}

TEST_CASE("a failure block quotes the expectation and tells the chain of causes") {
  CHECK(format_failures(sample()) ==
        "FAIL  isolation  No device reaches memory of another domain, of the kernel, or freed "
        "memory.  s.yaml:3:5\n"
        "     3 |   - {holds: isolation}\n"
        "       |     ^\n"
        "  at        20.000 us, kernel 0, phase run, event 31, device dsa0 at 0000:6a:00.0\n"
        "  subject   dsa0, page 0x1000\n"
        "  expected  guest memory\n"
        "  seen      a free page\n"
        "  chain            12       5.000 us  page freed\n"
        "                   31      20.000 us  dsa0 writes it\n"
        "  diff      page 0x1000 at 5.000 us: kernel 0: memfd folio -> kernel 0: free\n"
        "  rule      No device reaches memory of another domain, of the kernel, or freed memory. "
        "[VT-d 3.1]\n"
        "  more      baton explain isolation\n"
        "  replay    baton replay bt1-0badcafe-7-abcd --until 31\n");
}

TEST_CASE("a failure quotes the defect that is switched on, in the file or in the option") {
  RunResult result = sample();
  result.defects = {{"a-defect", {1, 8, 1}}, {"another", {1, 9, 3, 1}}};
  result.overrides = {"defects=[another]"};
  const std::string text = format_failures(result);
  CHECK(text.find("     1 | baton: 1\n       |        ^ defect a-defect is switched on\n") !=
        std::string::npos);
  CHECK(
      text.find("     1 | defects=[another]\n       |         ^ defect another is switched on\n") !=
      std::string::npos);
}

TEST_CASE("the replay command names the scenario where replay would not look for it") {
  RunResult result = sample();
  CHECK(replay_command(result, 0) == "baton replay bt1-0badcafe-7-abcd");
  result.file = "scenarios/s.yaml";
  CHECK(replay_command(result, 5) == "baton replay bt1-0badcafe-7-abcd --until 5");
  result.file = "mine/s.yaml";
  CHECK(replay_command(result, 0) == "baton replay bt1-0badcafe-7-abcd mine/s.yaml");
  result.file = "my own/it's.yaml";
  CHECK(replay_command(result, 0) == "baton replay bt1-0badcafe-7-abcd 'my own/it'\\''s.yaml'");
}

TEST_CASE("a bound that was missed says what was seen") {
  RunResult result = sample();
  result.expectations[0].expectation.kind = ExpectationKind::kMeasure;
  result.expectations[0].expectation.ids = {"guest_pause"};
  result.expectations[0].expectation.text = "measure: guest_pause, below: 1s";
  result.expectations[0].seen = "1.200 s";
  const std::string text = format_failures(result);
  CHECK(text.find("expected  measure: guest_pause, below: 1s\n  seen      1.200 s") !=
        std::string::npos);
}

TEST_CASE("a violation that the scenario asks for is told as its lesson") {
  RunResult result = sample();
  result.expectations[0].expectation.kind = ExpectationKind::kViolates;
  result.expectations[0].met = true;
  CHECK(format_failures(result).empty());
  CHECK(format_story(result, Detail::kFigures).find("violated, as expected:  isolation") !=
        std::string::npos);
  CHECK(format_line(result).starts_with("ok "));
}

TEST_CASE("the summary counts runs") {
  RunResult passed = sample();
  passed.expectations[0].met = true;
  const std::vector<RunResult> results{passed, sample()};
  CHECK(format_summary(results) == "2 runs: 1 ok, 1 failed\n");
}

TEST_CASE("JSON carries times as integers and is the same for the same run") {
  const std::vector<RunResult> results{sample()};
  const std::string text = format_json(results);
  CHECK(text == format_json(results));
  const boost::json::value document = boost::json::parse(text);
  const boost::json::object& run = document.at("runs").at(0).as_object();
  CHECK(run.at("seed").to_number<int>() == 7);
  CHECK(run.at("passed").as_bool() == false);
  CHECK(run.at("phases").at(1).at("from_ps").to_number<std::int64_t>() == 10'000'000);
  CHECK(run.at("violations").at(0).at("chain").as_array().size() == 2);
  CHECK(run.at("measurements").at(0).at("unit").as_string() == "ps");
}

TEST_CASE("bytes are shown in binary units with one decimal") {
  CHECK(format_bytes(0) == "0 B");
  CHECK(format_bytes(1023) == "1023 B");
  CHECK(format_bytes(1536) == "1.5 KiB");
  CHECK(format_bytes(std::uint64_t{5} << 30) == "5.0 GiB");
}

TEST_CASE("the legend of the transitions is this") {
  CHECK(
      format_legend() ==
      "  = phase  b boot-step  o operator  s session  f file  l ledger  e error  w config-write\n"
      "  , config-write-same  R reset  t translation  ! fault  X dma-refused  > submitted  < done\n"
      "  ? done-badly  i interrupt  n interrupt-nobody  g guest-start  v guest-pause  "
      "^ guest-resume\n"
      "  q guest-stop  # jump  P panic\n");
}

TEST_CASE("transitions stand in fixed columns, a lane per device, and the wrong one is marked") {
  TransitionLog log;
  log.lanes = {"software", "iommu", "dsa0", "other"};
  log.rows.push_back({41, at(20_us), 0U, "freeze", 0, "", Glyph::kGuestPause, "guest vm0 pauses"});
  log.rows.push_back(
      {43, at(1'234'567_ns), std::nullopt, "kexec", 2, "dsa0", Glyph::kSubmitted, "wq 0: batch"});
  log.rows.push_back({44, at(2'000'000_us), 1U, "boot", 3, "0000:00:1c.0", Glyph::kConfigChanged,
                      "config 0x004.2 0x0 -> 0x4 by pci_set_master"});
  log.dropped = 7;
  CHECK(
      format_transitions(log, 10, 43) ==
      "       time_us K phase         event  SI0*  device        detail\n"
      "           ... 7 earlier transitions\n"
      "        20.000 0 freeze           41  v...  -             guest vm0 pauses\n"
      "      1234.567 - kexec            43  ..>.  dsa0          wq 0: batch   <== the first wrong "
      "event\n"
      "   2000000.000 1 boot             44  ...w  0000:00:1c.0  config 0x004.2 0x0 -> 0x4 by "
      "pci_set_master\n");
  CHECK(format_transitions(log, 1).find("... 9 earlier transitions") != std::string::npos);
}

TEST_CASE("a run that met a bug of baton has one case and no verdict") {
  RunResult result = sample();
  result.bug = "a check failed";
  CHECK_FALSE(result.passed());
  CHECK(format_failures(result).starts_with("BUG in baton: a check failed\n"));
  CHECK(format_line(result).starts_with("BUG "));
}
