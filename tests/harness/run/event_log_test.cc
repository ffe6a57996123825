// Logs of events, and where two of them part.
#include "harness/run/event_log.h"

#include <sstream>

#include "harness/run/host_builder.h"
#include "harness/run/run.h"
#include "tests/support/source_dir.h"

using namespace baton;
using namespace baton::harness;

namespace {

std::string log_of(std::vector<std::string> set, unsigned runs = 1) {
  set.emplace_back("vms[0].workload.rate=1MB/s");
  const Loaded loaded =
      check_scenario(testing::source_dir() + "/scenarios/many-small-runs.yaml", std::move(set));
  INFO(loaded.errors());
  REQUIRE(loaded.good());
  std::ostringstream out;
  EventLog log(out);
  for (unsigned i = 0; i < runs; ++i) {
    log.begin(loaded, i);
    RunOptions options;
    options.seed = i;
    options.on_event = [&log](std::uint64_t event, const sim::LogLine& line) {
      log.line(event, line);
    };
    log.end(run_scenario(loaded, options));
  }
  return out.str();
}

std::expected<LogDiff, std::string> diff(const std::string& a, const std::string& b) {
  std::istringstream in_a(a);
  std::istringstream in_b(b);
  return diff_logs(in_a, "a.jsonl", in_b, "b.jsonl");
}

std::string error(const std::string& a) {
  const auto result = diff(a, a + "x");
  return result ? "" : result.error();
}

constexpr const char* kHead =
    "{\"baton_events\":1,\"scenario\":\"s\",\"title\":\"t\",\"seed\":0,\"set\":[],\"digest\":\"d\"}"
    "\n";

}  // namespace

TEST_CASE("logs of one scenario are the same, run for run") {
  const std::string two = log_of({}, 2);
  const auto result = diff(two, two);
  REQUIRE(result);
  CHECK(result->same);
  CHECK(result->runs == 2);
  CHECK(format_log_diff(*result).find("the same: 2 runs") != std::string::npos);
}

TEST_CASE("logs of two policies part at the first event that differs") {
  const auto result = diff(log_of({}), log_of({"defects=[pci-clear-bus-master]"}));
  REQUIRE(result);
  CHECK_FALSE(result->same);
  REQUIRE(result->common);
  REQUIRE_FALSE(result->a.lines.empty());
  REQUIRE_FALSE(result->b.lines.empty());
  CHECK(result->a.lines.front() != result->b.lines.front());
  CHECK(result->common->event <= result->a.lines.front().event);
  CHECK(result->a.fingerprint != result->b.fingerprint);
  CHECK(result->b.set.size() == 2);
  const std::string text = format_log_diff(*result);
  CHECK(text.find("first difference at event") != std::string::npos);
  CHECK(text.find("a log holds no state") != std::string::npos);
  CHECK(format_log_diff_json(*result).find("\"same\": false") != std::string::npos);
}

TEST_CASE("a log that was cut off is told by what the other still has") {
  const std::string whole = log_of({});
  const std::string cut = whole.substr(0, whole.rfind('\n', whole.size() / 2) + 1);
  const auto result = diff(cut, whole);
  REQUIRE(result);
  CHECK_FALSE(result->same);
  CHECK(result->a.lines.empty());
  CHECK_FALSE(result->b.lines.empty());
  CHECK(result->a.fingerprint.empty());
  CHECK(format_log_diff(*result).find("the log ends before the run") != std::string::npos);
}

TEST_CASE("what is no log is refused with its place") {
  CHECK(error("") == "b.jsonl:1: no JSON object");
  CHECK(error("{}\n") == "a.jsonl:1: a log of events begins with \"baton_events\"");
  CHECK(error("{\"baton_events\":2}\n") == "a.jsonl:1: a log of another version");
  CHECK(error("{\"baton_events\":1}\n") == "a.jsonl:1: no text \"scenario\"");
  CHECK(error(std::string(kHead) + "{\"event\":-1,\"time_ps\":0}\n") ==
        "a.jsonl:2: no number \"event\"");
  CHECK(error(std::string(kHead) + "[1]\n") == "a.jsonl:2: no JSON object");
  CHECK(error(kHead) == "b.jsonl:2: no JSON object");
}
