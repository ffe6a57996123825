// The dump parser and the imported topology, on measured dumps (Debian 6.1.192 on QEMU q35, one of
// powerpc64le with two domains).
#include <map>

#include "rig.h"
#include "sim/random.h"

using namespace baton;
using namespace baton::pci;
using namespace baton::pci::test;

namespace {

constexpr const char* kDumps[] = {
    "t01-flat.lspci",      "t03-switch.lspci",          "t03-switch.D.lspci",
    "t03-switch.vv.lspci", "t05-hotplug-reserve.lspci", "t06-multifunction.lspci",
    "ppc-2domains.lspci",  "ppc-2domains.D.lspci"};

DumpError error_of(const std::string& text) {
  const auto dump = parse_lspci(text);
  REQUIRE_FALSE(dump.has_value());
  return dump.error();
}

std::string zero_rows(unsigned from = 0) {
  std::string rows;
  for (unsigned offset = from; offset < 256; offset += 16) {
    rows += fmt::format("{:02x}:", offset);
    for (int i = 0; i < 16; ++i) rows += " 00";
    rows += "\n";
  }
  return rows;
}

struct Host {
  sim::Simulation simulation{1};
  FlatRam ram;
  Fabric fabric{simulation, ram, FabricTiming{}};
};

}  // namespace

TEST_CASE("an imported host equals its dump byte for byte, at the same addresses") {
  const std::map<std::string, std::size_t> counts = {{"t01-flat.lspci", 10},
                                                     {"t03-switch.lspci", 18},
                                                     {"t05-hotplug-reserve.lspci", 10},
                                                     {"t06-multifunction.lspci", 19},
                                                     {"ppc-2domains.lspci", 7}};
  for (const char* name : kDumps) {
    INFO(name);
    const auto dump = parse_lspci(file_text(name));
    REQUIRE(dump.has_value());
    if (counts.contains(name)) CHECK(dump->functions.size() == counts.at(name));
    Host host;
    REQUIRE(import_topology(host.simulation, host.fabric, *dump).has_value());
    CHECK(host.fabric.functions().size() == dump->functions.size());
    for (const DumpedFunction& dumped : dump->functions) {
      INFO(to_string(dumped.address));
      const Function* function = host.fabric.find(dumped.address);
      REQUIRE(function != nullptr);
      CHECK(function->location() == dumped.address);
      CHECK(function->requester_id() == dumped.address.bdf);
      CHECK(std::ranges::equal(function->config().bytes(), dumped.bytes));
      for (unsigned i = 0; i < dumped.bytes.size(); i += 4) {
        const auto at = static_cast<std::uint16_t>(i);
        CHECK(host.fabric.config_read(dumped.address, at, 4) == function->config().get(at, 4));
      }
    }
  }
}

TEST_CASE("writing back what was read changes nothing but write-one-to-clear bits") {
  const auto dump = parse_lspci(file_text("t03-switch.lspci"));
  REQUIRE(dump.has_value());
  Host host;
  REQUIRE(import_topology(host.simulation, host.fabric, *dump).has_value());
  for (Function* function : host.fabric.functions()) {
    for (std::uint16_t at = 0x10; at < 0x34; at = static_cast<std::uint16_t>(at + 4)) {
      const std::uint32_t value = function->config_read(at, 4);
      function->config_write(at, 4, value & 0xFFFFFFFF, function->location().bdf);
      if (!(function->config().is_bridge() && at == 0x1C))
        CHECK(function->config_read(at, 4) == value);
    }
  }
}

TEST_CASE("BAR sizes come from -vv text where there is any, and are marked as assumed elsewhere") {
  for (const char* name : {"t03-switch.vv.lspci", "t03-switch.lspci"}) {
    const auto dump = parse_lspci(file_text(name));
    REQUIRE(dump.has_value());
    Host host;
    REQUIRE(import_topology(host.simulation, host.fabric, *dump).has_value());
    const bool told = std::string_view(name) == "t03-switch.vv.lspci";
    const Function* edu = host.fabric.find(Sbdf{0, Bdf(3, 0, 0)});
    const Function* nvme = host.fabric.find(Sbdf{0, Bdf(8, 0, 0)});
    CHECK(edu->config().bar(0).size == (told ? 1 << 20 : 2 << 20));  // its window has 2 MiB
    CHECK(edu->config().bar(0).assumed == !told);
    CHECK(nvme->config().bar(0).kind == BarKind::kMemory64);
    CHECK(nvme->config().bar(0).size >= 16384);
    if (told) CHECK(nvme->config().bar(0).size == 16384);
  }
}

