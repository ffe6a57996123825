// Reports for other tools, read back by small readers of their formats: XML that is well-formed,
// KTAP by its grammar, SARIF with what the standard requires, JSON with documented members only.

#include "harness/report/ci_reports.h"

#include <boost/json.hpp>
#include <fstream>
#include <map>
#include <optional>
#include <regex>
#include <set>
#include <sstream>

#include "harness/report/cases.h"
#include "harness/report/escape.h"
#include "harness/report/report_kinds.h"
#include "tests/support/source_dir.h"

using namespace baton;
using namespace baton::harness;

namespace {

Expectation expectation(ExpectationKind kind, std::vector<std::string> ids, std::string text,
                        unsigned line) {
  Expectation result;
  result.kind = kind;
  result.ids = std::move(ids);
  result.text = std::move(text);
  result.at = {line, 5, 5};
  return result;
}

// One violation, one missed bound, one lesson, one met invariant; hostile characters in the title.
RunResult mixed() {
  RunResult result;
  result.file = "scenarios/a,b:c.yaml";
  result.text = "baton: 1\nexpect:\n  - {holds: all}\n";
  result.title = "A <b>&\"'\x01\xff ]]> title # with 100% |everything|";
  result.seed = 3;
  result.digest = "0badcafe";
  result.token = "bt1-0badcafe-3-abcd";
  result.fingerprint = "0123456789abcdef0123456789abcdef";
  result.verdicts = {{"isolation", 2, 9}, {"dma-continuity", 0, 9}, {"dma-integrity", 1, 9}};
  Violation violation;
  violation.id = "isolation";
  violation.subject = "dsa0 <write> #1\nsecond line";
  violation.expected = "guest memory";
  violation.seen = "free memory";
  violation.event = 77;
  violation.chain = {{sim::Time(), "cause", 12}};
  violation.changes = {{"page", "a", "b"}};
  result.violations = {violation};
  result.phases = {{0, "run", sim::Time(), sim::Time(), 1, 1, 0}};
  result.measurements = {{"guest_pause", 5}};
  result.standings = {{"assumed", {"timing"}}};
  result.overrides = {"a.b=c"};
  result.guests = {"guest vm0"};
  result.notes = {"a note"};
  result.expectations = {
      {expectation(ExpectationKind::kHolds, {"isolation", "dma-continuity"}, "holds: all", 3),
       false, "isolation is violated 2 times"},
      {expectation(ExpectationKind::kViolates, {"dma-integrity"}, "violates: dma-integrity", 3),
       true, ""},
      {expectation(ExpectationKind::kMeasure, {"guest_pause"}, "measure: guest_pause, below: 1s",
                   3),
       false, "2 s"}};
  return result;
}

RunResult with(bool interrupted, const std::string& bug) {
  RunResult result = mixed();
  result.interrupted = interrupted;
  result.bug = bug;
  return result;
}

std::vector<RunResult> all_kinds() {
  return {mixed(), with(true, ""), with(false, "check failed"), RunResult{}};
}

// A reader of the XML that reports use: elements, attributes, text, references. It says what is
// wrong, or counts elements.
class XmlReader {
 public:
  explicit XmlReader(std::string_view text) : rest_(text) {}

  std::optional<std::string> read() {
    if (!take("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n")) return "no declaration";
    std::vector<std::string> open;
    do {
      if (!text_until_tag()) return "a bad character or reference in text";
      if (rest_.empty()) break;
      if (take("</")) {
        const std::string name = word();
        if (open.empty() || open.back() != name || !take(">")) return "wrong end tag " + name;
        open.pop_back();
        continue;
      }
      if (!take("<")) return "no tag";
      const std::string name = word();
      if (name.empty()) return "no name";
      ++counts[name];
      if (!attributes()) return "bad attributes of " + name;
      if (take("/>")) continue;
      if (!take(">")) return "the tag of " + name + " does not end";
      open.push_back(name);
    } while (!open.empty());
    if (rest_ != "\n") return "something follows the root element";
    return std::nullopt;
  }

  std::map<std::string, int> counts;

