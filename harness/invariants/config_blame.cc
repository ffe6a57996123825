#include "harness/invariants/config_blame.h"

#include <algorithm>

#include "harness/invariants/route.h"

namespace baton::harness {
namespace {

// Bits of a dword that software's intention is in: not Status, Secondary Status, Device Status,
// Link Status, nor the status registers of Advanced Error Reporting.
std::uint32_t meant_bits(const pci::ConfigSpace& config, std::uint16_t dword) {
  constexpr std::uint32_t kLowerHalf = 0x0000FFFF;
  if (dword == 0x04) return kLowerHalf;
  if (dword == 0x1C && config.is_bridge()) return kLowerHalf;
  const std::uint16_t express = config.find(pci::CapabilityId::kExpress);
  if (express != 0 && (dword == express + 0x08 || dword == express + 0x10)) return kLowerHalf;
  if (config.size() <= pci::kConfigSize) return ~std::uint32_t{0};
  const std::uint16_t aer = config.find(pci::ExtendedCapabilityId::kAer);
  const bool history =
      aer != 0 && (dword == aer + 0x04 || dword == aer + 0x10 || dword == aer + 0x30);
  return history ? 0 : ~std::uint32_t{0};
}

std::uint32_t bits_of(const pci::ConfigWritten& seen) {
  const std::uint32_t mask = seen.width == 4 ? ~std::uint32_t{0} : (1U << (8 * seen.width)) - 1;
  return mask << (8 * (seen.offset & 3));
}

}  // namespace

void ConfigBlame::on_written(const pci::ConfigWritten& seen, ChainLink written) {
  const auto dword = static_cast<std::uint16_t>(seen.offset & ~3U);
  const std::uint32_t meant = meant_bits(seen.function.config(), dword);
  const std::uint32_t now = seen.function.config().get(dword, 4) & meant;
  const std::uint32_t old = seen.old_value << (8 * (seen.offset & 3));
  const std::uint32_t before = ((now & ~bits_of(seen)) | (old & bits_of(seen))) & meant;
  if (before == now) return;
  Changes& changes = changes_[&seen.function];
  changes.last = written;
  const auto [at, fresh] = changes.registers.emplace(dword, Change{before, now, written});
  if (fresh) return;
  at->second.now = now;
  at->second.link = std::move(written);
}

// It loses what it was, and with it what software made of it.
void ConfigBlame::on_reset(const pci::FunctionReset& seen, ChainLink reset) {
  changes_[&seen.function].reset = std::move(reset);
}

void ConfigBlame::on_command(const pci::Function& function, ChainLink command) {
  Changes& changes = changes_[&function];
  if (!changes.command) changes.command = std::move(command);
}

void ConfigBlame::collect(const pci::Function& function, std::vector<ChainLink>& into) const {
  const auto found = changes_.find(&function);
  if (found == changes_.end()) return;
  const std::size_t before = into.size();
  for (const auto& [dword, change] : found->second.registers) {
    if (change.now != change.before) into.push_back(change.link);
  }
  if (found->second.reset) into.push_back(*found->second.reset);
  if (found->second.command) into.push_back(*found->second.command);
  if (into.size() == before && found->second.last) into.push_back(*found->second.last);
}

void ConfigBlame::explain(const pci::Function& function, std::vector<ChainLink>& into) const {
  const auto first = static_cast<std::ptrdiff_t>(into.size());
  collect(function, into);
  if (const pci::Function* physical = function.physical_function()) collect(*physical, into);
  for (const pci::Bridge* bridge : bridges_above(function)) collect(*bridge, into);
  std::stable_sort(into.begin() + first, into.end(),
                   [](const ChainLink& a, const ChainLink& b) { return a.time < b.time; });
}

}  // namespace baton::harness
