// The scenarios of scenarios/interrupts: their interrupts add up, what their head comments say
// avoids a violation does, defects on the way are caught by irq-accounted.
#include <algorithm>
#include <filesystem>
#include <map>

#include "harness/report/text_report.h"
#include "harness/run/host_builder.h"
#include "harness/run/run.h"
#include "tests/support/source_dir.h"

using namespace baton;
using namespace baton::harness;

namespace {

const std::string kFolder = testing::source_dir() + "/scenarios/interrupts";

std::vector<std::string> files() {
  std::vector<std::string> result;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    result.push_back(entry.path().string());
  }
  std::ranges::sort(result);
  return result;
}

RunResult run(const std::string& name, std::vector<std::string> overrides = {}) {
  const Loaded loaded =
      check_scenario(fmt::format("{}/{}.yaml", kFolder, name), std::move(overrides));
  INFO(loaded.errors());
  REQUIRE(loaded.good());
  return run_scenario(loaded, {});
}

std::uint64_t measured(const RunResult& result, std::string_view id) {
  const auto found = std::ranges::find(result.measurements, id, &Measurement::id);
  REQUIRE(found != result.measurements.end());
  return found->value;
}

bool violates(const RunResult& result, std::string_view id) {
  return std::ranges::any_of(result.verdicts, [id](const InvariantVerdict& verdict) {
    return verdict.id == id && verdict.violations != 0;
  });
}

std::string avoided_with(const std::string& text) {
  constexpr std::string_view kLine = "# Avoided with: --set ";
  const std::size_t at = text.find(kLine);
  if (at == std::string::npos) return "";
  const std::size_t from = at + kLine.size();
  return text.substr(from, text.find('\n', from) - from);
}

}  // namespace

TEST_CASE("every interrupt of a run has an id and one end, and they add up") {
  std::uint64_t lost = 0;
  for (const std::string& file : files()) {
    INFO(file);
    const RunResult result = run_scenario(check_scenario(file), {});
    const std::uint64_t ends =
        measured(result, "interrupts_delivered") + measured(result, "interrupts_merged") +
        measured(result, "interrupts_lost") + measured(result, "interrupts_under_way");
    CHECK(measured(result, "interrupts_raised") == ends);
    lost += measured(result, "interrupts_lost");
  }
  CHECK(lost > 0);
}

TEST_CASE("what the head comments about interrupts say avoids the violation does") {
  unsigned found = 0;
  for (const std::string& file : files()) {
    const Loaded plain = check_scenario(file);
    const std::string set = avoided_with(plain.text);
    if (set.empty()) continue;
    ++found;
    INFO(file << ": " << set);
    const Loaded loaded = check_scenario(file, {set});
    REQUIRE(loaded.good());
    const RunResult result = run_scenario(loaded, {});
    // What comes before a kernel can note anything meets no kernel, whenever it replays.
    const bool remembers = file.find("remembered") != std::string::npos;
    for (const Expectation& expectation : plain.scenario.expect) {
      if (expectation.kind != ExpectationKind::kViolates) continue;
      for (const std::string& id : expectation.ids) {
        INFO(id);
        CHECK(violates(result, id) == (remembers && id == "irq-no-orphan"));
      }
    }
  }
  CHECK(found >= 5);
}

TEST_CASE("an interrupt that gets lost on the way through a kernel is missed by irq-accounted") {
  CHECK(violates(run("captured", {"defects=[irq-skip-scan]"}), "irq-accounted"));
  CHECK(violates(run("captured", {"defects=[irq-skip-descriptors]"}), "irq-accounted"));
  CHECK(violates(run("remembered", {"defects=[irq-forget-noted]"}), "irq-accounted"));
  CHECK(violates(run("captured", {"defects=[vfio-skip-trigger]"}), "irq-accounted"));
  CHECK(violates(run("captured", {"defects=[pci-msix-stay-masked]"}), "irq-accounted"));
  CHECK(violates(run("captured", {"defects=[iommu-entry-wrong-vector]"}), "irq-accounted"));
  CHECK(violates(run("dropped-by-entries", {"defects=[iommu-skip-entry-flush]"}), "irq-no-orphan"));
}

TEST_CASE("msi_at_boot decides about a write of enumeration") {
  const RunResult leave = run("kept");
  const RunResult clear = run("kept", {"policies.msi_at_boot=clear"});
  const RunResult adopt = run("kept", {"policies.msi_at_boot=adopt"});
  CHECK(measured(clear, "config_writes") > measured(leave, "config_writes"));
  CHECK(measured(leave, "config_writes") > measured(adopt, "config_writes"));
}

TEST_CASE("a vCPU's exit and entry are part of its guest's pause") {
  const std::uint64_t without = measured(run("captured"), "guest_pause");
  const std::uint64_t with = measured(
      run("captured", {"vms[0].vcpu_exit=300us", "vms[0].vcpu_entry=200us"}), "guest_pause");
  CHECK(with >= without + 500'000'000);
  CHECK(with < without + 600'000'000);
}

TEST_CASE("reinject none keeps from the guest what the kernel found") {
  const RunResult told = run("captured-one-of-many");
  const RunResult untold = run("captured-one-of-many", {"policies.reinject=none"});
  CHECK(violates(untold, "irq-accounted"));
  CHECK(measured(untold, "interrupts_lost") > 0);
  CHECK(measured(untold, "guest_batches") < measured(told, "guest_batches"));
}

TEST_CASE("what the policies need is said where it is missing") {
  struct Case {
    std::vector<std::string> set;
    const char* says;
  };
  const std::array cases{
      Case{{"machine.iommu.interrupt_remapping=false"}, "there are no remapping entries"},
      Case{{"machine.iommu.posted_interrupts=false"}, "do not post interrupts"},
      Case{{"policies.interrupt_table=new"}, "nobody finds what is captured"},
      Case{{"policies.interrupts=keep"}, "nobody knows which interrupts are pending"},
      Case{{"policies.interrupts=disable-in-freeze", "policies.reinject=none",
            "policies.msi_at_boot=adopt"},
           "the interrupts are off by then"},
      Case{{"policies.interrupts=keep", "policies.reinject=none", "policies.msi_at_boot=adopt",
            "policies.interrupt_table=new"},
           "the entries that messages name are gone"},
      Case{{"policies.interrupt_replay=before-iommu"}, "nothing is noted"},
      Case{{"machine.iommu.profile=alder-lake"}, "alder-lake does not post interrupts"},
      Case{{"vms[0].workload.completions=every-edge", "vms[0].workload.timer=1ms"},
           "a guest that needs every edge has none"},
      Case{{"vms[0].workload.batches=128"}, "so many do not fit"},
  };
  for (const Case& item : cases) {
    INFO(item.says);
    const Loaded loaded = check_scenario(kFolder + "/captured.yaml", item.set);
    CHECK_FALSE(loaded.good());
    CHECK(loaded.errors().find(item.says) != std::string::npos);
  }
}
