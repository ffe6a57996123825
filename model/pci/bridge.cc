#include "model/pci/bridge.h"

#include "model/pci/observations.h"
#include "sim/check.h"

namespace baton::pci {
namespace {

constexpr std::uint32_t kSecondaryBusReset = 1U << 6;  // Bridge Control
constexpr std::uint32_t kAriForwarding = 1U << 5;      // Device Control 2

constexpr std::uint16_t kSecondaryStatus = 0x1E;
constexpr std::uint32_t kSignaledTargetAbort = 1U << 11;  // Secondary Status
constexpr std::uint32_t kReceivedMasterAbort = 1U << 13;
constexpr std::uint32_t kDetectedParityError = 1U << 15;
constexpr std::uint16_t kDpcLength = 0x0C;
// From the trigger of containment to the reset of what is below [assumed].
constexpr sim::Duration kContainmentDelay = sim::Duration::microseconds(1);

}  // namespace

Bridge::Bridge(sim::Simulation& simulation, std::string name, ConfigSpace config)
    : Function(simulation, std::move(name), std::move(config)),
      express_(Function::config().find(CapabilityId::kExpress)),
      acs_(Function::config().find(ExtendedCapabilityId::kAcs)),
      secondary_bus_(*this),
      containment_(*this, actor(), "dpc-link-down", sim::Phase::kDevice) {
  BATON_CHECK(Function::config().is_bridge(), "a bridge without a Type 1 header");
  if (express_ + 0x2C > Function::config().size()) express_ = 0;
  const std::uint16_t dpc = Function::config().find(ExtendedCapabilityId::kDpc);
  if (is_downstream_port()) {
    link_.emplace(*this, express_);
    if (dpc != 0 && dpc + kDpcLength <= Function::config().size()) dpc_.emplace(*this, dpc);
  }
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

// Of every request that climbs past: base and limit of a window are looked at together, and what is
// below or above both is out without another look.
bool Bridge::claims_memory(std::uint64_t address) const {
  if (!memory_enabled()) return false;
  const auto outside = [&](std::uint16_t offset, std::uint64_t base_upper,
                           std::uint64_t limit_upper) {
    const std::uint64_t both = config().get(offset, 4);
    const std::uint64_t base = base_upper << 32 | (both & 0xFFF0) << 16;
    const std::uint64_t limit = limit_upper << 32 | (both & 0xFFF0'0000) | 0xFFFFF;
    return address < base || address > limit;
  };
  if (!outside(0x20, 0, 0)) return true;
  if (outside(0x24, config().get(0x28, 4), config().get(0x2C, 4))) return false;
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
  return link_ && (link_->disabled() || link_->powered_off() || (dpc_ && dpc_->triggered()));
}

std::optional<PortType> Bridge::port_type() const {
  if (express_ == 0) return std::nullopt;
  const std::uint32_t flags = config().get(static_cast<std::uint16_t>(express_ + 2), 2);
  return static_cast<PortType>(flags >> 4 & 0xF);
}

bool Bridge::is_downstream_port() const {
  if (express_ == 0) return false;
  const std::uint32_t flags = config().get(static_cast<std::uint16_t>(express_ + 2), 2);
  const auto type = static_cast<PortType>(flags >> 4 & 0xF);
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

bool Bridge::contains(const LoggedError& error) {
  return dpc_ && !error.advisory && dpc_->on_detected(error.severity);
}

void Bridge::refuse(Uncorrectable error, const MemoryRequest& request) {
  const bool aborted = error == Uncorrectable::kAcsViolation && !request.write;
  if (aborted) {
    config().set(kSecondaryStatus, 2, config().get(kSecondaryStatus, 2) | kSignaledTargetAbort);
  }
  detect(error,
         {.request = &request, .advisory = !request.write && error != Uncorrectable::kMalformed});
}

void Bridge::note_poison(const MemoryRequest& request, bool last) {
  config().set(kSecondaryStatus, 2, config().get(kSecondaryStatus, 2) | kDetectedParityError);
  detect(Uncorrectable::kPoisoned, {.request = &request, .advisory = !last});
}

// AMBIGUOUS: the bit is for requests of the port itself; root ports set it for those that the root
// complex sends through them, as dumps of hosts show.
void Bridge::note_master_abort() {
  config().set(kSecondaryStatus, 2, config().get(kSecondaryStatus, 2) | kReceivedMasterAbort);
}

// A port that contains an error says so by its control and logs nothing more; else it is a request
// that nobody supports [PCIe 2.9.1, 2.9.3].
Completion Bridge::refuse_from_above(const MemoryRequest& request) {
  Completion completion;
  completion.stopped_at = "link-down";
  completion.status = CompletionStatus::kUnsupportedRequest;
  if (dpc_ && dpc_->triggered()) {
    completion.stopped_at = "contained";
    if (!dpc_->answers_unsupported()) completion.status = CompletionStatus::kCompleterAbort;
  } else {
    detect(Uncorrectable::kUnsupportedRequest, {.request = &request, .advisory = !request.write});
  }
  return completion;
}

void Bridge::reset(ResetKind kind) {
  simulation_.cancel(containment_);
  Function::reset(kind);
  was_down_ = secondary_down();
  if (kind != ResetKind::kFunctionLevel) secondary_bus_.reset(kind);
}

bool Bridge::anybody_below() const {
  bool anybody = false;
  secondary_bus_.for_each([&anybody](const Function&) { anybody = true; });
  return anybody;
}

void Bridge::show_slot() {
  if (!link_) return;
  link_->set_presence(anybody_below());
  was_down_ = secondary_down();
  routing_changed(Routing::kNumbers);
}

void Bridge::lose_card() {
  if (link_) link_->card_lost();
  routing_changed(Routing::kNumbers);
  auto& topic = simulation_.topic<LinkChanged>();
  if (topic.active()) topic.publish({*this, false});
}

void Bridge::on_written(std::uint16_t offset, unsigned width, std::uint32_t value) {
  if (dpc_) {
    const unsigned control = dpc_->control_at();
    if (offset <= control && offset + width > control) {
      dpc_->on_control(value >> (8 * (control - offset)));
    }
    dpc_->look();
  }
  follow_link();
  if (link_) link_->on_write(offset, width);
}

void Bridge::follow_link() {
  const bool down = secondary_down();
  if (down == was_down_) return;
  was_down_ = down;
  routing_changed(Routing::kNumbers);
  if (down) {
    reset_below();
  } else if (containment_.scheduled()) {  // released at once: nothing is spared
    simulation_.cancel(containment_);
    reset_below();
  }
  link_changed(!down);
}

void Bridge::on_contained() {
  if (was_down_) return;
  was_down_ = true;
  routing_changed(Routing::kNumbers);
  simulation_.schedule(containment_, kContainmentDelay);
  link_changed(false);
}

void Bridge::reset_below() {
  const bool powered_off = link_ && link_->powered_off();
  secondary_bus_.reset(powered_off ? ResetKind::kPowerOn : ResetKind::kHot);
}

void Bridge::link_changed(bool up) {
  if (link_ && anybody_below()) link_->changed(up);
  auto& topic = simulation_.topic<LinkChanged>();
  if (topic.active()) topic.publish({*this, up});
}

}  // namespace baton::pci
