// The page of a sweep: every cell is there, and every name in it leads somewhere.
#include <algorithm>
#include <set>

#include "harness/sweep/sweep_report.h"
#include "tests/support/source_dir.h"

using namespace baton;
using namespace baton::harness;

namespace {

SweepResult sweep(std::vector<std::string> vary, std::vector<std::string> set = {}) {
  SweepRequest request;
  request.file = testing::source_dir() + "/scenarios/quickstart.yaml";
  request.vary = std::move(vary);
  request.set = std::move(set);
  request.jobs = 2;
  auto plan = make_plan(request);
  INFO((plan ? "" : plan.error().text));
  REQUIRE(plan);
  SweepOptions options;
  options.jobs = 2;
  auto result = run_sweep(std::move(*plan), options);
  REQUIRE(result);
  return *result;
}

std::set<std::string> all(const std::string& page, const std::string& before) {
  std::set<std::string> found;
  for (std::size_t at = page.find(before); at != std::string::npos; at = page.find(before, at)) {
    at += before.size();
    found.insert(page.substr(at, page.find('"', at) - at));
  }
  return found;
}

}  // namespace

TEST_CASE("each cell of the matrix links to what went wrong in it, and back") {
  const SweepResult result =
      sweep({"defects=[pci-clear-bus-master],[memfd-skip-folio]", "policies.acs=all"},
            {"expect=[{holds: all}]"});
  REQUIRE(result.plan.cells.size() == 4);
  const std::string page = format_sweep_html(result);
  const std::set<std::string> places = all(page, "id=\"");
  for (const std::string& link : all(page, "href=\"#")) {
    INFO(link);
    CHECK(places.contains(link));
  }
  for (std::size_t i = 0; i < 4; ++i) CHECK(places.contains("cell-" + std::to_string(i)));
  CHECK(places.contains("failure-bus-master-path"));
  CHECK(page.find("baton replay bt1-") != std::string::npos);
  CHECK(page == format_sweep_html(result));
  // Nothing from elsewhere but the names of formats.
  CHECK(page.find("<script src") == std::string::npos);
  CHECK(page.find("<link rel=\"stylesheet\"") == std::string::npos);
  CHECK(page.find("http") == page.find("http-equiv"));
}

TEST_CASE("a sweep without failures says so, and texts of a scenario are no markup") {
  const SweepResult result =
      sweep({"policies.acs=all"}, {"title=\"<b>&\"", "expect=[{holds: all}]"});
  const std::string page = format_sweep_html(result);
  CHECK(page.find(">PASSED<") != std::string::npos);
  CHECK(page.find("<h2>Failures</h2><p class=\"lead\">None.</p>") != std::string::npos);
  CHECK(page.find("&lt;b&gt;&amp;") != std::string::npos);
  CHECK(page.find("<b>&") == std::string::npos);
}
