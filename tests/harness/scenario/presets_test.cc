// Presets, pieces of a kernel's own, and what goes together.

#include "harness/scenario/presets.h"

#include "harness/scenario/scenario.h"
#include "harness/scenario/schema.h"

using namespace baton;
using namespace baton::harness;

namespace {

Loaded load(const std::string& kernels, const std::string& more = "") {
  return parse_scenario("s.yaml",
                        "baton: 1\ntitle: t\nmachine: {topology: {lspci: hosts/flat.lspci}}\n" +
                            more + "kernels:\n  - " + kernels + "\nexpect: [{holds: all}]\n",
                        "scenarios");
}

bool promises(const Loaded& loaded, std::string_view id) {
  return std::ranges::count(loaded.scenario.expect.front().ids, id) != 0;
}

}  // namespace

TEST_CASE("a preset chooses pieces and policies, and a kernel may choose pieces beside it") {
  const Loaded next = load("{preset: next}");
  INFO(next.errors());
  REQUIRE(next.good());
  const linux::KernelConfig& config = next.scenario.kernels.front().config;
  CHECK(config.pieces.vfio == linux::VfioLiveUpdate::kV5);
  CHECK(config.pieces.iommu == linux::IommuLiveUpdate::kV5);
  CHECK(config.policies.interrupts == linux::InterruptPolicy::kRequireDisabled);
  CHECK(config.policies.cancel_after_freeze == linux::CancelAfterFreeze::kFdDead);
  const Loaded alone = load("{preset: next, iommu: none}");
  REQUIRE(alone.good());
  CHECK(alone.scenario.kernels.front().pieces == "iommu none");
  CHECK_FALSE(alone.scenario.kernels.front().chimera);
  const Loaded mainline = load("{preset: v7.2}");
  REQUIRE(mainline.good());
  CHECK(mainline.scenario.kernels.front().config.pieces.pci == linux::PciLiveUpdate::kNone);
}

TEST_CASE("pieces that nobody had together are refused, unless the scenario says chimera") {
  const Loaded refused = load("{preset: vision, iommu: v5}");
  CHECK(refused.errors().find("no kernel and no series had these pieces together") !=
        std::string::npos);
  CHECK(refused.errors().find("chimera: true") != std::string::npos);
  const Loaded allowed = load("{preset: vision, iommu: v5}", "chimera: true\n");
  INFO(allowed.errors());
  REQUIRE(allowed.good());
  CHECK(allowed.scenario.kernels.front().chimera);
  // What a piece needs it needs in a chimera too.
  const Loaded missing = load("{preset: next, pci: none}", "chimera: true\n");
  CHECK(missing.errors().find("vfio v5 needs pci v9") != std::string::npos);
}

TEST_CASE(
    "an alternative that a kernel's pieces cannot implement is refused, and the piece named") {
  const Loaded one = load("{preset: next, policies: {restore_failure: continue}}");
  CHECK(one.errors().find("restore_failure: continue needs iommu phase2") != std::string::npos);
  CHECK(one.errors().find("kernel 0, preset next, has iommu v5") != std::string::npos);
  const Loaded top = load("{preset: next}", "policies: {interrupts: disable-in-freeze}\n");
  CHECK(top.errors().find("interrupts: disable-in-freeze needs vfio running") != std::string::npos);
  CHECK(load("{preset: vision}", "policies: {interrupts: disable-in-freeze}\n").good());
  CHECK(load("{preset: next}", "policies: {interrupts: require-disabled}\n").good());
}

TEST_CASE("holds: all stands for what every kernel of the scenario promises") {
  const Loaded vision = load("{preset: vision}");
  CHECK(promises(vision, "no-reset"));
  CHECK(promises(vision, "session-complete"));
  const Loaded next = load("{preset: next}");
  CHECK_FALSE(promises(next, "no-reset"));
  CHECK_FALSE(promises(next, "session-complete"));
  CHECK(promises(next, "isolation"));
  CHECK(promises(load("{preset: next, iommu: none}"), "session-complete"));
}

TEST_CASE("check --expand shows the policies of the preset, with each kernel where they differ") {
  const std::string next = expand(load("{preset: next}"));
  CHECK(next.find("  interrupts: require-disabled") != std::string::npos);
  CHECK(next.find("# preset next") != std::string::npos);
  CHECK(next.find("# preset vision") == std::string::npos);
  const std::string two = expand(load("{preset: next}\n  - {preset: vision}"));
  CHECK(two.find("# preset next") != std::string::npos);
  CHECK(two.find("# preset vision") != std::string::npos);
  CHECK(two.find("\n  interrupts:") == std::string::npos);
  CHECK(two.find("\n    interrupts: require-disabled") != std::string::npos);
}

TEST_CASE("every policy of a scenario has a name for what each preset chooses") {
  for (const KeyRow* row : rows_below("policies")) {
    INFO(row->path);
    for (const PresetConfig& preset : preset_configs()) {
      const bool named = !policy_text(preset.policies, last_part(row->path)).empty();
      CHECK((named || !row->fallback.empty()));
    }
  }
  CHECK(preset_rows().size() == preset_configs().size());
}
