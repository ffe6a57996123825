#include "model/pci/port_link.h"

#include "model/pci/function.h"

namespace baton::pci {
namespace {

// Offsets in the PCI Express capability.
constexpr unsigned kFlags = 0x02;
constexpr unsigned kLinkCapabilities = 0x0C;
constexpr unsigned kLinkControl = 0x10;
constexpr unsigned kLinkStatus = 0x12;
constexpr unsigned kSlotCapabilities = 0x14;
constexpr unsigned kSlotControl = 0x18;
constexpr unsigned kSlotStatus = 0x1A;

constexpr std::uint32_t kSlotImplemented = 1U << 8;  // Flags
constexpr std::uint32_t kReportsActive = 1U << 20;   // Link Capabilities
constexpr std::uint32_t kLinkDisable = 1U << 4;      // Link Control
constexpr std::uint32_t kLinkActive = 1U << 13;      // Link Status
constexpr std::uint32_t kPowerController = 1U << 1;  // Slot Capabilities
constexpr std::uint32_t kHotPlugCapable = 1U << 6;
constexpr std::uint32_t kNoCommandCompleted = 1U << 18;
constexpr std::uint32_t kHotPlugInterrupt = 1U << 5;  // Slot Control
constexpr std::uint32_t kPowerOff = 1U << 10;
constexpr std::uint32_t kStateChangedEnable = 1U << 12;
constexpr std::uint32_t kPresenceChanged = 1U << 3;   // Slot Status
constexpr std::uint32_t kCommandCompleted = 1U << 4;  // Slot Status
constexpr std::uint32_t kPresent = 1U << 6;
constexpr std::uint32_t kStateChanged = 1U << 8;
constexpr std::uint32_t kPairedEvents = 0x1F;  // the same bits enable and tell

}  // namespace

PortLink::PortLink(Function& port, std::uint16_t express) : port_(port), express_(express) {}

std::uint32_t PortLink::get(unsigned offset, unsigned bytes) const {
  return port_.config().get(static_cast<std::uint16_t>(express_ + offset), bytes);
}

bool PortLink::has_slot() const { return (get(kFlags, 2) & kSlotImplemented) != 0; }

bool PortLink::reports_active() const { return (get(kLinkCapabilities, 4) & kReportsActive) != 0; }

bool PortLink::disabled() const { return (get(kLinkControl, 2) & kLinkDisable) != 0; }

bool PortLink::powered_off() const {
  return (get(kSlotControl, 2) & kPowerOff) != 0 && has_slot() &&
         (get(kSlotCapabilities, 4) & kPowerController) != 0;
}

void PortLink::set_presence(bool present) {
  ConfigSpace& config = port_.config();
  const auto at = [this](unsigned offset) { return static_cast<std::uint16_t>(express_ + offset); };
  // Read-only bits, which a reset leaves as they are.
  const auto put = [&](unsigned offset, std::uint32_t read_only, std::uint32_t bit, bool on) {
    const std::uint32_t old = get(offset, 2) & read_only;
    config.set_initial(at(offset), 2, on ? old | bit : old & ~bit);
  };
  if (has_slot()) {
    put(kSlotStatus, 0x00E0, kPresent, present);
    if (present) config.set(at(kSlotControl), 2, get(kSlotControl, 2) & ~kPowerOff);
  }
  if (reports_active()) put(kLinkStatus, 0x3FFF, kLinkActive, present && !disabled());
}

void PortLink::card_lost() {
  set_presence(false);
  if (!has_slot()) return;
  const std::uint32_t events = kPresenceChanged | (reports_active() ? kStateChanged : 0);
  port_.config().set(static_cast<std::uint16_t>(express_ + kSlotStatus), 2,
                     get(kSlotStatus, 2) | events);
  look();
}

void PortLink::changed(bool up) {
  if (!reports_active()) return;
  const std::uint32_t status = get(kLinkStatus, 2);
  port_.config().set(static_cast<std::uint16_t>(express_ + kLinkStatus), 2,
                     up ? status | kLinkActive : status & ~kLinkActive);
  if (!has_slot()) return;
  port_.config().set(static_cast<std::uint16_t>(express_ + kSlotStatus), 2,
                     get(kSlotStatus, 2) | kStateChanged);
  look();
}

// Every write of Slot Control is a command of a slot that can be hot-plugged [PCIe 6.7.3.2].
void PortLink::on_write(std::uint16_t offset, unsigned width) {
  if (!has_slot()) return;
  const unsigned at = express_ + kSlotControl;
  const bool command = offset < at + 2 && offset + width > at;
  const std::uint32_t capabilities = get(kSlotCapabilities, 4);
  if (command && (capabilities & kHotPlugCapable) != 0 &&
      (capabilities & kNoCommandCompleted) == 0) {
    port_.config().set(static_cast<std::uint16_t>(express_ + kSlotStatus), 2,
                       get(kSlotStatus, 2) | kCommandCompleted);
  }
  look();
}

// An event meets its enable: a message, once.
void PortLink::look() {
  const std::uint32_t control = get(kSlotControl, 2);
  const std::uint32_t status = get(kSlotStatus, 2);
  const bool event = (control & status & kPairedEvents) != 0 ||
                     ((control & kStateChangedEnable) != 0 && (status & kStateChanged) != 0);
  const bool raised = event && (control & kHotPlugInterrupt) != 0;
  const bool rose = raised && !raised_;
  raised_ = raised;
  if (rose) static_cast<void>(port_.signal_message(get(kFlags, 2) >> 9 & 0x1F));
}

}  // namespace baton::pci
