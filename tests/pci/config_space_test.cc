// Configuration space: masks, sizing, lists, resets [PCIe 7.5, 6.6].
#include "model/pci/config_space.h"

using namespace baton::pci;

namespace {

ConfigSpace device() {
  ConfigSpace config = ConfigSpace::type0(
      {.vendor = 0x8086, .device = 0x0B25, .class_code = 0x088000, .command_writable = 0x0146});
  config.bar64(0, 0x10000, true).bar64(2, 1ULL << 33, true);
  config.add_capability(0x40, CapabilityId::kExpress,
                        {{2, 2, 0x0092}, {4, 4, 0x10008022}, {8, 2, 0x2910}});
  config.add_capability(0x80, CapabilityId::kMsix, {{2, 2, 8}, {4, 4, 0x2000}, {8, 4, 0x3000}});
  config.add_extended_capability(0x100, ExtendedCapabilityId::kAer, 2, {{8, 4, 0x00400000}});
  config.add_extended_capability(0x220, ExtendedCapabilityId::kAts, 1, {{4, 2, 0x60}});
  return config;
}

}  // namespace

TEST_CASE("writes change exactly the bits that the field rows let them change") {
  ConfigSpace config = device();
  config.write(0x00, 4, 0);
  CHECK(config.read(0x00, 4) == 0x0B258086);
  config.write(0x04, 2, 0xFFFF);
  CHECK(config.read(0x04, 2) == 0x0146);
  CHECK(config.read(0x08, 4) == 0x08800000);
  config.write(0x82, 2, 0xFFFF);
  CHECK(config.read(0x82, 2) == 0xC008);
  config.write(0x44, 4, 0);
  CHECK(config.read(0x44, 4) == 0x10008022);
  config.write(0x48, 2, 0x8000);
  CHECK(config.read(0x48, 2) == 0);  // Initiate FLR reads as zero
}

TEST_CASE("status bits clear where a one is written") {
  ConfigSpace config = device();
  config.set(0x06, 2, 0xF910);
  config.write(0x06, 2, 0x2000);
  CHECK(config.read(0x06, 2) == 0xD910);
  config.write(0x06, 2, 0xFFFF);
  CHECK(config.read(0x06, 2) == 0x0010);
}

TEST_CASE("a BAR sizes as hardware does [PCIe 7.5.1.2.1]") {
  ConfigSpace config = device();
  config.write(0x10, 4, 0xFFFFFFFF);
  config.write(0x14, 4, 0xFFFFFFFF);
  CHECK(config.read(0x10, 4) == 0xFFFF000C);
  CHECK(config.read(0x14, 4) == 0xFFFFFFFF);
  config.write(0x18, 4, 0xFFFFFFFF);
  config.write(0x1C, 4, 0xFFFFFFFF);
  CHECK(config.read(0x18, 4) == 0x0000000C);
  CHECK(config.read(0x1C, 4) == 0xFFFFFFFE);
  config.write(0x20, 4, 0xFFFFFFFF);
  CHECK(config.read(0x20, 4) == 0);
  config.write(0x10, 4, 0x12345678);
  config.write(0x14, 4, 0x9A);
  CHECK(config.bar_address(0) == 0x9A12340000);
}

TEST_CASE("I/O and ROM registers size, and the ROM keeps its enable bit apart") {
  ConfigSpace config = ConfigSpace::type0({.vendor = 1});
  config.bar_io(1, 32).rom(0x10000).bar32(0, 0x1000, false);
  config.write(0x14, 4, 0xFFFFFFFF);
  CHECK(config.read(0x14, 4) == 0xFFFFFFE1);
  config.write(0x30, 4, 0xFFFFF800);
  CHECK(config.read(0x30, 4) == 0xFFFF0000);
  config.write(0x10, 4, 0xFFFFFFFF);
  CHECK(config.read(0x10, 4) == 0xFFFFF000);
}

TEST_CASE("capabilities are linked in the order of their adding") {
  const ConfigSpace config = device();
  CHECK(config.size() == 4096);
  CHECK((config.get(0x06, 2) & 0x10) != 0);
  CHECK(config.get(0x34, 1) == 0x40);
  CHECK(config.get(0x40, 2) == 0x8010);
  CHECK(config.get(0x80, 2) == 0x0011);
  CHECK(config.get(0x100, 4) == 0x22020001);
  CHECK(config.get(0x220, 4) == 0x0001000F);
  CHECK(config.find(CapabilityId::kMsix) == 0x80);
  CHECK(config.find(CapabilityId::kMsi) == 0);
  CHECK(config.find(ExtendedCapabilityId::kAts) == 0x220);
  CHECK(config.find(ExtendedCapabilityId::kPri) == 0);
}

TEST_CASE("a function without extended space answers all ones beyond 256 bytes") {
  ConfigSpace config = ConfigSpace::type0({.vendor = 1});
  CHECK(config.read(0x100, 4) == 0xFFFFFFFF);
  CHECK(config.read(0x100, 2) == 0xFFFF);
  config.write(0x100, 4, 1);
  CHECK(config.size() == 256);
}

TEST_CASE(
    "function level reset keeps payload size and sticky error state, a hot reset the latter") {
  ConfigSpace config = device();
  config.write(0x04, 2, 0x0006);
  config.write(0x48, 2, 0x2950);  // Max_Payload_Size 2
  config.write(0x108, 4, 0x00100000);
  config.write(0x226, 2, 0x8000);
  config.write(0x10, 4, 0x10000000);
  config.reset(ResetKind::kFunctionLevel);
  CHECK(config.read(0x04, 2) == 0);
  CHECK(config.read(0x48, 2) == 0x2950);
  CHECK(config.read(0x108, 4) == 0x00100000);
  CHECK(config.read(0x226, 2) == 0);
  CHECK(config.read(0x10, 4) == 0xC);
  config.reset(ResetKind::kHot);
  CHECK(config.read(0x48, 2) == 0x2910);
  CHECK(config.read(0x108, 4) == 0x00100000);
  config.reset(ResetKind::kPowerOn);
  CHECK(config.read(0x108, 4) == 0x00400000);
}

TEST_CASE("a register that a port type lacks is read only") {
  ConfigSpace config = ConfigSpace::type0({.vendor = 1});
  config.add_capability(0x40, CapabilityId::kExpress, {{2, 2, 0x0092}});
  config.write(0x50, 2, 0xFFFF);  // Link Control of an integrated endpoint
  CHECK(config.read(0x50, 2) == 0);
  config.write(0x68, 2, 0x0400);
  CHECK(config.read(0x68, 2) == 0x0400);
}

TEST_CASE("registers have the names of the specification") {
  const ConfigSpace config = device();
  CHECK(config.register_name(0x04) == "Command");
  CHECK(config.register_name(0x14) == "Base Address Register");
  CHECK(config.register_name(0x82) == "Message Control");
  CHECK(config.register_name(0x226) == "ATS Control");
  CHECK(config.register_name(0x60) == "");
}
