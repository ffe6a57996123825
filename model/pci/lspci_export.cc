#include "model/pci/lspci_export.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>

namespace baton::pci {
namespace {

constexpr unsigned kBytesPerLine = 16;

void write_function(std::string& text, Sbdf address, bool domains, const ConfigSpace& config) {
  auto out = std::back_inserter(text);
  if (domains) fmt::format_to(out, "{:04x}:", address.segment);
  fmt::format_to(out, "{} {:04x}: {:04x}:{:04x}", to_string(address.bdf), config.get(0x0A, 2),
                 config.get(0x00, 2), config.get(0x02, 2));
  if (const std::uint32_t revision = config.get(0x08, 1); revision != 0) {
    fmt::format_to(out, " (rev {:02x})", revision);
  }
  text += '\n';
  for (unsigned offset = 0; offset < config.size(); offset += kBytesPerLine) {
    fmt::format_to(out, "{:02x}:", offset);
    for (unsigned i = offset; i < offset + kBytesPerLine; ++i) {
      fmt::format_to(out, " {:02x}", config.read(static_cast<std::uint16_t>(i), 1));
    }
    text += '\n';
  }
  text += '\n';
}

}  // namespace

std::string export_lspci(const Fabric& fabric) {
  std::map<Sbdf, const Function*> found;
  bool domains = false;
  for (const Function* function : fabric.functions()) {
    const Sbdf address = function->location();
    if (fabric.find(address) != function) continue;
    found.emplace(address, function);
    domains = domains || address.segment != 0;
  }
  std::string text;
  for (const auto& [address, function] : found) {
    write_function(text, address, domains, function->config());
  }
  return text;
}

}  // namespace baton::pci
