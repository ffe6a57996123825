// The HTML report: nothing escapes its escaping, it is one file of bounded size, the same for the
// same run, and it says what a run's result says.
#include "harness/report/html_report.h"

#include "harness/report/html_sections.h"
#include "harness/report/html_sequence.h"
#include "harness/report/html_writer.h"

using namespace baton;
using namespace baton::harness;
using namespace baton::sim::literals;

namespace {

sim::Time at(sim::Duration since) { return sim::Time() + since; }

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

std::size_t count(const std::string& text, std::string_view part) {
  std::size_t result = 0;
  for (std::size_t i = text.find(part); i != std::string::npos; i = text.find(part, i + 1)) {
    ++result;
  }
  return result;
}

RunResult sample() {
  RunResult result;
  result.file = "s.yaml";
  result.text = "baton: 1\nexpect:\n  - {holds: isolation}\n";
  result.title = "<b>Tom & \"Jerry\"</b>";
  result.seed = 7;
  result.token = "bt1-01234567-7-abcd";
  result.kernels = {"0 vision", "1 vision"};
  PhaseRow run;
  run.name = "run";
  run.from = at(1_ms);
  run.to = at(5_ms);
  PhaseRow kexec;
  kexec.name = "kexec";
  kexec.from = at(5_ms);
  kexec.to = at(9_ms);
  result.phases = {run, kexec};
  result.verdicts = {{"isolation", 2, 100}, {"dma-continuity", 0, 0}};
  Violation violation;
  violation.id = "isolation";
  violation.time = at(7_ms);
  violation.subject = "dsa0 write of 4096 bytes";
  violation.expected = "guest memory";
  violation.seen = "it reaches page 0x1000";
  violation.chain = {{at(2_ms), "kernel 0 creates it: memfd folio"},
                     {at(7_ms), "dsa0 write of 4096 bytes: it reaches page 0x1000"}};
  result.violations = {violation};
  result.measurements = {{"guest_pause", 1'200'000'000}, {"dma_bytes", 4096}};
  Expectation expectation;
  expectation.ids = {"isolation"};
  expectation.text = "holds: isolation";
  expectation.at = {3, 5, 5};
  result.expectations = {{expectation, false, "isolation: 2 violations"}};
  result.end = at(10_ms);
  result.record.emplace();
  result.record->guests = {{"vm0", at(1_ms), at(5_ms), false}, {"vm0", at(5_ms), at(9_ms), true}};
  result.record->dma = {{"dsa0", {0, 4096, 8192, 0}}};
  return result;
}

Transition event(std::uint64_t number, std::string text) {
  Transition result;
  result.event = number;
  result.time = at(2_ms);
  result.phase = "run";
  result.text = std::move(text);
  return result;
}

LedgerRow ledger_row(std::string what, Fate fate, std::vector<LedgerStep> steps) {
  LedgerRow row;
  row.kind = "pages";
  row.what = std::move(what);
  row.fate = fate;
  row.steps = std::move(steps);
  return row;
}

std::string page(const RunResult& result) { return format_html(std::span(&result, 1)); }

}  // namespace

TEST_CASE("texts of a scenario cannot become markup, in the page nor in its data") {
  Html text;
  text.t("<a href='x'>&\"\x01\xFF");
  CHECK(text.take() == "&lt;a href=&#39;x&#39;&gt;&amp;&quot;\xEF\xBF\xBD\xEF\xBF\xBD");
  RunResult result = sample();
  result.transitions.rows.push_back(event(1, "</script><script>alert(1)</script>"));
  const std::string html = page(result);
  CHECK_FALSE(has(html, "<b>Tom"));
  CHECK(has(html, "&lt;b&gt;Tom &amp; &quot;Jerry&quot;&lt;/b&gt;"));
  CHECK(count(html, "</script>") == 2);  // of the data, of the page's own
}

TEST_CASE(
    "a page says the verdict, the token, each phase, the failure, the promise and the counts") {
  const std::string html = page(sample());
  CHECK(html.starts_with("<!DOCTYPE html>"));
  CHECK(has(html, ">FAILED<"));
  CHECK(has(html, "baton replay bt1-01234567-7-abcd"));
  CHECK(has(html, "id=\"r1-phase-0\""));
  CHECK(has(html, "id=\"r1-phase-1\""));
  CHECK(has(html, "1.200 ms"));
  CHECK(has(html, "id=\"r1-failure-1\""));
  CHECK(has(html, "s.yaml:3:5"));
  CHECK(has(html, "{holds: isolation}"));
  CHECK(has(html, "class=\"sequence\""));
  CHECK(has(html, ">unchecked<"));  // an invariant without a single check is no success
  CHECK(has(html, "design target"));
}

TEST_CASE("a page refers to nothing outside of itself, and forbids it") {
  const std::string html = page(sample());
  CHECK(has(html, "default-src &#39;none&#39;"));
  for (const char* outside : {"src=\"", "href=\"http", "url(", "@import", "fetch("}) {
    INFO(outside);
    CHECK_FALSE(has(html, outside));
  }
}

TEST_CASE("the same result gives the same page") { CHECK(page(sample()) == page(sample())); }

TEST_CASE("a page stays below its size, and says how many events it leaves out") {
  RunResult result = sample();
  for (std::uint64_t i = 0; i < 60'000; ++i) {
    result.transitions.rows.push_back(event(i, fmt::format("event of its own text {}", i * 7919)));
  }
  const std::string html = page(result);
  CHECK(html.size() < kHtmlMax);
  CHECK(html.size() > kHtmlMax / 2);
  CHECK(has(html, "events are left out") == false);
  CHECK(has(html, "are left out: <code>run -vv</code> has them"));
  CHECK(has(html, "[59999,"));  // the end is kept
}

TEST_CASE("many runs are an overview; the failed ones are told first, the page stays small") {
  std::vector<RunResult> results(40, sample());
  for (std::size_t i = 0; i < results.size(); ++i) {
    results[i].expectations[0].met = i != 39;
    for (std::uint64_t n = 0; n < 2'000; ++n) {
      results[i].transitions.rows.push_back(event(n, fmt::format("text {}", n * 7919 + i)));
    }
  }
  const std::string html = format_html(results);
  CHECK(html.size() < kHtmlMax);
  CHECK(has(html, "40 runs, 39 passed, 1 failed"));
  CHECK(count(html, "<article class=\"run\"") == kHtmlRuns);
  CHECK(has(html, "<article class=\"run\" id=\"r40\""));
}

TEST_CASE("runs that leave no room are listed only, and the page keeps its size") {
  std::vector<RunResult> results(12, sample());
  for (RunResult& result : results) {
    result.expectations[0].met = true;
    for (int i = 0; i < 250; ++i) {
      result.record->ledger.push_back(ledger_row(std::string(2'000, 'x'), Fate::kInUse, {}));
    }
  }
  const std::string html = format_html(results);
  CHECK(html.size() < kHtmlMax);
  CHECK(count(html, "<article class=\"run\"") < results.size());
  CHECK(count(html, "<article class=\"run\"") > 0);
  CHECK(count(html, "s.yaml") >= results.size());
}

TEST_CASE("ledger rows that went wrong are red and come first") {
  RunResult result = sample();
  result.record->ledger = {
      ledger_row("kept", Fate::kFinished,
                 {{Deed::kCreated, 0, at(1_ms), at(1_ms)},
                  {Deed::kPreserved, 0, at(2_ms), at(2_ms)},
                  {Deed::kRestored, 1, at(9_ms), at(9_ms)}}),
      ledger_row("forgotten", Fate::kLeaked, {{Deed::kPreserved, 0, at(2_ms), at(2_ms)}}),
  };
  const std::string html = html_ledger(result, "r1");
  CHECK(count(html, "<tr class=\"red\">") == 1);
  CHECK(html.find("forgotten") < html.find("kept"));
  CHECK(has(html, "carried over"));
  CHECK(has(html, "kernel 1 at 9.000 ms"));
}

TEST_CASE("what a dangling mapping reaches is red although its kernel only left it behind") {
  RunResult result = sample();
  LedgerRow row = ledger_row("page table", Fate::kEnded, {{Deed::kCreated, 0, at(1_ms), at(1_ms)}});
  result.record->ledger = {row};
  CHECK(count(html_ledger(result, "r1"), "<tr class=\"red\">") == 0);
  result.record->ledger[0].reached_by = {"dsa0"};
  CHECK(count(html_ledger(result, "r1"), "<tr class=\"red\">") == 1);
}

TEST_CASE("what changed in the topology is struck out and underlined, and counted") {
  RunResult result = sample();
  FunctionState function;
  function.name = "dsa0";
  function.command = 6;
  result.record->before.functions = {function};
  function.command = 2;
  result.record->after.functions = {function};
  const std::string html = html_topology(result, "r1");
  CHECK(has(html, "<del>0006</del> <ins>0002</ins>"));
  CHECK(has(html, "One field differs"));
  result.record->after = result.record->before;
  CHECK(has(html_topology(result, "r1"), "Nothing differs"));
}

TEST_CASE("a chain becomes a sequence: who acts on what, what happens at one place") {
  const Sequence sequence = sequence_of(sample().violations.front());
  CHECK(fmt::format("{}", fmt::join(sequence.participants, ",")) == "kernel 0,page 0x1000,dsa0");
  REQUIRE(sequence.steps.size() == 2);
  CHECK(sequence.steps[0].from == 0);
  CHECK(sequence.steps[0].to == 1);
  CHECK(sequence.steps[0].text == "creates it: memfd folio");
  CHECK(sequence.steps[1].from == 2);
  CHECK(sequence.steps[1].to == 1);
  Violation violation;
  violation.chain = {{at(1_ms), "kernel 1 panics: no reason"}, {at(2_ms), "something else"}};
  const Sequence alone = sequence_of(violation);
  REQUIRE(alone.steps.size() == 2);
  CHECK(alone.steps[0].from == alone.steps[0].to);
  CHECK(alone.participants[alone.steps[1].from] == "host");
}

TEST_CASE("a long chain keeps its ends, and says how much of the middle is missing") {
  Violation violation;
  for (int i = 0; i < 100; ++i) violation.chain.push_back({at(1_ms), fmt::format("kernel {}", i)});
  const Sequence sequence = sequence_of(violation);
  CHECK(sequence.steps.size() == kSequenceMax);
  CHECK(sequence.left_out == 100 - kSequenceMax);
  CHECK(sequence.participants.front() == "kernel 0");
  CHECK(sequence.participants.back() == "kernel 99");
}

TEST_CASE("a run without record, phases or events still has its page") {
  RunResult result;
  result.title = "nothing";
  const std::string html = page(result);
  CHECK(has(html, ">PASSED<"));
  CHECK_FALSE(has(html, "r1-ledger"));
}