 private:
  bool take(std::string_view what) {
    if (!rest_.starts_with(what)) return false;
    rest_.remove_prefix(what.size());
    return true;
  }
  std::string word() {
    const std::size_t end = rest_.find_first_not_of("abcdefghijklmnopqrstuvwxyz_");
    std::string result(rest_.substr(0, end));
    rest_.remove_prefix(result.size());
    return result;
  }
  bool attributes() {
    std::set<std::string> names;
    while (take(" ")) {
      const std::string name = word();
      if (name.empty() || !names.insert(name).second || !take("=\"")) return false;
      if (!characters('"') || !take("\"")) return false;
    }
    return true;
  }
  bool text_until_tag() { return characters('<'); }
  bool characters(char end) {
    while (!rest_.empty() && rest_.front() != end) {
      const auto c = static_cast<unsigned char>(rest_.front());
      if (c == '<' || c == '>' || (c < 0x20 && c != '\n' && c != '\t')) return false;
      if (c == '&') {
        bool known = false;
        for (const char* name : {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"}) {
          known = known || take(name);
        }
        if (!known) return false;
        continue;
      }
      rest_.remove_prefix(1);
    }
    return true;
  }

  std::string_view rest_;
};

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

}  // namespace

TEST_CASE("an expectation of several invariants is a case for each") {
  const std::vector<Case> cases = cases_of(mixed());
  REQUIRE(cases.size() == 4);
  CHECK(cases[0].name == "holds isolation");
  CHECK(cases[0].outcome == Outcome::kFailed);
  CHECK(cases[1].outcome == Outcome::kMet);
  CHECK(cases[2].name == "violates dma-integrity");
  CHECK(cases[2].outcome == Outcome::kMet);
  CHECK(cases[3].name == "measure guest_pause below 1s");
  CHECK(cases[3].outcome == Outcome::kFailed);
  for (const Case& one : cases_of(with(true, ""))) CHECK(one.outcome == Outcome::kUnknown);
  REQUIRE(cases_of(with(false, "x")).size() == 1);
  CHECK(cases_of(with(false, "x"))[0].outcome == Outcome::kBug);
}

TEST_CASE("JUnit is well-formed XML with a testcase per case, whatever the scenario holds") {
  const std::string text = format_junit(all_kinds());
  XmlReader reader(text);
  const auto wrong = reader.read();
  INFO(text);
  CHECK(wrong.value_or("") == "");
  CHECK(reader.counts["testsuite"] == 4);
  CHECK(reader.counts["testcase"] == 4 + 4 + 1 + 1);
  CHECK(reader.counts["failure"] == 2);
  CHECK(reader.counts["error"] == 1);
  CHECK(reader.counts["skipped"] == 4);
  CHECK(text.find("<testsuites name=\"baton\" tests=\"10\" failures=\"2\" errors=\"1\" "
                  "skipped=\"4\" time=\"0\">") != std::string::npos);
  CHECK(text.find("<property name=\"token\" value=\"bt1-0badcafe-3-abcd\"/>") != std::string::npos);
  CHECK(text.find("<failure type=\"isolation\"") != std::string::npos);
}

TEST_CASE("the reader of XML notices what is not well-formed") {
  const std::string head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
  CHECK(XmlReader(head + "<a b=\"1\"><c/></a>\n").read().value_or("good") == "good");
  for (const char* bad : {"<a>\n", "<a></b>\n", "<a b=\"1\" b=\"2\"/>\n", "<a>&x;</a>\n",
                          "<a b=\"<\"/>\n", "<a/><b/>\n", "<a>\x01</a>\n", "<a>&</a>\n"}) {
    INFO(bad);
    CHECK(XmlReader(head + bad).read().has_value());
  }
}

TEST_CASE("KTAP follows its grammar: version, plan, numbered results, diagnostics") {
  const std::vector<std::string> lines = lines_of(format_ktap(all_kinds()));
  REQUIRE(lines.size() > 2);
  CHECK(lines[0] == "KTAP version 1");
  CHECK(lines[1] == "1..10");
  const std::regex result("(ok|not ok) ([0-9]+) ([^# ]+)( # SKIP [^#]+)?");
  unsigned number = 0;
  unsigned failed = 0;
  unsigned skipped = 0;
  for (std::size_t i = 2; i < lines.size(); ++i) {
    INFO(lines[i]);
    if (lines[i].starts_with("# ")) continue;
    std::smatch match;
    REQUIRE(std::regex_match(lines[i], match, result));
    CHECK(std::stoul(match[2]) == ++number);
    failed += match[1] == "not ok" ? 1 : 0;
    skipped += match[4].matched ? 1 : 0;
  }
  CHECK(number == 10);
  CHECK(failed == 3);
  CHECK(skipped == 4);
  CHECK(format_ktap(all_kinds()).find("\nnot ok 1 a,b:c.holds-isolation\n") != std::string::npos);
}

TEST_CASE("GitHub gets nine annotations, then a count, with everything escaped") {
  const std::vector<std::string> lines = lines_of(format_github({std::vector{mixed()}}));
  REQUIRE(lines.size() == 2);
  CHECK(
      lines[0].starts_with("::error file=scenarios/a%2Cb%3Ac.yaml,line=3,col=5,"
                           "title=isolation  No device reaches memory of another domain%2C"));
  CHECK(lines[0].find("%0A") != std::string::npos);
  const std::vector<std::string> many = lines_of(format_github(std::vector<RunResult>(6, mixed())));
  REQUIRE(many.size() == 10);
  CHECK(many.back() == "::error title=baton::3 more failures");
  CHECK(format_github({}).empty());
}

TEST_CASE("the Markdown summary has a row per run and folds failures in") {
  const std::string text = format_markdown(all_kinds());
  CHECK(text.find("| scenarios/a,b:c.yaml | **failed** | 2 of 4 | 3 | `01234567` |\n") !=
        std::string::npos);
  CHECK(text.find("| interrupted |") != std::string::npos);
  CHECK(text.find("<details><summary>scenarios/a,b:c.yaml: isolation") != std::string::npos);
}

TEST_CASE("SARIF has what the standard requires, and every result's rule exists") {
  const boost::json::value document = boost::json::parse(format_sarif(all_kinds()));
  CHECK(document.at("version").as_string() == "2.1.0");
  const boost::json::value& run = document.at("runs").at(0);
  CHECK(run.at("tool").at("driver").at("name").as_string() == "baton");
  std::set<std::string> rules;
  for (const auto& rule : run.at("tool").at("driver").at("rules").as_array()) {
    CHECK(rules.insert(std::string(rule.at("id").as_string())).second);
    CHECK_FALSE(rule.at("shortDescription").at("text").as_string().empty());
  }
  const boost::json::array& results = run.at("results").as_array();
  REQUIRE(results.size() == 3);
  for (const auto& result : results) {
    CHECK(rules.contains(std::string(result.at("ruleId").as_string())));
    CHECK_FALSE(result.at("message").at("text").as_string().empty());
    const auto& place = result.at("locations").at(0).at("physicalLocation");
    CHECK_FALSE(place.at("artifactLocation").at("uri").as_string().empty());
    CHECK(place.at("region").at("startLine").to_number<int>() >= 1);
  }
  CHECK(run.at("invocations").at(0).at("executionSuccessful").as_bool() == false);
}

TEST_CASE("every member of the JSON report is documented") {
  std::ifstream stream(testing::source_dir() + "/docs/report-json.md");
  std::ostringstream document;
  document << stream.rdbuf();
  std::set<std::string> keys;
  const auto collect = [&keys](const boost::json::value& value, const auto& self) -> void {
    if (value.is_object()) {
      for (const auto& [key, member] : value.get_object()) {
        keys.insert(std::string(key));
        self(member, self);
      }
    } else if (value.is_array()) {
      for (const auto& element : value.get_array()) self(element, self);
    }
  };
  const std::string text = report_kind("json")->write(all_kinds());
  collect(boost::json::parse(text), collect);
  CHECK(keys.size() > 40);
  for (const std::string& key : keys) {
    INFO(key);
    CHECK(document.str().find("`" + key + "`") != std::string::npos);
  }
}

TEST_CASE("every kind of report gives the same bytes for the same runs") {
  const std::vector<RunResult> results = all_kinds();
  std::set<std::string_view> names;
  for (const ReportKind& kind : report_kinds()) {
    INFO(kind.name);
    CHECK(names.insert(kind.name).second);
    CHECK(kind.write(results) == kind.write(results));
    CHECK(kind.write(results).ends_with("\n"));
  }
  CHECK(report_kind("pdf") == nullptr);
}

TEST_CASE("texts are made valid UTF-8, and safe for XML") {
  CHECK(clean_utf8("a\xC3\xA4z") == "a\xC3\xA4z");
  CHECK(clean_utf8("\xFF") == "\xEF\xBF\xBD");
  CHECK(clean_utf8("\xC3") == "\xEF\xBF\xBD");
  CHECK(clean_utf8("\xED\xA0\x80") == "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
  CHECK(clean_utf8("\xF0\x9F\x98\x80") == "\xF0\x9F\x98\x80");
  CHECK(clean_utf8("\xC0\x80") == "\xEF\xBF\xBD\xEF\xBF\xBD");
  CHECK(xml_text("<&>\"'\x02") == "&lt;&amp;&gt;&quot;&#39;\xEF\xBF\xBD");
}

TEST_CASE("every sign of the transitions is documented with its meaning") {
  std::ifstream stream(testing::source_dir() + "/docs/run-output.md");
  std::ostringstream document;
  document << stream.rdbuf();
  for (const GlyphRow& row : glyph_rows()) {
    const std::string line = "| `" + std::string(1, row.sign) + "` | " + std::string(row.name) +
                             " | " + std::string(row.text) + " |\n";
    INFO(line);
    CHECK(document.str().find(line) != std::string::npos);
  }
}
