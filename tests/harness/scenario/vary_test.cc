// What a sweep varies, read from the file and from --vary; every refusal with its place.

#include "harness/scenario/vary.h"

#include <sstream>

#include "harness/scenario/scenario.h"
#include "tests/support/source_dir.h"

using namespace baton;
using namespace baton::harness;

namespace {

const std::string kFolder = testing::source_dir() + "/scenarios";

Loaded with(const std::string& lines) {
  return parse_scenario("s.yaml",
                        "baton: 1\ntitle: t\nmachine: {topology: {lspci: hosts/flat.lspci}}\n"
                        "expect: []\n" +
                            lines,
                        kFolder);
}

std::vector<std::string> labels(const Dimension& dimension) {
  std::vector<std::string> result;
  for (const Alternative& one : dimension.alternatives) result.push_back(one.label);
  return result;
}

std::vector<std::string> values(const std::string& vary) {
  VarySpec spec;
  Diagnostics diagnostics;
  add_vary(spec, vary, diagnostics);
  INFO(diagnostics.format("s.yaml", ""));
  REQUIRE(diagnostics.empty());
  REQUIRE(spec.dimensions.size() == 1);
  return labels(spec.dimensions.front());
}

std::string refusal(const std::string& vary) {
  VarySpec spec;
  Diagnostics diagnostics;
  add_vary(spec, vary, diagnostics);
  CHECK(spec.dimensions.empty());
  REQUIRE_FALSE(diagnostics.empty());
  return diagnostics.format("s.yaml", "");
}

std::string error_of(const std::string& lines) {
  const Loaded loaded = with(lines);
  REQUIRE_FALSE(loaded.good());
  return loaded.errors();
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("values of a dimension: lists, ranges by step and factor, all choices") {
  CHECK(values("policies.reinject=none,spurious") == Texts{"none", "spurious"});
  CHECK(values("policies.reinject=none") == Texts{"none"});
  CHECK(values("policies.reinject=all") == Texts{"spurious", "none", "pending-only"});
  CHECK(values("vms[0].workload.depth=2..5") == Texts{"2", "3", "4", "5"});
  CHECK(values("vms[0].workload.depth=2..9..3") == Texts{"2", "5", "8"});
  CHECK(values("vms[0].workload.size=4KiB..64KiB..*4") == Texts{"4KiB", "16KiB", "64KiB"});
  CHECK(values("script[0].at=1ms..2ms..500us") == Texts{"1ms", "1500us", "2ms"});
  CHECK(values("vms[0].workload.rate=50MB/s..100MB/s..50MB/s") == Texts{"50MB/s", "100MB/s"});
  CHECK(values("kernels[1].defects=[],[memfd-skip-folio]") == Texts{"[]", "[memfd-skip-folio]"});
  CHECK(values("end=[1s, 2s]") == Texts{"1s", "2s"});
}

TEST_CASE("all defects are none, and each by itself") {
  const Texts all = values("defects=all");
  CHECK(all.front() == "[]");
  CHECK(all.size() == 1 + linux::defect_rows().size());
  CHECK(std::ranges::count(all, "[memfd-skip-folio]") == 1);
}

TEST_CASE("a wrong --vary is a diagnostic that points into the option") {
  CHECK(refusal("policies.reinject").find("KEY=VALUES is expected") != std::string::npos);
  CHECK(refusal("policies.reinject=").find("KEY=VALUES is expected") != std::string::npos);
  const std::string unknown = refusal("policies.reinjekt=all");
  CHECK(unknown.find("--vary:1:1") != std::string::npos);
  CHECK(unknown.find("did you mean \"policies.reinject\"?") != std::string::npos);
  CHECK(refusal("vary=all").find("cannot be varied") != std::string::npos);
  CHECK(refusal("end=all").find("no choices") != std::string::npos);
  CHECK(refusal("policies.reinject=a..b").find("no range") != std::string::npos);
  CHECK(refusal("end=1s..2s").find("LOW..HIGH..STEP") != std::string::npos);
  CHECK(refusal("end=2s..1s..1s").find("is no range") != std::string::npos);
  CHECK(refusal("end=1s..2s..0s").find("is no range") != std::string::npos);
  CHECK(refusal("end=1s..2s..*1").find("is no range") != std::string::npos);
  CHECK(refusal("vms[0].workload.depth=1..100000").find("more than 4096") != std::string::npos);
  CHECK(refusal("end=1s,1s").find("stands there twice") != std::string::npos);
  CHECK(refusal("end=[]").find("nothing to vary") != std::string::npos);
  CHECK(refusal("end={a: 1}").find("a list, a range or all") != std::string::npos);
  CHECK(refusal("end=[1s").find("E0101") != std::string::npos);
}

TEST_CASE("dimensions and exclusions of a file") {
  const Loaded loaded = with(
      "vary:\n"
      "  - {key: policies.reinject, values: all}\n"
      "  - name: card\n"
      "    alternatives:\n"
      "      - {name: kept}\n"
      "      - {name: late, set: [\"end=2s\", \"title=late\"]}\n"
      "exclude:\n"
      "  - {when: [policies.reinject=none, card=late], because: nobody asks}\n");
  INFO(loaded.errors());
  REQUIRE(loaded.good());
  const VarySpec& vary = loaded.scenario.vary;
  REQUIRE(vary.dimensions.size() == 2);
  CHECK(vary.dimensions[0].alternatives[1].set == Texts{"policies.reinject=none"});
  CHECK(vary.dimensions[1].name == "card");
  CHECK(vary.dimensions[1].alternatives[0].set.empty());
  CHECK(vary.dimensions[1].alternatives[1].set == Texts{"end=2s", "title=late"});
  REQUIRE(vary.exclude.size() == 1);
  CHECK(vary.exclude[0].when[1] == std::pair<std::string, std::string>("card", "late"));
}

TEST_CASE("a wrong vary or exclude of a file is a diagnostic at its line") {
  CHECK(error_of("vary: [{key: end}]\n").find("s.yaml:5:8") != std::string::npos);
  CHECK(error_of("vary: [{key: end, values: [1s], alternatives: [{name: a}]}]\n")
            .find("key and values, or name and alternatives") != std::string::npos);
  CHECK(error_of("vary: [{key: nothing, values: [1s]}]\n").find("unknown key") !=
        std::string::npos);
  CHECK(error_of("vary: [{key: end, values: [1s]}, {key: end, values: [2s]}]\n")
            .find("varied twice") != std::string::npos);
  const std::string one = "vary: [{key: end, values: [1s, 2s]}]\n";
  CHECK(error_of(one + "exclude: [{when: [ent=1s], because: b}]\n").find("did you mean \"end\"") !=
        std::string::npos);
  CHECK(error_of(one + "exclude: [{when: [end=3s], because: b}]\n").find("no alternative \"3s\"") !=
        std::string::npos);
  CHECK(error_of(one + "exclude: [{when: [end], because: b}]\n").find("DIMENSION=ALTERNATIVE") !=
        std::string::npos);
  CHECK(error_of(one + "exclude: [{when: [], because: b}]\n").find("leave out everything") !=
        std::string::npos);
  CHECK(error_of(one + "exclude: [{when: [end=1s]}]\n").find("\"because\" is missing") !=
        std::string::npos);
}

TEST_CASE("--vary replaces the file's dimension of that name and adds others") {
  VarySpec spec = with("vary: [{key: end, values: [1s, 2s]}]\n").scenario.vary;
  Diagnostics diagnostics;
  add_vary(spec, "end=3s", diagnostics);
  add_vary(spec, "policies.reinject=all", diagnostics);
  REQUIRE(diagnostics.empty());
  REQUIRE(spec.dimensions.size() == 2);
  CHECK(labels(spec.dimensions[0]) == Texts{"3s"});
}
