// The defect matrix: quickstart with each defect in every kernel. A defect that nothing catches and
// an invariant that nothing fires are failures: then the checkers prove nothing.

#include <algorithm>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "harness/report/text_report.h"
#include "harness/run/host_builder.h"
#include "harness/run/run.h"
#include "harness/scenario/invariant_rows.h"
#include "tests/scenarios/luo_defects.h"
#include "tests/scenarios/stage_defects.h"
#include "tests/support/source_dir.h"

using namespace baton;
using namespace baton::harness;

namespace {

const std::string kFolder = testing::source_dir() + "/scenarios";

std::string scenario_text(std::string_view name) {
  std::ifstream stream(fmt::format("{}/{}.yaml", kFolder, name));
  std::ostringstream content;
  content << stream.rdbuf();
  return content.str();
}

// Paths of the folder's scenarios are written for a file one folder below.
std::string folder_text(std::string_view name) {
  std::string text = scenario_text(name);
  const std::size_t at = text.find("../hosts");
  return at == std::string::npos ? text : text.erase(at, 3);
}

std::string hazard_text(std::string_view name) {
  return folder_text(fmt::format("hazards/{}", name));
}

std::string quickstart() { return scenario_text("quickstart"); }

// What these defects spoil is there only above a device behind a port.
bool needs_port(std::string_view defect) {
  return defect == "pci-clear-bridge-bus-master" || defect == "pci-probe-windows" ||
         defect == "pci-renumber-buses" || defect == "pci-reset-bus" || defect == "pci-clear-acs";
}

// Those of interrupts need entries, descriptors or notes to spoil.
std::string_view interrupt_scenario(std::string_view defect) {
  if (defect == "iommu-entry-wrong-vector") return "quickstart-remapped";
  if (defect == "iommu-skip-entry-flush") return "interrupts/dropped-by-entries";
  if (defect == "irq-skip-descriptors" || defect == "irq-skip-scan") return "interrupts/captured";
  return defect == "irq-forget-noted" ? "interrupts/remembered" : "";
}

const std::map<std::string_view, std::string_view> kVfioScenarios{
    {"iommu-skip-second-device", "three-devices"},
    {"iommu-preserve-shared-group", "group-siblings"},
    {"vfio-cdev-beside-group", "group-and-cdev"},
    {"vfio-group-keeps-owner", "group-and-cdev"},
    {"vfio-preserve-group-file", "uapi-type1"},
    {"vfio-group-opens-incoming", "kexec-group-busy"},
    {"vfio-lose-pm-save", "asleep"},
    {"vfio-forget-request", "asked-to-go"},
    {"vfio-ignore-gone", "pulled-before-freeze"},
};

// Most defects show in quickstart. One domain has no second one whose translations its id could mix
// up with, and one device nobody to be mixed up with: these have scenarios with two VMs.
std::string scenario_with(std::string_view defect) {
  if (defect == "iommu-reuse-domain-id") return scenario_text("domain-id-reused");
  // Two domains with one bus number each.
  if (defect == "pci-truncate-domain") {
    std::string text = scenario_text("device-keys/domain-lost");
    return text.erase(text.find("../hosts"), 3);
  }
  // Somebody must want the group.
  if (defect == "iommu-open-groups") {
    std::string text = scenario_text("driver-binding/built-in-clobbers");
    return text.erase(text.find("../hosts"), 3);
  }
  // It needs somebody who uses a BAR, and one more who knows where it was.
  if (defect == "pci-move-bars") return hazard_text("vcpu-loses-bar");
  // Ports of the other hosts have the smallest payload already.
  if (defect == "pci-lower-payload") return hazard_text("payload-lowered");
  // These need large folios, an undo, or a folio that is missing.
  if (defect == "memfd-large-as-small") return folder_text("kho/large-as-small");
  if (defect == "kho-vmalloc-unset-order") return folder_text("kho/unset-order");
  if (defect == "memfd-ignore-late-failure") return folder_text("kho/late-failure");
  if (defect == "pci-disable-pasid") return hazard_text("pasid-disabled");
  // These need groups, several devices, or a device in a state of its own.
  if (const auto found = kVfioScenarios.find(defect); found != kVfioScenarios.end()) {
    std::string text = folder_text(fmt::format("vfio/{}", found->second));
    const std::size_t vms = text.find("\nvms:");
    const std::size_t at = vms == std::string::npos ? text.find("\nprocesses:") : vms;
    return text.insert(at + 1, fmt::format("defects: [{}]\n", defect));
  }
  // The entry exists in scalable mode alone.
  if (defect == "iommu-torn-pasid-entry") return scenario_text("torn-pasid-entry");
  const std::string_view interrupts = interrupt_scenario(defect);
  std::string text = defect == "vfio-retrieve-first" ? scenario_text("two-vms")
                     : needs_port(defect)            ? scenario_text("nvme-behind-a-switch")
                     : interrupts.contains('/')      ? folder_text(interrupts)
                     : !interrupts.empty()           ? scenario_text(interrupts)
                                                     : quickstart();
  return text.insert(text.find("\nvms:") + 1, fmt::format("defects: [{}]\n", defect));
}

std::set<std::string> fired_in(const Loaded& loaded) {
  INFO(loaded.errors());
  REQUIRE(loaded.good());
  std::set<std::string> fired;
  for (const InvariantVerdict& verdict : run_scenario(loaded, {}).verdicts) {
    if (verdict.violations != 0) fired.insert(verdict.id);
  }
  return fired;
}

// The two that compare with a second run are judged where they are named.
std::set<std::string> fired_in_comparison(std::string_view defect) {
  std::string text = scenario_text("unaware");
  text.insert(text.find("\nvms:") + 1, fmt::format("defects: [{}]\n", defect));
  const Loaded loaded = check_scenario_text("unaware.yaml", text, kFolder);
  return fired_in(loaded);
}

// Which invariants a defect fires.
std::set<std::string> fired_by(std::string_view defect) {
  const testing::LuoDefect* luo = testing::luo_defect(defect);
  const testing::StageDefect* stage = testing::stage_defect(defect);
  const Loaded loaded =
      luo != nullptr     ? testing::load_luo(luo->scenario, luo->with)
      : stage != nullptr ? testing::load_stage(*stage)
                         : check_scenario_text("quickstart.yaml", scenario_with(defect), kFolder);
  return fired_in(loaded);
}

}  // namespace

