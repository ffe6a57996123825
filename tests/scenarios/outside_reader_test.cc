// An outside reader walks from the core file and the JSON of a handover to every preserved byte:
// no rule of the ABIs is broken, no preserved block is left over, nothing it reads is unpreserved.
// It shares no code with baton. That it sees what is wrong is tested too.
#include "tests/scenarios/outside/handover.h"

using outside::Handover;
using outside::read_all;
using outside::world_of;

namespace {

void check_handover(const std::string& scenario, const std::string& when,
                    const std::vector<std::string>& changes = {}) {
  INFO(scenario << " at " << when);
  outside::World world = world_of(Handover(scenario, when, changes));
  read_all(world);
  for (std::size_t i = 0; i < std::min<std::size_t>(world.errors.size(), 10); ++i) {
    FAIL_CHECK(world.errors[i]);
  }
  CHECK(world.keys.size() > 100);
}

}  // namespace

TEST_CASE("an outside reader accounts for every preserved block, and every rule holds") {
  for (const char* scenario :
       {"quickstart", "quickstart-scalable", "quickstart-remapped", "two-vms", "two-units",
        "nvme-behind-a-switch", "device-keys/cards-exchanged-path", "hazards/peer-to-peer"}) {
    check_handover(scenario, "kexec");
  }
}

TEST_CASE("an outside reader finds every handover of a chain whole") {
  for (const char* when : {"kexec#0", "kexec#1", "kexec#2"}) {
    check_handover("three-kexecs", when);
  }
}

TEST_CASE("an outside reader follows guest memory in 2 MiB folios") {
  const std::string line = "kernels[0].cmdline=transparent_hugepage_shmem=";
  check_handover("quickstart", "kexec", {line + "within_size"});
  check_handover("quickstart", "kexec", {line + "always"});
}

TEST_CASE("an outside reader sees what is wrong with a handover") {
  const Handover handover("quickstart", "kexec");
  outside::World sound = world_of(handover);
  read_all(sound);
  CHECK(sound.errors.empty());
  const auto owned = [&](std::string_view owner) {
    for (const auto& [start, key] : sound.keys) {
      if (key.owner.starts_with(owner)) return start;
    }
    FAIL("nobody owns " << owner);
    return outside::Word{0};
  };
  const auto at_unit = owned("iommu_hw_ser") + 16;
  const auto complaint = [&](outside::Word at, outside::Word value, unsigned width) {
    outside::World world = world_of(handover);
    world.image.patch(at, value, width);
    read_all(world);
    return world.errors.empty() ? std::string("nothing") : world.errors.front();
  };
  struct Change {
    outside::Word at;
    outside::Word value;
    unsigned width;
    std::string_view told;
  };
  const outside::Word tree = sound.tree_pages.back();
  const outside::Word session = owned("sessions") + 16;
  const outside::Word record = owned("iommu_device_ser") + 16;
  const outside::Word domain = owned("iommu_domain_ser") + 16;
  const outside::Word pci = owned("pci_dev_ser") + 16;
  const outside::Word memfd = sound.files.front().data;
  const std::vector<Change> changes{
      {owned("root FDT"), 0, 4, "no FDT"},
      {owned("root FDT") + 4000, 1, 1, "not zero"},
      {sound.told("scratch"), 0x1000, 8, "scratch area 0"},
      {sound.told("scratch") + 16, sound.image.word(sound.told("scratch")), 8, "overlap"},
      {tree, sound.image.word(tree) ^ 0xFF00, 8, ""},
      {owned("kexec-metadata"), 2, 4, "kexec-metadata"},
      {owned("struct luo_ser") + 5, '6', 1, "luo-v5"},
      {owned("FLB page") + 16 + 56, 7, 8, "counts 7"},
      {session, 0, 1, "not terminated"},
      {session + 72, 9, 8, "claims 9 files"},
      {session - 8, 0, 8, "has 0 entries"},
      {memfd + 20, 1, 4, "flags are not 0"},
      {memfd + 44, 3, 2, "vmalloc descriptor"},
      {memfd + 60, 1, 1, "not zero"},
      {memfd + 24, sound.image.word(memfd + 24) - 1, 8, "vmalloc descriptor"},
      {pci + 6, 3, 2, "not those of the preserved"},
      {owned("struct pci_ser"), 1, 4, "version 1"},
      {owned("iommu_flb_ser"), 2, 8, "version 2"},
      {at_unit, 5, 4, "counts 5 devices"},
      {at_unit + 40, 0x1000, 8, "its record says"},
      {at_unit + 48, 0, 8, "present or marked"},
      {domain + 16, 5, 8, "levels"},
      {domain + 29, 1, 8, "restored already"},
      {domain + 28, 1, 1, ""},
      {record + 24, 0x1000, 8, "no live domain"},
      {record + 40, 0x999, 8, "of no iommufd"},
      {record + 8, 0x1234, 4, ""},
      {record + 16, 99, 8, "differ"},
      {owned("page table"), 0, 8, ""},
  };
  for (const Change& change : changes) {
    INFO(fmt::format("{:#x} = {:#x}", change.at, change.value));
    const std::string said = complaint(change.at, change.value, change.width);
    CHECK(said != "nothing");
    CHECK_THAT(said, Catch::Contains(std::string(change.told)));
  }
}
