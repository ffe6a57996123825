// list and explain: everything has an id, a line and a page.

#include "cli/catalogue.h"

#include <algorithm>
#include <regex>
#include <set>

#include "cli/exit_code.h"
#include "harness/scenario/catalogue_rows.h"
#include "harness/scenario/key_text.h"
#include "tests/cli/program.h"
#include "tests/support/source_dir.h"

using namespace baton;
using namespace baton::cli;
using baton::testing::lines_of;
using baton::testing::Ran;
using baton::testing::run_baton;

namespace {

const std::string kSource = baton::testing::source_dir();
const std::string kFolder = kSource + "/scenarios";

}  // namespace

TEST_CASE("a list has one row per item, its id in column 1, and no heading on a pipe") {
  for (const KindRow& kind : kind_rows()) {
    INFO(kind.list);
    const Ran ran = run_baton({"list", std::string(kind.list), "--folder", kFolder});
    CHECK(ran.code == kHeld);
    CHECK(ran.human.empty());
    const std::vector<std::string> lines = lines_of(ran.data);
    const std::vector<Item> items = items_of(kind.kind, kFolder);
    REQUIRE(lines.size() == items.size());
    CHECK_FALSE(lines.empty());
    for (std::size_t i = 0; i < lines.size(); ++i) {
      CHECK(lines[i].starts_with(items[i].id + " "));
      CHECK(lines[i].size() > items[i].id.size() + 4);
    }
    const Ran seen = run_baton({"list", std::string(kind.list), "--folder", kFolder}, true);
    CHECK(lines_of(seen.data).size() == lines.size() + 1);
    CHECK(seen.data.starts_with(std::string(kind.one)));
  }
}

TEST_CASE("ids are unique within their list") {
  for (const KindRow& kind : kind_rows()) {
    std::set<std::string> ids;
    for (const Item& item : items_of(kind.kind, kFolder)) CHECK(ids.insert(item.id).second);
  }
}

TEST_CASE("every item of every list is explained within 80 columns") {
  for (const KindRow& kind : kind_rows()) {
    for (const Item& item : items_of(kind.kind, kFolder)) {
      const std::string id = fmt::format("{}:{}", kind.one, item.id);
      INFO(id);
      const Ran ran = run_baton({"explain", id, "--folder", kFolder});
      CHECK(ran.code == kHeld);
      CHECK(ran.data.starts_with(fmt::format("{} ({})\n\n", item.id, kind.one)));
      CHECK(lines_of(ran.data).size() >= 3);
      CHECK(item.page.ends_with("\n"));
      if (kind.kind == Kind::kScenarios || kind.kind == Kind::kTemplates) continue;
      for (const std::string& line : lines_of(item.page)) {
        // A word alone may be longer: a file's path, a list of choices.
        const bool one_word = line.find(' ', line.find_first_not_of(' ')) == std::string::npos;
        CHECK((line.size() <= 80 || one_word));
      }
    }
  }
}

TEST_CASE("an id needs no kind where it is the only one of its name") {
  for (const char* id : {"isolation", "memfd-skip-folio", "E0104", "interrupts", "dsa", "vision",
                         "vms[].workload.size", "vt-d", "guest_pause", "quickstart",
                         "kernel/liveupdate/luo_file.c"}) {
    INFO(id);
    CHECK(run_baton({"explain", id, "--folder", kFolder}).code == kHeld);
  }
}

TEST_CASE("a name that two items share is resolved by its kind") {
  const baton::testing::TemporaryFolder folder("shared-name");
  std::filesystem::copy_file(kFolder + "/quickstart.yaml", folder.path() / "isolation.yaml");
  const Ran both = run_baton({"explain", "isolation", "--folder", folder.path().string()});
  CHECK(both.code == kUsage);
  CHECK(both.data.empty());
  CHECK(both.human.find("baton explain scenario:isolation") != std::string::npos);
  CHECK(both.human.find("baton explain invariant:isolation") != std::string::npos);
  const Ran one = run_baton({"explain", "invariants:isolation"});
  CHECK(one.code == kHeld);
  CHECK(one.data.starts_with("isolation (invariant)"));
}

TEST_CASE("what does not exist is refused with what was probably meant") {
  const Ran list = run_baton({"list", "invariant"});
  CHECK(list.code == kUsage);
  CHECK(list.human.find("did you mean \"invariants\"?") != std::string::npos);
  CHECK(list.human.find("measures, problems") != std::string::npos);
  const Ran id = run_baton({"explain", "isolatoin"});
  CHECK(id.code == kUsage);
  CHECK(id.human.find("did you mean \"isolation\"?") != std::string::npos);
  const Ran folder = run_baton({"list", "scenarios", "--folder", "/nonexistent"});
  CHECK(folder.code == kNothing);
  CHECK_FALSE(folder.human.empty());
}

TEST_CASE("an id with a value is explained by its own function") {
  const Ran ran = run_baton({"explain", "exit", "2"});
  CHECK(ran.code == kHeld);
  CHECK(ran.data == "exit status 2: usage or scenario error\n");
  CHECK(run_baton({"explain", "exit", "99"}).code == kUsage);
  const Ran wrong = run_baton({"explain", "exti", "2"});
  CHECK(wrong.code == kUsage);
  CHECK(wrong.human.find("did you mean \"exit\"?") != std::string::npos);
}

TEST_CASE("what can be chosen has a row, and what is not built has none") {
  const auto ids = [](Kind kind) {
    std::set<std::string> result;
    for (const Item& item : items_of(kind, kFolder)) result.insert(item.id);
    return result;
  };
  const auto same = [](const std::set<std::string>& listed, std::string_view path) {
    std::set<std::string> choices;
    for (const harness::Choice& one : harness::built_choices(*harness::key_row(path))) {
      choices.emplace(one.name);
    }
    CHECK(listed == choices);
  };
  same(ids(Kind::kDevices), "machine.topology.add[].kind");
  same(ids(Kind::kPresets), "kernels[].preset");
  same(ids(Kind::kDefects), "defects[]");
  const std::string policies = run_baton({"list", "policies"}).data;
  for (const harness::KeyRow* row : harness::rows_below("policies")) {
    for (const harness::Choice& choice : row->choices()) {
      INFO(choice.name);
      CHECK((policies.find(choice.name) != std::string::npos) == choice.built);
    }
  }
}

TEST_CASE("every document that a comment cites is a source") {
  const std::regex citation(
      R"(//.*\[((?:[A-Z][A-Za-z-]+|linux|posted|pciutils)(?: [A-Za-z0-9-]+)+))");
  std::vector<std::string> unknown;
  for (const char* folder : {"sim", "model", "harness", "cli"}) {
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(kSource + "/" + folder)) {
      if (entry.path().extension() != ".h" && entry.path().extension() != ".cc") continue;
      for (const std::string& line : lines_of(baton::testing::file_content(entry.path()))) {
        std::smatch match;
        if (!std::regex_search(line, match, citation)) continue;
        const std::string cited = match[1];
        const bool known = std::ranges::any_of(
            harness::source_rows(),
            [&cited](const harness::SourceRow& row) { return cited.starts_with(row.prefix); });
        if (!known) unknown.push_back(entry.path().filename().string() + ": " + cited);
      }
    }
  }
  for (const std::string& one : unknown) {
    FAIL_CHECK(one << " is no row of harness/scenario/catalogue_rows.cc");
  }
}
