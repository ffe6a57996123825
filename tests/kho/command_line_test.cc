// Parameters of KHO and where they put scratch [linux kernel/liveupdate/kexec_handover.c].
#include "model/kho/command_line.h"

#include "model/kho/scratch.h"

namespace {

using namespace baton;

constexpr std::uint64_t kMiB = 1 << 20;

host::MemoryMap two_holes() {
  host::MemoryMap map;
  map.entries = {
      {{PhysAddr(0), 0xA0000}, host::MemoryType::kRam},
      {{PhysAddr(kMiB), 255 * kMiB}, host::MemoryType::kRam},
      {{PhysAddr(0x1'0000'0000), 768 * kMiB}, host::MemoryType::kRam},
  };
  return map;
}

}  // namespace

TEST_CASE("boolean parameters are read as kstrtobool reads them, the last one wins") {
  CHECK(kho::flag("quiet kho=on", "kho") == true);
  CHECK(kho::flag("kho=1 kho=off", "kho") == false);
  CHECK(kho::flag("kho=n", "kho") == false);
  CHECK(kho::flag("kho=Yes", "kho") == true);
  CHECK(kho::flag("kho", "kho") == std::nullopt);
  CHECK(kho::flag("kho=maybe", "kho") == std::nullopt);
  CHECK(kho::flag("xkho=on", "kho") == std::nullopt);
  CHECK(kho::flag("", "liveupdate") == std::nullopt);
}

TEST_CASE("kho_scratch takes a scale in percent or three sizes and refuses anything else") {
  CHECK(kho::parse_scratch_sizing("150%")->scale_percent == 150);
  const auto sizes = kho::parse_scratch_sizing("16M,1G,0x200K");
  REQUIRE(sizes);
  CHECK(sizes->scale_percent == 0);
  CHECK(sizes->lowmem == 16 * kMiB);
  CHECK(sizes->global == 1024 * kMiB);
  CHECK(sizes->per_node == 512 * 1024);
  CHECK(kho::parse_scratch_sizing("0,0,8M"));
  for (const char* bad : {"", "%", "16M", "16M,16M", "16M,16M,16M,16M", "16M,16M,16Mx", "0,0,0",
                          "16M 16M 16M", "1000000000000%", "-1%"}) {
    CAPTURE(bad);
    CHECK(!kho::parse_scratch_sizing(bad));
  }
}

TEST_CASE("scratch areas are aligned, disjoint, in RAM, and the first lies below 4 GiB") {
  const host::MemoryMap map = two_holes();
  const auto areas = kho::choose_scratch(map, kho::ScratchSizing{0, 5 * kMiB, 64 * kMiB, kMiB});
  REQUIRE(areas);
  REQUIRE(areas->size() == 3);
  CHECK((*areas)[0].length == 8 * kMiB);
  CHECK((*areas)[1].length == 64 * kMiB);
  CHECK((*areas)[2].length == 4 * kMiB);
  CHECK((*areas)[0].end().value() <= 0x1'0000'0000);
  for (const sim::PhysRange& area : *areas) {
    CHECK(area.start.value() % kho::kScratchAlignment == 0);
    CHECK(map.is_ram(area.start));
    CHECK(map.is_ram(area.start + (area.length - 1)));
  }
  CHECK((*areas)[2].end() <= (*areas)[1].start);
}

TEST_CASE("scratch that does not fit, and scratch of size zero") {
  const host::MemoryMap map = two_holes();
  CHECK(!kho::choose_scratch(map, kho::ScratchSizing{0, 300 * kMiB, kMiB, kMiB}));
  const auto areas = kho::choose_scratch(map, kho::ScratchSizing{0, 16 * kMiB, 0, 16 * kMiB});
  REQUIRE(areas);
  CHECK((*areas)[1] == sim::PhysRange{PhysAddr(0), 0});
}

TEST_CASE("default scratch is twice what the kernel reserves") {
  const auto areas = kho::choose_scratch(two_holes(), kho::ScratchSizing{});
  REQUIRE(areas);
  // 48 MiB low; with struct page 48 + 1023.6 / 64 MiB in all.
  CHECK((*areas)[0].length == 96 * kMiB);
  CHECK((*areas)[2].length == 128 * kMiB);
  CHECK((*areas)[1].length == 32 * kMiB);
}
