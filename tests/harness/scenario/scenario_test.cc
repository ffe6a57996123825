// Scenarios: what is read, what is refused, and where a diagnostic points.

#include "harness/scenario/scenario.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "harness/scenario/invariant_rows.h"
#include "harness/scenario/schema.h"
#include "tests/support/source_dir.h"

using namespace baton;
using namespace baton::harness;

namespace {

const std::string kFolder = testing::source_dir() + "/scenarios";

std::string replace(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

const std::string kGood =
    "baton: 1\n"
    "title: t\n"
    "machine:\n"
    "  memory: 64GiB\n"
    "  topology: {lspci: hosts/switch.lspci, add: [{kind: dsa, name: dsa0, bus: 0x6a}]}\n"
    "vms:\n"
    "  - {name: vm0, memory: 256MiB, devices: [dsa0]}\n"
    "script:\n"
    "  - {at: 10ms, do: live-update}\n"
    "expect:\n"
    "  - {holds: all}\n";

Loaded parse(const std::string& text) { return parse_scenario("s.yaml", text, kFolder); }

// The first diagnostic of a scenario made wrong by one replacement.
Diagnostic first(const std::string& from, const std::string& to) {
  const Loaded loaded = parse(replace(kGood, from, to));
  REQUIRE_FALSE(loaded.good());
  return loaded.diagnostics.sorted().front();
}

std::string code(const Diagnostic& diagnostic) {
  return std::string(row_of(diagnostic.problem).code);
}

}  // namespace

TEST_CASE("a scenario is read with its defaults filled in") {
  const Loaded loaded = parse(kGood);
  INFO(loaded.errors());
  REQUIRE(loaded.good());
  const Scenario& scenario = loaded.scenario;
  CHECK(scenario.machine.memory == std::uint64_t{64} << 30);
  CHECK(scenario.machine.add.at(0).address == Sbdf{0, Bdf(0x6A, 1, 0)});
  CHECK(scenario.kernels.size() == 1);
  CHECK(scenario.kernels.at(0).config.policies.reinject == linux::ReinjectPolicy::kSpurious);
  CHECK(scenario.vms.at(0).workload.size == 65536);
  CHECK(scenario.vms.at(0).bytes_per_second == 100'000'000);
  CHECK(scenario.vms.at(0).devices == std::vector<std::size_t>{0});
  CHECK(scenario.script.at(0).action == Action::kLiveUpdate);
  const auto twice = std::ranges::count_if(invariant_rows(), &InvariantRow::differential);
  CHECK(twice == 2);
  CHECK(scenario.expect.at(0).ids.size() ==
        invariant_rows().size() - 3);  // twice, twice, no process
  CHECK(scenario.generations() == 2);
}

TEST_CASE("the workload is queued for as long as no kernel may feed the device") {
  const Loaded loaded = parse(kGood);
  REQUIRE(loaded.good());
  const VmSpec& vm = loaded.scenario.vms.at(0);
  const std::uint64_t queued =
      std::uint64_t{vm.workload.batches_in_flight} * vm.workload.batch_members * vm.workload.size;
  CHECK(queued >= vm.bytes_per_second / 1000 * kGapMilliseconds);
  CHECK(vmm::workload_fits(vm.workload, vm.memory));
}

TEST_CASE("copies go through a second device only if its buffer is large enough") {
  const auto with = [](const char* buffer, const char* workload) {
    std::string text = replace(kGood, "bus: 0x6a}",
                               fmt::format("bus: 0x6a}}, {{kind: nvme, name: n, port: \"00:04.0\""
                                           "{}}}",
                                           buffer));
    return parse(replace(text, "devices: [dsa0]",
                         fmt::format("devices: [dsa0, n], workload: {{{}}}", workload)));
  };
  const Loaded good = with(", buffer: 1MiB", "size: 16KiB, depth: 16, via: n");
  INFO(good.errors());
  REQUIRE(good.good());
  const vmm::WorkloadConfig& workload = good.scenario.vms.at(0).workload;
  CHECK(workload.peer_buffer == vmm::kPeerBuffer.value());
  CHECK(workload.batch_members >= 2 * workload.depth);
  CHECK_FALSE(with("", "size: 16KiB, depth: 16, via: n").good());
  CHECK_FALSE(with(", buffer: 128KiB", "size: 16KiB, depth: 16, via: n").good());
  CHECK_FALSE(with(", buffer: 64MiB", "size: 64KiB, depth: 1024, via: n").good());
  // A second device that nothing uses stays idle.
  CHECK(with(", buffer: 1MiB", "size: 16KiB").good());
}

TEST_CASE("policies and defects of a generation override and add to those of all") {
  const Loaded loaded = parse(replace(kGood, "vms:",
                                      "policies: {reinject: none}\n"
                                      "defects: [memfd-skip-folio]\n"
                                      "kernels:\n"
                                      "  - {preset: vision}\n"
                                      "  - {policies: {reinject: spurious}, "
                                      "defects: [luo-skip-header], cmdline: \"a b\"}\n"
                                      "vms:"));
  INFO(loaded.errors());
  REQUIRE(loaded.good());
  const Scenario& scenario = loaded.scenario;
  CHECK(scenario.kernel(0).config.policies.reinject == linux::ReinjectPolicy::kNone);
  CHECK(scenario.kernel(1).config.policies.reinject == linux::ReinjectPolicy::kSpurious);
  CHECK(scenario.kernel(1).config.defects.has(linux::Defect::kMemfdSkipFolio));
  CHECK(scenario.kernel(1).config.defects.has(linux::Defect::kLuoSkipHeader));
  CHECK_FALSE(scenario.kernel(0).config.defects.has(linux::Defect::kLuoSkipHeader));
  CHECK(&scenario.kernel(7) == &scenario.kernels.back());
  CHECK(scenario.kernel(7).command_line == "a b");
}

TEST_CASE("each kind of problem has a code and points at its place") {
  struct Case {
    const char* from;
    const char* to;
    const char* code;
    unsigned line;
    unsigned column;
  };
  const std::vector<Case> cases{
      {"memory: 64GiB", "memory: [64GiB", "E0101", 5, 0},
      {"title: t", "title: &a t", "E0102", 2, 0},
      {"title: t", "title: !!str t", "E0102", 2, 8},
      {"title: t", "title: t\n<<: {a: b}", "E0102", 3, 1},
      {"  memory: 64GiB", "  memroy: 64GiB", "E0103", 4, 3},
      {"title: t", "title: t\ntitle: u", "E0104", 3, 1},
      {"title: t\n", "", "E0105", 1, 1},
      {"memory: 64GiB", "memory: {a: 1}", "E0106", 4, 11},
      {"script:", "script: 5\nvms2:", "E0106", 8, 9},
      {"do: live-update", "do: live-updte", "E0107", 9, 20},
      {"memory: 64GiB", "memory: 64", "E0108", 4, 11},
      {"memory: 64GiB", "memory: 1GiB", "E0109", 4, 11},
      {"memory: 64GiB", "memory: 64GB", "E0109", 4, 11},
      {"memory: 256MiB", "memory: 64GiB", "E0109", 7, 25},
      {"devices: [dsa0]", "devices: [dsa1]", "E0110", 7, 43},
      {"devices: [dsa0]", "devices: [dsa0, dsa0]", "E0111", 7, 49},
      {"baton: 1", "baton: 2", "E0107", 1, 8},
      {"kind: dsa", "kind: nic", "E0112", 5, 54},
      {"holds: all", "measure: guest_pause", "E0114", 11, 5},
      {"holds: all", "measure: guest_pause, below: 5", "E0108", 11, 35},
      {"holds: all", "holds: all, violates: isolation", "E0114", 11, 5},
      {"holds: all", "holds: [isolation, isolatoin]", "E0107", 11, 25},
      {"memory: 256MiB", "memory: 8MiB", "E0114", 7, 0},
      {"- {at: 10ms, do: live-update}", "- {at: 10ms, do: live-update}\n  - {at: 5ms, do: cancel}",
       "E0114", 10, 10},
      {"expect:", "end: 5ms\nexpect:", "E0114", 10, 6},
      {"memory: 256MiB,", "memory: 256MiB, dma_offset: 100,", "E0109", 7, 0},
      {"memory: 256MiB,", "memory: 256MiB, dma_offset: 0xfe000000,", "E0114", 7, 0},
      {"memory: 256MiB,", "memory: 256MiB, resident_vcpu: 20us,", "E0114", 7, 0},
      {"devices: [dsa0]", "devices: [dsa0], workload: {via: dsa0}", "E0114", 7, 0},
      {"bus: 0x6a}", "bus: 0x6a, buffer: 1MiB}", "E0114", 5, 0},
      {"bus: 0x6a}", "bus: 0x6a}, {kind: nvme, name: n, port: \"00:04.0\", buffer: 96KiB}", "E0109",
       5, 0},
  };
  for (const Case& one : cases) {
    INFO(one.to);
    const Diagnostic diagnostic = first(one.from, one.to);
    INFO(diagnostic.message);
    CHECK(code(diagnostic) == one.code);
    CHECK(diagnostic.at.line == one.line);
    if (one.column != 0) CHECK(diagnostic.at.column == one.column);
  }
}

TEST_CASE("a second document, an alias and an empty file are refused") {
  CHECK(code(parse(kGood + "---\nbaton: 1\n").diagnostics.sorted().front()) == "E0102");
  const Loaded alias = parse("a: &x 1\nb: *x\n");
  CHECK(alias.diagnostics.sorted().size() >= 2);
  CHECK(code(parse("").diagnostics.sorted().front()) == "E0106");
  CHECK(code(parse("- a\n").diagnostics.sorted().front()) == "E0106");
}

TEST_CASE("a quote that is never closed and a value that cannot begin are syntax errors") {
  const Diagnostic open = first("title: t", "title: \"t");
  CHECK(code(open) == "E0101");
  CHECK(open.at == Position{2, 8, 2});
  CHECK(parse(replace(kGood, "title: t", "title: 'it''s'")).good());
  CHECK(parse(replace(kGood, "title: t", "title: \"a \\\" b\"")).good());
  // The reader makes documents of nothing for ever.
  CHECK(code(parse(", a\n").diagnostics.sorted().front()) == "E0101");
}

TEST_CASE("what would upset a terminal or a reader is refused") {
  const Diagnostic escape = first("title: t", "title: \"\\e[2J\"");
  CHECK(code(escape) == "E0108");
  CHECK(parse(replace(kGood, "title: t", "title: \"\\e[2J\"")).errors().find('\x1b') ==
        std::string::npos);
  CHECK(code(first("title: t", "title: \"a\\nb\"")) == "E0108");
  const Diagnostic deep = parse(std::string(100'000, '[')).diagnostics.sorted().front();
  CHECK(code(deep) == "E0101");
  CHECK(deep.message == "not YAML: nested too deeply");
  std::string many;
  for (int i = 0; i < 20'000; ++i) many += fmt::format("k{}: 1\n", i);
  CHECK(parse(many).diagnostics.size() > 20'000);
}

TEST_CASE("a key that is missing because it is a comment is shown there") {
  const Diagnostic key = first("title: t", "#title: t");
  CHECK(key.at == Position{2, 2, 5});
  CHECK(key.caret_note == "it is commented out here");
  const Diagnostic list = first("  - {holds: all}", "#  - {holds: all}");
  CHECK(list.at.line == 11);
}

TEST_CASE("presets that are not built are refused by name") {
  for (const char* preset : {"v6.19"}) {
    const Diagnostic diagnostic =
        first("vms:", fmt::format("kernels: [{{preset: {}}}]\nvms:", preset));
    CHECK(code(diagnostic) == "E0112");
    CHECK(diagnostic.message.find("not built yet") != std::string::npos);
  }
}

TEST_CASE("caches of the remapping units are exact unless the scenario says otherwise") {
  CHECK_FALSE(parse(kGood).scenario.machine.hardware_caches);
  const auto with = [](const std::string& iommu) {
    return replace(kGood, "  memory: 64GiB\n", "  memory: 64GiB\n  iommu: {" + iommu + "}\n");
  };
  CHECK_FALSE(parse(with("caches: exact")).scenario.machine.hardware_caches);
  const Loaded hardware = parse(with("kind: vtd, caches: hardware"));
  REQUIRE(hardware.good());
  CHECK(hardware.scenario.machine.hardware_caches);
}

TEST_CASE(
    "remapping units are those of a Sapphire Rapids unless the scenario names an older part") {
  CHECK(parse(kGood).scenario.machine.iommu_profile == "sapphire-rapids");
  const auto with = [](const std::string& iommu) {
    return replace(kGood, "  memory: 64GiB\n", "  memory: 64GiB\n  iommu: {" + iommu + "}\n");
  };
  CHECK(parse(with("profile: alder-lake")).scenario.machine.iommu_profile == "alder-lake");
  const Diagnostic diagnostic = first(
      "  memory: 64GiB\n", "  memory: 64GiB\n  iommu: {profile: skylake-sp, mode: scalable}\n");
  CHECK(diagnostic.message == "skylake-sp has no scalable mode");
}

TEST_CASE("remapping units of other kinds are refused by name") {
  for (const std::string kind : {"amd-vi", "smmuv3"}) {
    const Diagnostic diagnostic =
        first("  memory: 64GiB\n", "  memory: 64GiB\n  iommu: {kind: " + kind + "}\n");
    CHECK(code(diagnostic) == "E0112");
    CHECK(diagnostic.message.find(kind) != std::string::npos);
  }
}

TEST_CASE("a diagnostic shows the line, a caret and what was probably meant") {
  const Loaded loaded = parse(replace(kGood, "do: live-update", "do: live-updte"));
  CHECK(loaded.errors() ==
        "error[E0107]: unknown step \"live-updte\"\n"
        "  --> s.yaml:9:20\n"
        "   9 |   - {at: 10ms, do: live-updte}\n"
        "     |                    ^^^^^^^^^^ did you mean \"live-update\"?\n"
        "     = choices: live-update, cold-reboot, create-session, preserve, cancel, kexec, "
        "retrieve, finish\n");
}

TEST_CASE("all problems are reported at once, sorted, and at most twenty are shown") {
  std::string many = kGood;
  for (int i = 0; i < 25; ++i) many += fmt::format("zzz{}: 1\n", i);
  const Loaded loaded = parse(replace(many, "memory: 64GiB", "memory: 64"));
  const std::vector<Diagnostic> sorted = loaded.diagnostics.sorted();
  REQUIRE(sorted.size() == 26);
  CHECK(sorted.front().at.line == 4);
  CHECK(loaded.errors().find("... and 6 more errors") != std::string::npos);
}

TEST_CASE("a scenario file that cannot be read is a diagnostic") {
  const Loaded loaded = load_scenario("/nonexistent/scenario.yaml");
  REQUIRE_FALSE(loaded.good());
  CHECK(code(loaded.diagnostics.sorted().front()) == "E0113");
}

TEST_CASE("an expanded scenario shows every default with its origin and reads back the same") {
  const Loaded loaded = parse(kGood);
  const std::string text = expand(loaded);
  CHECK(text.find("  iommu:\n    kind: vtd ") != std::string::npos);
  CHECK(text.find("# preset vision") != std::string::npos);
  CHECK(text.find("# line 4") != std::string::npos);
  const Loaded again = parse(text);
  INFO(text);
  INFO(again.errors());
  REQUIRE(again.good());
  CHECK(again.scenario.kernels.size() == loaded.scenario.kernels.size());
  CHECK(again.scenario.vms.at(0).workload.size == loaded.scenario.vms.at(0).workload.size);
}

TEST_CASE("every key of the table has a parent in it and a description") {
  for (const KeyRow& row : key_rows()) {
    INFO(row.path);
    CHECK_FALSE(row.description.empty());
    const std::size_t dot = row.path.rfind('.');
    if (dot != std::string_view::npos) CHECK(key_row(row.path.substr(0, dot)) != nullptr);
    if (row.type == KeyType::kList) CHECK(key_row(fmt::format("{}[]", row.path)) != nullptr);
  }
}

TEST_CASE("after any one-character deletion a diagnostic points at the changed line or below") {
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    if (entry.path().extension() != ".yaml") continue;
    std::ifstream stream(entry.path());
    std::ostringstream content;
    content << stream.rdbuf();
    const std::string text = content.str();
    const Loaded whole = parse_scenario(entry.path().string(), text, kFolder);
    INFO(whole.errors());
    REQUIRE(whole.good());
    for (std::size_t at = 0; at < text.size(); ++at) {
      std::string changed = text;
      changed.erase(at, 1);
      const auto line = static_cast<unsigned>(
          1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n'));
      const Loaded loaded = parse_scenario("s.yaml", changed, kFolder);
      if (loaded.good()) continue;
      const Diagnostic diagnostic = loaded.diagnostics.sorted().front();
      if (diagnostic.at.line < line) {
        FAIL_CHECK(entry.path().filename().string()
                   << ": deleting character " << at << " of line " << line
                   << " is reported at line " << diagnostic.at.line << ": " << diagnostic.message);
      }
    }
  }
}
