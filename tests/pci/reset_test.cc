// What survives which reset: one row for each kind of state [PCIe 6.6.1, 6.6.2; PCI PM 5.4.1].
#include "rig.h"

using namespace baton;
using namespace baton::pci;
using namespace baton::pci::test;

namespace {

constexpr Bdf kPort(2, 0, 0);
constexpr std::uint16_t kPm = 0x94;

enum class Way : std::uint8_t { kFlr, kHot, kWake, kWakeKeeping };

// Everything that a reset may touch, in one function.
ConfigSpace full_config(bool no_soft_reset) {
  ConfigSpace config = ConfigSpace::type0({.vendor = 0x1234, .device = 0x5678});
  config.bar64(0, 4096, true).rom(4096);
  config.add_capability(0x40, CapabilityId::kExpress,
                        {{2, 2, 0x0002}, {4, 4, 0x10008002}, {8, 2, 0x2810}, {0x24, 4, 0x800}},
                        0x3C);
  config.add_capability(0x80, CapabilityId::kMsix, {{2, 2, 2}, {4, 4, 0x800}, {8, 4, 0xC00}});
  config.add_capability(0x90, CapabilityId::kPowerManagement,
                        {{2, 2, 0xC803}, {4, 2, no_soft_reset ? 8U : 0U}});
  config.add_capability(0xA0, CapabilityId::kMsi, {{2, 2, 0x0080}});
  config.add_extended_capability(0x100, ExtendedCapabilityId::kAer, 2,
                                 {{0x0C, 4, 0x00462030}, {0x14, 4, 0x2000}});
  config.add_extended_capability(0x140, ExtendedCapabilityId::kVirtualChannel, 1,
                                 {{0x14, 4, 0xFF}});
  config.add_extended_capability(0x180, ExtendedCapabilityId::kAcs, 1, {{4, 2, 0x5F}});
  config.add_extended_capability(0x190, ExtendedCapabilityId::kAts, 1, {{4, 2, 0x60}});
  config.add_extended_capability(0x1A0, ExtendedCapabilityId::kPri, 1, {});
  config.add_extended_capability(0x1B0, ExtendedCapabilityId::kPasid, 1, {{4, 2, 0x1406}});
  config.add_extended_capability(0x1C0, ExtendedCapabilityId::kAri, 1, {});
  config.add_extended_capability(0x1D0, ExtendedCapabilityId::kLtr, 1, {});
  config.add_extended_capability(0x1E0, ExtendedCapabilityId::kPtm, 1, {{4, 4, 1}});
  config.add_extended_capability(0x1F0, ExtendedCapabilityId::kTph, 1, {});
  config.add_extended_capability(0x200, ExtendedCapabilityId::kSriov, 1,
                                 {{0x0C, 2, 2}, {0x0E, 2, 2}, {0x14, 2, 1}, {0x16, 2, 1}}, 0x40);
  config.vf_bar64(0, 4096, true);
  return config;
}

struct Row {
  const char* what;
  std::uint16_t offset;
  unsigned width;
  std::uint32_t written;
  std::uint32_t fresh;  // after a reset that it does not survive
  bool survives_flr;
  bool survives_hot;
};

constexpr Row kRows[] = {
    {"Command", 0x04, 2, 0x0406, 0, false, false},
    {"BAR", 0x10, 4, 0x0010000C, 0x0000000C, false, false},
    {"ROM base", 0x30, 4, 0x00200001, 0, false, false},
    {"MSI control", 0xA2, 2, 0x0081, 0x0080, false, false},
    {"MSI address", 0xA4, 4, 0xFEE00000, 0, false, false},
    {"MSI data", 0xAC, 2, 0x0041, 0, false, false},
    {"MSI-X control", 0x82, 2, 0xC002, 0x0002, false, false},
    {"Device Control, all but the payload size", 0x48, 2, 0x580F, 0x2810, false, false},
    {"Link Control", 0x50, 2, 0x0043, 0, true, false},
    {"Device Control 2", 0x68, 2, 0x0410, 0, false, false},
    {"LTR latencies", 0x1D4, 4, 0x08010801, 0, false, false},
    {"PTM Control", 0x1E8, 4, 0x00000101, 0, false, false},
    {"TPH Control", 0x1F8, 4, 0x00000101, 0, false, false},
    {"AER mask", 0x108, 4, 0x00100000, 0, true, true},
    {"AER severity", 0x10C, 4, 0x00001000, 0x00462030, true, true},
    {"Correctable mask", 0x114, 4, 0, 0x2000, true, true},
    {"PME_En", kPm, 2, 0x0100, 0, true, true},
    {"VC resource control", 0x154, 4, 0x00000003, 0x000000FF, true, false},
    {"ATS control", 0x196, 2, 0x8000, 0, false, false},
    {"PRI control", 0x1A4, 2, 0x0001, 0, false, false},
    {"PASID control", 0x1B6, 2, 0x0001, 0, false, false},
    {"ARI control", 0x1C6, 2, 0x0010, 0, false, false},
    {"ACS control", 0x186, 2, 0x001D, 0, false, false},
    {"SR-IOV control", 0x208, 2, 0x0008, 0, false, false},
    {"VF BAR", 0x224, 4, 0x0030000C, 0x0000000C, false, false},
};

struct Bench : Switch {
  Probe* full = nullptr;
  explicit Bench(bool no_soft_reset) {
    static_cast<void>(fabric.remove(*probe[0]));
    auto owned = std::make_unique<Probe>(simulation, "full", full_config(no_soft_reset));
    full = owned.get();
    fabric.add(down[0]->secondary_bus(), 0, 0, std::move(owned));
  }
  void put(const Row& row) { write(Bdf(3, 0, 0), row.offset, row.width, row.written); }
  std::uint32_t get(const Row& row) { return full->config().get(row.offset, row.width); }
  void reset(Way way) {
    switch (way) {
      case Way::kFlr:
        write(Bdf(3, 0, 0), 0x48, 2, 0x8000 | full->config().get(0x48, 2));
        return;
      case Way::kHot:
        write(kPort, 0x3E, 2, 0x40);
        write(kPort, 0x3E, 2, 0);
        return;
      case Way::kWake:
      case Way::kWakeKeeping: {
        const std::uint32_t control = full->config().get(kPm, 2);
        write(Bdf(3, 0, 0), kPm, 2, control | 3);
        write(Bdf(3, 0, 0), kPm, 2, control);
        return;
      }
    }
  }
};

}  // namespace

