#include "model/devices/vmd/vmd.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "sim/check.h"

namespace baton::devices::vmd {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;

pci::ConfigSpace vmd_config() {
  pci::ConfigSpace config = pci::ConfigSpace::type0({.vendor = 0x8086,
                                                     .device = 0x28C0,
                                                     .class_code = 0x010400,
                                                     .subsystem_vendor = 0x8086,
                                                     .subsystem_device = 0x0000,
                                                     .command_writable = 0x0546});
  config.bar64(0, (kLastBus + 1) * kMiB, true).bar64(2, 32 * kMiB, true).bar64(4, kMiB, true);
  // Root complex integrated endpoint.
  config.add_capability(0x40, pci::CapabilityId::kExpress, {{2, 2, 0x0092}, {4, 4, 0x00008021}});
  config.add_capability(0x80, pci::CapabilityId::kPowerManagement, {{2, 2, 3}, {4, 2, 8}});
  return config;
}

// A root port without hot plug; four lanes of 8 GT/s.
pci::ConfigSpace port_config(unsigned number) {
  pci::ConfigSpace config = pci::ConfigSpace::type1(
      {.vendor = 0x8086, .device = static_cast<std::uint16_t>(0x2030 + number)});
  config.add_capability(0x40, pci::CapabilityId::kExpress,
                        {{0x02, 2, 0x0042},
                         {0x04, 4, 0x00008001},
                         {0x0C, 4, 0x00400043 | number << 24},
                         {0x12, 2, 0x0043}});
  config.add_capability(0x80, pci::CapabilityId::kPowerManagement, {{2, 2, 3}, {4, 2, 8}});
  return config;
}

}  // namespace

Vmd::Vmd(sim::Simulation& simulation, const std::string& name)
    : Function(simulation, name, vmd_config()) {}

void Vmd::add_domain(pci::Fabric& fabric) {
  BATON_CHECK(domain_ == nullptr, "a VMD has one domain");
  owner_fabric_ = &fabric;
  domain_ = &fabric.add_domain(*this, 0, kLastBus);
  for (unsigned port = 0; port < kRootPorts; ++port) {
    fabric.add(*domain_, port, 0,
               std::make_unique<pci::Bridge>(simulation_, fmt::format("{}.port{}", name(), port),
                                             port_config(port)));
  }
}

std::optional<Sbdf> Vmd::target(pci::BarHit hit, std::size_t width) const {
  const bool whole = width == 1 || width == 2 || width == 4;
  if (hit.bar != 0 || domain_ == nullptr || !whole || hit.offset % width != 0) return std::nullopt;
  return Sbdf{domain_->segment(), Bdf(static_cast<std::uint16_t>(hit.offset >> 12))};
}

void Vmd::memory_read(pci::BarHit hit, std::span<std::byte> to) {
  std::ranges::fill(to, std::byte{0});
  const auto function = target(hit, to.size());
  if (!function) return;
  const std::uint32_t value = owner_fabric_->config_read(
      *function, static_cast<std::uint16_t>(hit.offset & 0xFFF), static_cast<unsigned>(to.size()));
  std::memcpy(to.data(), &value, to.size());
}

void Vmd::memory_write(pci::BarHit hit, std::span<const std::byte> from) {
  const auto function = target(hit, from.size());
  if (!function) return;
  std::uint32_t value = 0;
  std::memcpy(&value, from.data(), from.size());
  owner_fabric_->config_write(*function, static_cast<std::uint16_t>(hit.offset & 0xFFF),
                              static_cast<unsigned>(from.size()), value);
}

}  // namespace baton::devices::vmd