TEST_CASE("each malformed dump is refused with its place") {
  CHECK(error_of("").line == 0);
  CHECK(error_of("no device here\n").expected == "the output of `lspci -xxxx`");
  const DumpError hex = error_of("00:00.0 Bridge\n00: 86 8x\n");
  CHECK(hex.line == 2);
  CHECK(hex.column == 8);
  CHECK(error_of("00:00.0 Bridge\n00: 86 80\n").message.find("2 bytes") != std::string::npos);
  CHECK(error_of("00:00.8 Bridge\n").expected == "a function from 0 to 7");
  CHECK(error_of("00:20.0 Bridge\n").line == 1);
  CHECK(error_of("10000:00:00.0 Bridge\n").message.find("domain") != std::string::npos);
  CHECK(error_of("00:00.0 Bridge\nfffff: 00\n").column == 8);
  CHECK(error_of("00:00.0 Bridge\n" + zero_rows(16)).message.find("lacks") != std::string::npos);
  const DumpError twice = error_of("00:00.0 A\n" + zero_rows() + "\n00:00.0 B\n" + zero_rows());
  CHECK(twice.line == 19);
  CHECK(error_of("00:00.0 A\n00:  86\n").column == 5);
}

TEST_CASE("text between functions and CR LF are ignored") {
  const auto dump =
      parse_lspci("# a host\r\n00:00.0 A\r\n\tKernel driver in use: x\r\n" + zero_rows() + "\r\n");
  REQUIRE(dump.has_value());
  CHECK(dump->functions[0].description == "A");
}

TEST_CASE("a topology that cannot be is refused with the line of its function") {
  auto dump = parse_lspci(file_text("t03-switch.lspci"));
  REQUIRE(dump.has_value());
  for (DumpedFunction& function : dump->functions) {
    if (function.address.bdf == Bdf(2, 0, 0)) function.bytes[0x19] = std::byte{9};
  }
  Host host;
  const auto result = import_topology(host.simulation, host.fabric, *dump);
  REQUIRE_FALSE(result.has_value());
  CHECK(result.error().line > 0);
}

TEST_CASE("mutated dumps are parsed or refused, and never break baton") {
  sim::Random random(7, "lspci-mutations");
  for (int round = 0; round < 200; ++round) {
    std::string text =
        file_text(round % 2 == 0 ? "t06-multifunction.lspci" : "t03-switch.vv.lspci");
    const std::uint64_t changes = 1 + random.below(8);
    for (std::uint64_t i = 0; i < changes; ++i) {
      const std::uint64_t at = random.below(text.size());
      switch (random.below(4)) {
        case 0:
          text[at] = static_cast<char>(random.below(256));
          break;
        case 1:
          text.erase(at, random.below(80));
          break;
        case 2:
          text[at] = "0123456789abcdef:. \n"[random.below(20)];
          break;
        default:
          text.insert(at, text.substr(random.below(text.size()), random.below(60)));
      }
    }
    const auto dump = parse_lspci(text);
    if (!dump) {
      CHECK_FALSE(dump.error().message.empty());
      continue;
    }
    Host host;
    if (!import_topology(host.simulation, host.fabric, *dump)) continue;
    for (Function* function : host.fabric.functions()) {
      const Sbdf address = function->location();
      for (unsigned at = 0; at < 256; at += 4) {
        host.fabric.config_write(address, static_cast<std::uint16_t>(at), 4, 0xFFFFFFFF);
      }
    }
  }
}

// The bytes, not the text: structures in them that make no sense.
TEST_CASE("mutated configuration bytes never break baton") {
  sim::Random random(8, "config-mutations");
  const auto good = parse_lspci(file_text("t06-multifunction.lspci"));
  REQUIRE(good.has_value());
  for (int round = 0; round < 200; ++round) {
    LspciDump dump = *good;
    for (DumpedFunction& function : dump.functions) {
      for (int i = 0; i < 4; ++i) {
        const std::uint64_t at = random.below(function.bytes.size());
        function.bytes[at] = static_cast<std::byte>(random.below(256));
      }
    }
    Host host;
    if (!import_topology(host.simulation, host.fabric, dump)) continue;
    for (Function* function : host.fabric.functions()) {
      const Bdf bdf = function->location().bdf;
      for (unsigned at = 0; at < function->config().size(); at += 2) {
        function->config_write(static_cast<std::uint16_t>(at), 2, 0xFFFF, bdf);
      }
    }
  }
}