TEST_CASE("each register survives the resets that it is said to survive") {
  for (const Way way : {Way::kFlr, Way::kHot, Way::kWake, Way::kWakeKeeping}) {
    for (const Row& row : kRows) {
      Bench host(way == Way::kWakeKeeping);
      host.put(row);
      // No_Soft_Reset and Multiple Message Capable are read only: what was written shows otherwise.
      const std::uint32_t before = host.get(row);
      INFO(row.what << ", way " << static_cast<int>(way));
      REQUIRE(before != row.fresh);
      host.reset(way);
      const bool survives =
          way == Way::kWakeKeeping || (way == Way::kHot ? row.survives_hot : row.survives_flr);
      CHECK(host.get(row) == (survives ? before : row.fresh));
    }
  }
}

TEST_CASE("Max_Payload_Size alone of Device Control survives a function level reset") {
  Bench host(false);
  host.write(Bdf(3, 0, 0), 0x48, 2, 0x584F);
  host.reset(Way::kFlr);
  CHECK(host.read(Bdf(3, 0, 0), 0x48, 2) == 0x2850);
  host.reset(Way::kHot);
  CHECK(host.read(Bdf(3, 0, 0), 0x48, 2) == 0x2810);
}

TEST_CASE("the captured id survives what does not reset the link") {
  for (const Way way : {Way::kFlr, Way::kHot, Way::kWake, Way::kWakeKeeping}) {
    Bench host(way == Way::kWakeKeeping);
    host.write(Bdf(3, 0, 0), 0x3C, 1, 0);
    host.reset(way);
    CHECK(host.full->requester_id() == (way == Way::kHot ? Bdf(0, 0, 0) : Bdf(3, 0, 0)));
  }
}

TEST_CASE("ids stay, MSI-X vectors are masked again, the device forgets what it did") {
  for (const Way way : {Way::kFlr, Way::kHot, Way::kWake}) {
    Bench host(false);
    host.write(Bdf(3, 0, 0), 0x10, 4, static_cast<std::uint32_t>(Switch::kBar[0]));
    host.write(Bdf(3, 0, 0), 0x14, 4, static_cast<std::uint32_t>(Switch::kBar[0] >> 32));
    host.write(Bdf(3, 0, 0), 0x04, 2, 6);
    const std::array<std::byte, 4> unmasked{};
    host.fabric.cpu_write(PhysAddr(Switch::kBar[0] + 0x80C), unmasked);
    host.reset(way);
    CHECK(host.full->resets.size() == 1);
    CHECK(host.full->config().get(0, 4) == 0x56781234);
    std::array<std::byte, 4> control{};
    host.full->bar_read({0, 0x80C}, control);
    CHECK(control[0] == std::byte{1});
  }
}
