#include "model/pci/bridge.h"

#include "sim/check.h"

namespace baton::pci {
namespace {

constexpr std::uint32_t kSecondaryBusReset = 1U << 6;  // Bridge Control
constexpr std::uint32_t kLinkDisable = 1U << 4;        // Link Control
constexpr std::uint32_t kAriForwarding = 1U << 5;      // Device Control 2

}  // namespace

Bridge::Bridge(sim::Simulation& simulation, std::string name, ConfigSpace config)
    : Function(simulation, std::move(name), std::move(config)),
      express_(Function::config().find(CapabilityId::kExpress)),
      acs_(Function::config().find(ExtendedCapabilityId::kAcs)),
      secondary_bus_(*this) {
  BATON_CHECK(Function::config().is_bridge(), "a bridge without a Type 1 header");
  if (express_ + 0x2C > Function::config().size()) express_ = 0;
  was_down_ = secondary_down();
}

std::optional<Bridge::Window> Bridge::memory_window() const {
  const std::uint64_t base = std::uint64_t{config().get(0x20, 2) & 0xFFF0} << 16;
  const std::uint64_t limit = std::uint64_t{config().get(0x22, 2) & 0xFFF0} << 16 | 0xFFFFF;
  if (base > limit) return std::nullopt;
  return Window{base, limit};
}

std::optional<Bridge::Window> Bridge::prefetch_window() const {
  if (config().writable(0x24, 4) == 0) return std::nullopt;  // it has none
  const std::uint64_t base = std::uint64_t{config().get(0x28, 4)} << 32 |
                             std::uint64_t{config().get(0x24, 2) & 0xFFF0} << 16;
  const std::uint64_t limit = std::uint64_t{config().get(0x2C, 4)} << 32 |
                              std::uint64_t{config().get(0x26, 2) & 0xFFF0} << 16 | 0xFFFFF;
  if (base > limit) return std::nullopt;
  return Window{base, limit};
}

std::optional<Bridge::Window> Bridge::io_window() const {
  if (config().writable(0x1C, 2) == 0) return std::nullopt;
  const std::uint64_t base =
      std::uint64_t{config().get(0x30, 2)} << 16 | std::uint64_t{config().get(0x1C, 1) & 0xF0} << 8;
  const std::uint64_t limit = std::uint64_t{config().get(0x32, 2)} << 16 |
                              std::uint64_t{config().get(0x1D, 1) & 0xF0} << 8 | 0xFFF;
  if (base > limit) return std::nullopt;
  return Window{base, limit};
}

bool Bridge::claims_memory(std::uint64_t address) const {
  if (!memory_enabled()) return false;
  const auto memory = memory_window();
  if (memory && memory->contains(address)) return true;
  const auto prefetch = prefetch_window();
  return prefetch && prefetch->contains(address);
}

bool Bridge::secondary_down() const {
  if ((config().get(0x3E, 2) & kSecondaryBusReset) != 0) return true;
  return is_downstream_port() &&
         (config().get(static_cast<std::uint16_t>(express_ + 0x10), 2) & kLinkDisable) != 0;
}

std::optional<PortType> Bridge::port_type() const {
  if (express_ == 0) return std::nullopt;
  const std::uint32_t flags = config().get(static_cast<std::uint16_t>(express_ + 2), 2);
  return static_cast<PortType>(flags >> 4 & 0xF);
}

bool Bridge::is_downstream_port() const {
  const auto type = port_type();
  return type == PortType::kRootPort || type == PortType::kDownstreamPort;
}

bool Bridge::ari_forwarding() const {
  return is_downstream_port() &&
         (config().get(static_cast<std::uint16_t>(express_ + 0x28), 2) & kAriForwarding) != 0;
}

std::uint16_t Bridge::acs_control() const {
  if (acs_ == 0 || acs_ + 8 > config().size()) return 0;
  return static_cast<std::uint16_t>(config().get(static_cast<std::uint16_t>(acs_ + 6), 2));
}

void Bridge::reset(ResetKind kind) {
  Function::reset(kind);
  was_down_ = secondary_down();
  if (kind != ResetKind::kFunctionLevel) secondary_bus_.reset(kind);
}

void Bridge::on_config_write(std::uint16_t, unsigned, std::uint32_t, std::uint32_t) {
  const bool down = secondary_down();
  if (down && !was_down_) secondary_bus_.reset(ResetKind::kHot);
  was_down_ = down;
}

}  // namespace baton::pci
