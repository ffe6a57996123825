// Each kind of problem, triggered by a file, with the text that people are shown for it. The files
// are in tests/harness/run/diagnostics: E0107.yaml is the cause, E0107.txt the text, written by
// tools/generate-docs.

#include <algorithm>
#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "harness/run/host_builder.h"
#include "harness/scenario/diagnostic_report.h"
#include "tests/support/source_dir.h"

using namespace baton;
using namespace baton::harness;

namespace {

const std::string kFolder = testing::source_dir() + "/tests/harness/run/diagnostics";

std::string read(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  REQUIRE(stream);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

Loaded check(std::string_view code) {
  const std::string name = fmt::format("{}.yaml", code);
  return check_scenario_text(name, read(fmt::format("{}/{}", kFolder, name)), kFolder);
}

// The text without the folder in front of file names.
std::string shown(const Loaded& loaded) {
  std::string text = loaded.errors();
  const std::string prefix = kFolder + "/";
  for (std::size_t at = 0; (at = text.find(prefix, at)) != std::string::npos;) {
    text.erase(at, prefix.size());
  }
  return text;
}

std::vector<Loaded> all_files() {
  std::vector<Loaded> all;
  for (const ProblemRow& row : problem_rows()) all.push_back(check(row.code));
  return all;
}

}  // namespace

TEST_CASE("each kind of problem is triggered by its file and shown as recorded") {
  for (const ProblemRow& row : problem_rows()) {
    DYNAMIC_SECTION(row.code) {
      const Loaded loaded = check(row.code);
      CHECK(std::ranges::any_of(loaded.diagnostics.sorted(), [&row](const Diagnostic& one) {
        return one.problem == row.problem;
      }));
      CHECK(shown(loaded) == read(fmt::format("{}/{}.txt", kFolder, row.code)));
    }
  }
}

TEST_CASE("the rows of the table of problems are complete and in the order of their codes") {
  unsigned number = 101;
  for (const ProblemRow& row : problem_rows()) {
    CHECK(row.code == fmt::format("E{:04}", number++));
    CHECK(&row_of(row.problem) == &row);
    CHECK_FALSE(row.title.empty());
    CHECK(row.text.size() > 40);
    CHECK_FALSE(row.wrong.empty());
    CHECK_FALSE(row.right.empty());
  }
}

TEST_CASE("a problem in a dump is shown at its place in the dump") {
  const Diagnostic dump = check("E0115").diagnostics.sorted().front();
  CHECK(dump.file.name.ends_with("bad.lspci"));
  CHECK(dump.at.line == 4);
  CHECK(dump.file.line.starts_with("20: 00 0g"));
}

TEST_CASE("lines that end with CR LF change no place and are not quoted with their CR") {
  std::string text = read(kFolder + "/E0107.yaml");
  const Loaded unix_lines = check_scenario_text("s.yaml", text, kFolder);
  for (std::size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += 2) {
    text.insert(at, 1, '\r');
  }
  const Loaded dos_lines = check_scenario_text("s.yaml", text, kFolder);
  REQUIRE_FALSE(unix_lines.good());
  CHECK(dos_lines.errors() == unix_lines.errors());
  const Loaded marked = check_scenario_text("s.yaml", "\xEF\xBB\xBF" + text, kFolder);
  CHECK(marked.errors() == unix_lines.errors());
}

TEST_CASE("a file of another kind, an endless one and an empty one are refused") {
  const Loaded binary = check_scenario_text("s.yaml",
                                            std::string("\x7f"
                                                        "ELF\0\0",
                                                        6),
                                            kFolder);
  CHECK(row_of(binary.diagnostics.sorted().front().problem).code == "E0101");
  const Loaded large = check_scenario_text("s.yaml", std::string(3 << 20, ' '), kFolder);
  CHECK(large.errors() ==
        "error[E0113]: larger than any scenario\n  --> s.yaml\n     = at most 1048576 bytes\n");
  CHECK_FALSE(check_scenario_text("s.yaml", "", kFolder).good());
}

TEST_CASE("diagnostics as JSON have every problem, with its place in characters") {
  const std::vector<Loaded> all = all_files();
  const boost::json::value value = boost::json::parse(diagnostics_json(all));
  CHECK(value.at("format").as_string() == "baton-diagnostics");
  CHECK(value.at("version").as_int64() == 1);
  const boost::json::array& files = value.at("files").as_array();
  REQUIRE(files.size() == all.size());
  for (std::size_t i = 0; i < files.size(); ++i) {
    CHECK_FALSE(files[i].at("good").as_bool());
    CHECK(files[i].at("diagnostics").as_array().size() == all[i].diagnostics.size());
  }
  std::string many = "baton: 1\n";
  for (int i = 0; i < 30; ++i) many += fmt::format("k{}: 1\n", i);
  const std::vector<Loaded> one{check_scenario_text("s.yaml", many, kFolder)};
  const boost::json::value thirty = boost::json::parse(diagnostics_json(one));
  CHECK(thirty.at("files").at(0).at("diagnostics").as_array().size() == one[0].diagnostics.size());
  CHECK(one[0].errors().find("... and 13 more errors\n") != std::string::npos);
}

// What SARIF 2.1.0 requires of what is written here [OASIS sarif-v2.1.0, 3.13 to 3.30].
TEST_CASE("diagnostics as SARIF have what the format requires") {
  const std::vector<Loaded> all = all_files();
  const boost::json::value value = boost::json::parse(diagnostics_sarif(all));
  CHECK(value.at("version").as_string() == "2.1.0");
  const boost::json::value& run = value.at("runs").at(0);
  CHECK(run.at("columnKind").as_string() == "unicodeCodePoints");
  const boost::json::value& driver = run.at("tool").at("driver");
  CHECK(driver.at("name").as_string() == "baton");
  const boost::json::array& rules = driver.at("rules").as_array();
  REQUIRE(rules.size() == problem_rows().size());
  for (const boost::json::value& rule : rules) {
    CHECK(rule.at("help").at("text").as_string().size() > 40);
    CHECK_FALSE(rule.at("shortDescription").at("text").as_string().empty());
  }
  const boost::json::array& results = run.at("results").as_array();
  CHECK(results.size() > rules.size());
  for (const boost::json::value& result : results) {
    const auto index = static_cast<std::size_t>(result.at("ruleIndex").as_int64());
    REQUIRE(index < rules.size());
    CHECK(rules[index].at("id") == result.at("ruleId"));
    CHECK(result.at("level").as_string() == "error");
    CHECK_FALSE(result.at("message").at("text").as_string().empty());
    const boost::json::value& place = result.at("locations").at(0).at("physicalLocation");
    CHECK_FALSE(place.at("artifactLocation").at("uri").as_string().empty());
    const boost::json::value& region = place.at("region");
    CHECK(region.at("startLine").as_int64() >= 1);
    CHECK(region.at("startColumn").as_int64() >= 1);
    CHECK(region.at("endColumn").as_int64() > region.at("startColumn").as_int64());
  }
}

TEST_CASE("good scenarios have no results in SARIF and are good in JSON") {
  const std::vector<Loaded> good{
      check_scenario(testing::source_dir() + "/scenarios/quickstart.yaml")};
  REQUIRE(good[0].good());
  const boost::json::value sarif = boost::json::parse(diagnostics_sarif(good));
  CHECK(sarif.at("runs").at(0).at("results").as_array().empty());
  const boost::json::value json = boost::json::parse(diagnostics_json(good));
  CHECK(json.at("files").at(0).at("good").as_bool());
}
