// A sweep says the same however it is carried out, and says what is true of its runs.

#include "harness/sweep/sweep.h"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include <unistd.h>

#include "harness/sweep/marks.h"
#include "harness/sweep/sweep_report.h"
#include "tests/support/source_dir.h"

using namespace baton;
using namespace baton::harness;

namespace {

namespace fs = std::filesystem;

class Folder {
 public:
  Folder() : path_(fs::temp_directory_path() / fmt::format("baton-sweep-{}", ::getpid())) {
    fs::remove_all(path_);
    fs::create_directories(path_);
    fs::create_directory_symlink(testing::source_dir() + "/scenarios/hosts", path_ / "hosts");
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::string file(const std::string& name, const std::string& text) const {
    const fs::path path = path_ / name;
    std::ofstream(path, std::ios::binary) << text;
    return path.string();
  }
  std::string path(const std::string& name) const { return (path_ / name).string(); }

 private:
  fs::path path_;
};

std::string content(const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

// Two defects and none, two policies: 6 cells.
const std::string kScenario =
    "baton: 1\n"
    "title: small\n"
    "machine:\n"
    "  memory: 4GiB\n"
    "  topology: {lspci: hosts/flat.lspci, add: [{kind: dsa, name: dsa0, bus: 0x6a}]}\n"
    "vms:\n"
    "  - {name: vm0, memory: 4MiB, devices: [dsa0], workload: {size: 4KiB, depth: 2, rate: "
    "1MB/s}}\n"
    "script: [{at: 1ms, do: live-update}]\n"
    "expect: [{holds: all}]\n"
    "vary:\n"
    "  - {key: defects, values: [[], [memfd-skip-folio], [pci-clear-bus-master]]}\n"
    "  - {key: policies.msi_at_boot, values: [leave, clear]}\n";

SweepPlan plan_of(const std::string& file, std::uint64_t seeds = 1) {
  SweepRequest request;
  request.file = file;
  request.last_seed = seeds - 1;
  auto plan = make_plan(request);
  INFO((plan ? "" : plan.error().text));
  REQUIRE(plan);
  return *plan;
}

SweepResult sweep(const SweepPlan& plan, unsigned jobs, Shard shard = {},
                  const std::string& state = "") {
  SweepOptions options;
  options.jobs = jobs;
  options.shard = shard;
  options.state_file = state;
  auto result = run_sweep(plan, options);
  INFO((result ? "" : result.error()));
  REQUIRE(result);
  return *result;
}

std::string problem(const std::string& file, std::vector<std::string> vary = {}) {
  SweepRequest request;
  request.file = file;
  request.vary = std::move(vary);
  const auto plan = make_plan(request);
  REQUIRE_FALSE(plan);
  return plan.error().text;
}

RunRow row(std::uint64_t run, std::vector<ViolatedInvariant> violated, std::uint64_t events) {
  RunRow result;
  result.run = run;
  result.violated = std::move(violated);
  result.events = events;
  return result;
}

}  // namespace

TEST_CASE("quantiles are values that occurred, by nearest rank") {
  CHECK(quantiles({5}) == Quantiles{5, 5, 5, 5});
  CHECK(quantiles({4, 1, 3, 2}) == Quantiles{1, 2, 4, 4});
  std::vector<std::uint64_t> hundred;
  for (std::uint64_t i = 100; i > 0; --i) hundred.push_back(i);
  CHECK(quantiles(hundred) == Quantiles{1, 50, 99, 100});
  hundred.push_back(101);
  CHECK(quantiles(hundred) == Quantiles{1, 51, 100, 101});
}

TEST_CASE("a sweep gives the same bytes with any number of threads, in shards, and resumed") {
  const Folder folder;
  const SweepPlan plan = plan_of(folder.file("s.yaml", kScenario), 2);
  CHECK(plan.cells.size() == 6);
  CHECK(plan.runs() == 12);
  const SweepResult whole = sweep(plan, 1);
  REQUIRE(whole.complete);
  const std::string json = format_sweep_json(whole);
  const std::string csv = format_sweep_csv(whole);
  const SweepResult parallel = sweep(plan, 4);
  CHECK(format_sweep_json(parallel) == json);
  CHECK(format_sweep_csv(parallel) == csv);
  CHECK(format_sweep(parallel) == format_sweep(whole));

  SECTION("a report that is read again says the same") {
    const auto read = read_sweep_json(folder.file("whole.json", json));
    INFO((read ? "" : read.error()));
    REQUIRE(read);
    CHECK(format_sweep_json(*read) == json);
    CHECK(format_sweep_csv(*read) == csv);
    CHECK(format_sweep(*read) == format_sweep(whole));
  }
  SECTION("merged shards are the sweep") {
    std::vector<std::string> files;
    for (std::uint64_t k = 3; k >= 1; --k) {
      files.push_back(
          folder.file(fmt::format("{}.json", k), format_sweep_json(sweep(plan, 2, {k, 3}))));
    }
    const auto merged = merge_sweeps(files);
    INFO((merged ? "" : merged.error()));
    REQUIRE(merged);
    CHECK(format_sweep_json(*merged) == json);
    const auto missing = merge_sweeps({files[0], files[1]});
    REQUIRE_FALSE(missing);
    CHECK(missing.error().find("2 of 3 shards") != std::string::npos);
    const auto twice = merge_sweeps({files[0], files[0], files[1]});
    REQUIRE_FALSE(twice);
    CHECK(twice.error().find("shard 3/3 is there twice") != std::string::npos);
    const auto mixed = merge_sweeps({files[0], folder.file("whole.json", json)});
    REQUIRE_FALSE(mixed);
    CHECK(mixed.error().find("of 1 shards, the others of 3") != std::string::npos);
    const std::string other = format_sweep_json(sweep(plan_of(folder.path("s.yaml")), 2, {2, 3}));
    const auto foreign = merge_sweeps({files[0], folder.file("other.json", other)});
    REQUIRE_FALSE(foreign);
    CHECK(foreign.error().find("a shard of another sweep") != std::string::npos);
  }
  SECTION("a sweep that was cut off in the middle of a line goes on") {
    const std::string state = folder.path("state");
    sweep(plan, 2, {}, state);
    const std::string full = content(state);
    const std::size_t fifth = [&full] {
      std::size_t at = 0;
      for (int line = 0; line < 5; ++line) at = full.find('\n', at) + 1;
      return at;
    }();
    folder.file("state", full.substr(0, fifth + 40));
    CHECK(format_sweep_json(sweep(plan, 2, {}, state)) == json);
    // All is done now: another sweep runs nothing and says the same.
    const std::string again = content(state);
    CHECK(format_sweep_json(sweep(plan, 2, {}, state)) == json);
    CHECK(content(state) == again);
  }
}

TEST_CASE("a state of another sweep, of another program, or a damaged one is refused") {
  const Folder folder;
  const std::string file = folder.file("s.yaml", kScenario);
  const SweepPlan plan = plan_of(file);
  const std::string state = folder.path("state");
  sweep(plan, 2, {}, state);
  const std::string good = content(state);
  const auto error = [&state](const SweepPlan& of) {
    SweepOptions options;
    options.state_file = state;
    const auto result = run_sweep(of, options);
    REQUIRE_FALSE(result);
    return result.error();
  };
  CHECK(error(plan_of(file, 2)).find("no state of this sweep") != std::string::npos);
  // A byte in the middle of the second line.
  std::string damaged = good;
  damaged[damaged.find("\"events\"") + 2] = 'x';
  folder.file("state", damaged);
  CHECK(error(plan).find("a damaged line") != std::string::npos);
  folder.file("state", good + good.substr(good.find('\n') + 1));
  CHECK(error(plan).find("is there twice") != std::string::npos);
  folder.file("state", "something else\n");
  CHECK(error(plan).find("no state of this sweep") != std::string::npos);
  SweepOptions options;
  options.state_file = folder.path("no/such/folder");
  const auto unwritable = run_sweep(plan, options);
  REQUIRE_FALSE(unwritable);
  CHECK(unwritable.error().find("cannot be written") != std::string::npos);
}

TEST_CASE("an interrupted sweep keeps what is there and is not complete") {
  const Folder folder;
  const SweepPlan plan = plan_of(folder.file("s.yaml", kScenario));
  SweepOptions options;
  options.interrupted = [] { return true; };
  const auto result = run_sweep(plan, options);
  REQUIRE(result);
  CHECK_FALSE(result->complete);
  CHECK(result->rows.size() < 6);
  const auto merged = merge_sweeps({folder.file("cut.json", format_sweep_json(*result))});
  REQUIRE_FALSE(merged);
  CHECK(merged.error().find("it was interrupted") != std::string::npos);
}

TEST_CASE("a sweep finds what breaks, the quickest run of each failure, and the smallest change") {
  const Folder folder;
  const SweepResult result = sweep(plan_of(folder.file("s.yaml", kScenario)), 2);
  const SweepSummary summary = summarise(result);
  CHECK(summary.ok == 2);
  CHECK(summary.cells[0].ok == 1);
  CHECK(summary.cells[2].failed.contains("memory-not-reused"));
  CHECK(summary.cells[4].failed.contains("bus-master-path"));
  const auto group = std::ranges::find(summary.failures, "bus-master-path", &FailureGroup::id);
  REQUIRE(group != summary.failures.end());
  CHECK(group->runs == 2);
  CHECK(group->cells == 2);
  CHECK(result.rows[group->quickest].run == 4);
  CHECK(group->event != 0);
  REQUIRE_FALSE(summary.flips.empty());
  const Flip& smallest = summary.flips.front();
  CHECK(result.plan.dimensions[smallest.dimension].name == "defects");
  CHECK(result.plan.dimensions[0].alternatives[smallest.to].label == "[pci-clear-bus-master]");
  CHECK(smallest.flipped == 2);
  const std::string text = format_sweep(result);
  CHECK(text.find("smallest change that breaks: defects: [] -> [pci-clear-bus-master], seed 0") !=
        std::string::npos);
  CHECK(text.find("never reached: ") != std::string::npos);
  CHECK(run_command_of(result.plan, 4).find("--set 'defects=[pci-clear-bus-master]'") !=
        std::string::npos);
  for (const RunRow& one : result.rows) {
    REQUIRE(one.functions.size() == 1);
    CHECK(one.functions[0].before == "0000:6a:01.0");
    CHECK(one.functions[0].unharmed() == (one.run < 4));
  }
}

TEST_CASE("a flip compares runs that differ in one alternative and nothing else") {
  SweepResult result;
  result.plan.dimensions = {{"a", {{"0", {}}, {"1", {}}}, {}}, {"b", {{"0", {}}, {"1", {}}}, {}}};
  result.plan.cells = {{0, 0}, {0, 1}, {1, 0}, {1, 1}};
  // Only both together break.
  result.rows = {row(0, {}, 9), row(1, {}, 9), row(2, {}, 9), row(3, {{"isolation", 1, 5}}, 9)};
  const SweepSummary summary = summarise(result);
  REQUIRE(summary.flips.size() == 2);
  CHECK(summary.flips[0].compared == 2);
  CHECK(summary.flips[0].flipped == 1);
  CHECK(summary.flips[0].broken == 3);
  const std::size_t first_sound = summary.flips[0].dimension == 0 ? 1 : 2;
  CHECK(summary.flips[0].sound == first_sound);
}

TEST_CASE("excluded combinations are not run, and a sweep of nothing is refused") {
  const Folder folder;
  const std::string file = folder.file(
      "s.yaml", kScenario + "exclude: [{when: [policies.msi_at_boot=clear], because: shorter}]\n");
  const SweepPlan plan = plan_of(file);
  CHECK(plan.cells.size() == 3);
  CHECK(plan.excluded == 3);
  CHECK(problem(file, {"policies.msi_at_boot=clear"}).find("nothing selected") !=
        std::string::npos);
}

TEST_CASE("every combination is checked before the first run") {
  const Folder folder;
  const std::string file = folder.file("s.yaml", kScenario);
  const std::string text = problem(file, {"machine.memory=4GiB,5TiB"});
  CHECK(text.find("6 of 12 combinations cannot be run") != std::string::npos);
  CHECK(text.find("with defects=[] policies.msi_at_boot=leave machine.memory=5TiB") !=
        std::string::npos);
  CHECK(text.find("out of range") != std::string::npos);
  CHECK(problem(file, {"end=1s..2s..1us"}).find("more than 4096") != std::string::npos);
  CHECK(problem(file, {"end=1s..2s..1ms", "vms[0].workload.depth=2..40"})
            .find("more than 100000 combinations") != std::string::npos);
  CHECK(problem(folder.path("none.yaml")).find("cannot read") != std::string::npos);
}

TEST_CASE("hostile reports are refused with their path") {
  const Folder folder;
  const std::string good = format_sweep_json(sweep(plan_of(folder.file("s.yaml", kScenario)), 2));
  const auto error = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    const std::size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    text.replace(at, from.size(), to);
    const auto read = read_sweep_json(folder.file("bad.json", text));
    REQUIRE_FALSE(read);
    return read.error();
  };
  CHECK(error("\"baton_sweep\": 1", "\"baton_sweep\": 2").find("not a sweep") != std::string::npos);
  CHECK(error("[0,0]", "[0,7]").find("no such alternative") != std::string::npos);
  CHECK(error("[0,0]", "[0]").find("an alternative of each dimension") != std::string::npos);
  CHECK(error("\"last_seed\":0", "\"last_seed\":18446744073709551615").find("no seeds") !=
        std::string::npos);
  CHECK(error("\"run\":1,", "\"run\":99,").find("not of this shard") != std::string::npos);
  CHECK(error("\"verdict\":\"ok\"", "\"verdict\":\"fine\"").find("ok, failed or bug") !=
        std::string::npos);
  CHECK(error("\"complete\": true", "\"complete\": false").find("does not fit") !=
        std::string::npos);
  CHECK(error("\"plan\"", "\"plane\"").find("missing") != std::string::npos);
  CHECK_FALSE(read_sweep_json(folder.file("no.json", "{")));
}

TEST_CASE("marks have one row each, and every invariant is one") {
  const std::vector<std::string> marks = all_marks();
  for (const std::string& mark : marks) CHECK(std::ranges::count(marks, mark) == 1);
  CHECK(std::ranges::count(marks, "checks:isolation") == 1);
}