TEST_CASE("every defect is caught, and every invariant is fired by the defect it names") {
  std::map<std::string, std::set<std::string>> matrix;
  for (const linux::DefectRow& row : linux::defect_rows()) {
    INFO(row.id);
    const std::set<std::string> fired = fired_by(row.id);
    CHECK_FALSE(fired.empty());
    matrix.emplace(std::string(row.id), fired);
  }
  for (const InvariantRow& row : invariant_rows()) {
    INFO(row.id << " by " << row.defect);
    if (row.differential) {
      CHECK(fired_in_comparison(row.defect).contains(std::string(row.id)));
      continue;
    }
    CHECK(matrix.at(std::string(row.defect)).contains(std::string(row.id)));
  }
}

TEST_CASE("checking with the host built survives every one-character deletion of quickstart") {
  const std::string text = quickstart();
  // Comments are skipped: the first key follows them.
  for (std::size_t at = text.find("\nbaton:") + 1; at < text.size(); ++at) {
    std::string changed = text;
    changed.erase(at, 1);
    const auto line = static_cast<unsigned>(
        1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n'));
    const Loaded loaded = check_scenario_text("s.yaml", changed, kFolder);
    if (loaded.good()) continue;
    const Diagnostic first = loaded.diagnostics.sorted().front();
    if (first.at.line < line) {
      FAIL_CHECK("deleting character " << at << " of line " << line << " is reported at line "
                                       << first.at.line << ": " << first.message);
    }
  }
}
