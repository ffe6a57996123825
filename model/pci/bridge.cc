#include "model/pci/bridge.h"

#include <algorithm>
#include <array>

#include "sim/check.h"

namespace baton::pci {
namespace {

constexpr std::uint32_t kSecondaryBusReset = 1U << 6;  // Bridge Control
constexpr std::uint32_t kLinkDisable = 1U << 4;        // Link Control
constexpr std::uint32_t kAriForwarding = 1U << 5;      // Device Control 2

// Advanced Error Reporting [PCIe 7.8.4].
constexpr unsigned kAerStatus = 0x04;
constexpr unsigned kAerMask = 0x08;
constexpr unsigned kAerSeverity = 0x0C;
constexpr unsigned kAerControl = 0x18;  // First Error Pointer in [4:0]
constexpr unsigned kAerHeader = 0x1C;
constexpr unsigned kAerEnd = 0x2C;

constexpr std::uint32_t kNonFatalDetected = 1U << 1;  // Device Status
constexpr std::uint32_t kFatalDetected = 1U << 2;
constexpr std::uint32_t kUnsupportedDetected = 1U << 3;
constexpr std::uint32_t kSignaledTargetAbort = 1U << 11;  // Secondary Status

// The four header double words of the first packet of a memory request [PCIe 2.2.7]. A write is cut
// at the port's Max_Payload_Size, a read is one packet; tags are not modelled and read as 0.
std::array<std::uint32_t, 4> header_of(const MemoryRequest& request, std::uint32_t payload_max) {
  const bool wide = request.address >> 32 != 0;
  const std::uint32_t bytes = request.write ? std::min(request.length, payload_max)  //
                                            : request.length;
  const auto first = static_cast<std::uint32_t>(request.address & 3);
  const std::uint32_t words = (first + bytes + 3) / 4;
  const std::uint32_t past = (first + bytes) % 4;  // bytes used of the last word; 0: all
  const std::uint32_t last_enable = past == 0 ? 0xF : (1U << past) - 1;
  const std::uint32_t first_enable = 0xF << first & 0xF;
  const std::uint32_t enables =
      words == 1 ? first_enable & last_enable : last_enable << 4 | first_enable;
  const std::uint32_t format = (request.write ? 2U : 0U) | (wide ? 1U : 0U);
  std::array<std::uint32_t, 4> header{};
  header[0] = format << 29 | static_cast<std::uint32_t>(request.type) << 10 | (words & 0x3FF);
  header[1] = std::uint32_t{request.requester.value()} << 16 | enables;
  const auto low = static_cast<std::uint32_t>(request.address & 0xFFFFFFFC);
  header[2] = wide ? static_cast<std::uint32_t>(request.address >> 32) : low;
  header[3] = wide ? low : 0;
  return header;
}

}  // namespace

Bridge::Bridge(sim::Simulation& simulation, std::string name, ConfigSpace config)
    : Function(simulation, std::move(name), std::move(config)),
      express_(Function::config().find(CapabilityId::kExpress)),
      acs_(Function::config().find(ExtendedCapabilityId::kAcs)),
      aer_(Function::config().find(ExtendedCapabilityId::kAer)),
      secondary_bus_(*this) {
  BATON_CHECK(Function::config().is_bridge(), "a bridge without a Type 1 header");
  if (aer_ + kAerEnd > Function::config().size()) aer_ = 0;
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

Claims Bridge::claims() const {
  Claims claims = Function::claims();
  if (!memory_enabled()) return claims;
  if (const auto window = memory_window()) {
    claims.add({window->base, window->limit, Claim::kMemoryWindow});
  }
  if (const auto window = prefetch_window()) {
    claims.add({window->base, window->limit, Claim::kPrefetchWindow});
  }
  return claims;
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

void Bridge::record_error(Uncorrectable error, const MemoryRequest& request) {
  const auto at = [this](unsigned offset) { return static_cast<std::uint16_t>(aer_ + offset); };
  const std::uint32_t bit = 1U << static_cast<unsigned>(error);
  const bool fatal = aer_ != 0 && (config().get(at(kAerSeverity), 4) & bit) != 0;
  if (express_ != 0) {
    const auto status = static_cast<std::uint16_t>(express_ + 0x0A);
    std::uint32_t bits = fatal ? kFatalDetected : kNonFatalDetected;
    if (error == Uncorrectable::kUnsupportedRequest) bits |= kUnsupportedDetected;
    config().set(status, 2, config().get(status, 2) | bits);
  }
  if (error == Uncorrectable::kAcsViolation && !request.write) {
    config().set(0x1E, 2, config().get(0x1E, 2) | kSignaledTargetAbort);
  }
  if (aer_ == 0) return;
  const std::uint32_t status = config().get(at(kAerStatus), 4);
  const std::uint32_t control = config().get(at(kAerControl), 4);
  config().set(at(kAerStatus), 4, status | bit);
  // The first error that is not masked holds the pointer and the header until its bit is cleared.
  const std::uint32_t mask = config().get(at(kAerMask), 4);
  const bool holds = (status & ~mask & 1U << (control & 0x1F)) != 0;
  if (holds || (mask & bit) != 0) return;
  config().set(at(kAerControl), 4, (control & ~0x1FU) | static_cast<std::uint32_t>(error));
  const unsigned size = (config().get(static_cast<std::uint16_t>(express_ + 8), 2) >> 5) & 7;
  const auto header = header_of(request, express_ == 0 ? 128 : 128U << size);
  for (unsigned i = 0; i < header.size(); ++i) {
    config().set(at(kAerHeader + 4 * i), 4, header[i]);
  }
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
