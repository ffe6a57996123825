// The forms in which lspci prints a host, and what a damaged dump does: a diagnostic or a valid
// topology.

#include <algorithm>
#include <sstream>

#include "model/pci/lspci_export.h"
#include "rig.h"
#include "sim/random.h"

using namespace baton;
using namespace baton::pci;
using namespace baton::pci::test;

namespace {

// Nothing: refused, with a message.
std::optional<std::string> imported_and_exported(const std::string& text) {
  const auto dump = parse_lspci(text);
  if (!dump) {
    CHECK_FALSE(dump.error().message.empty());
    return std::nullopt;
  }
  sim::Simulation simulation(1);
  FlatRam ram;
  Fabric fabric(simulation, ram, FabricTiming{});
  if (const auto imported = import_topology(simulation, fabric, *dump); !imported) {
    CHECK_FALSE(imported.error().message.empty());
    return std::nullopt;
  }
  // Everything in the dump is there and can be reached.
  CHECK(fabric.functions().size() == dump->functions.size());
  for (const DumpedFunction& function : dump->functions) {
    CHECK(fabric.find(function.address) != nullptr);
  }
  return export_lspci(fabric);
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::string joined(const std::vector<std::string>& lines, const char* end = "\n") {
  std::string text;
  for (const std::string& line : lines) text += line + end;
  return text;
}

// As lspci prints it with three x: 256 bytes of every function.
std::string standard_part(const std::string& text) {
  std::vector<std::string> lines = lines_of(text);
  std::erase_if(lines, [](const std::string& line) { return line.find(": ") == 3; });
  return joined(lines);
}

void change_text(sim::Random& random, std::string& text) {
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
      text.resize(at + 1);
  }
}

void change_lines(sim::Random& random, std::vector<std::string>& lines) {
  const auto at = static_cast<std::ptrdiff_t>(random.below(lines.size()));
  const auto other = static_cast<std::ptrdiff_t>(random.below(lines.size()));
  switch (random.below(4)) {
    case 0:
      lines.erase(lines.begin() + at);
      break;
    case 1: {
      const std::string line = lines[static_cast<std::size_t>(at)];
      lines.insert(lines.begin() + other, line);
      break;
    }
    case 2:
      std::iter_swap(lines.begin() + at, lines.begin() + other);
      break;
    default: {
      std::string& line = lines[static_cast<std::size_t>(at)];
      line.resize(random.below(line.size() + 1));
    }
  }
  if (lines.empty()) lines.emplace_back();
}

constexpr const char* kDumps[] = {"t01-flat.lspci", "t03-switch.vv.lspci",
                                  "t05-hotplug-reserve.lspci", "t06-multifunction.lspci",
                                  "ppc-2domains.D.lspci"};

}  // namespace

TEST_CASE("every form of one host's dump imports to the same host") {
  const auto host = imported_and_exported(file_text("t03-switch.lspci"));
  REQUIRE(host.has_value());
  CHECK(imported_and_exported(file_text("t03-switch.D.lspci")) == host);
  CHECK(imported_and_exported(file_text("t03-switch.vv.lspci")) == host);
  CHECK(imported_and_exported(joined(lines_of(file_text("t03-switch.lspci")), "\r\n")) == host);
  CHECK(imported_and_exported(*host) == host);
  const auto domains = imported_and_exported(file_text("ppc-2domains.lspci"));
  REQUIRE(domains.has_value());
  CHECK(imported_and_exported(file_text("ppc-2domains.D.lspci")) == domains);
}

TEST_CASE("the 256 bytes that lspci prints with three x are a host without extended capabilities") {
  for (const char* name : kDumps) {
    INFO(name);
    const std::string text = standard_part(file_text(name));
    const auto host = imported_and_exported(text);
    REQUIRE(host.has_value());
    CHECK(*host == standard_part(*imported_and_exported(file_text(name))));
  }
}

TEST_CASE("a thousand damaged dumps give a diagnostic or a valid topology") {
  sim::Random random(11, "damaged-dumps");
  std::vector<std::string> originals;
  for (const char* name : kDumps) originals.push_back(standard_part(file_text(name)));
  std::size_t valid = 0;
  std::size_t refused = 0;
  for (int round = 0; round < 1000; ++round) {
    std::string text = originals[static_cast<std::size_t>(round) % originals.size()];
    const std::uint64_t changes = 1 + random.below(4);
    if (random.below(2) == 0) {
      for (std::uint64_t i = 0; i < changes; ++i) change_text(random, text);
    } else {
      std::vector<std::string> lines = lines_of(text);
      for (std::uint64_t i = 0; i < changes; ++i) change_lines(random, lines);
      text = joined(lines);
    }
    INFO("round " << round);
    const auto host = imported_and_exported(text);
    if (!host) {
      ++refused;
      continue;
    }
    ++valid;
    CHECK(imported_and_exported(*host) == host);
  }
  CHECK(valid > 50);
  CHECK(refused > 500);
}
