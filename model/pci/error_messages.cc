#include "model/pci/error_messages.h"

#include "model/pci/bridge.h"
#include "model/pci/bus.h"
#include "model/pci/function.h"
#include "model/pci/observations.h"

namespace baton::pci {
namespace {

constexpr std::uint16_t kCommand = 0x04;
constexpr std::uint16_t kStatus = 0x06;
constexpr std::uint16_t kSecondaryStatus = 0x1E;
constexpr std::uint16_t kBridgeControl = 0x3E;
constexpr std::uint32_t kSerr = 1U << 8;           // Command
constexpr std::uint32_t kForwardErrors = 1U << 1;  // Bridge Control.SERR# Enable
constexpr std::uint32_t kSystemError = 1U << 14;   // received, or signaled

void set_bits(Function& function, std::uint16_t offset, std::uint32_t bits) {
  function.config().set(offset, 2, function.config().get(offset, 2) | bits);
}

// From the secondary to the primary side. AMBIGUOUS: Command.SERR# Enable is said to control the
// forwarding of uncorrectable errors; as in figure 6-3, an enable in Device Control does too.
bool forwards(Bridge& bridge, Severity severity) {
  const bool uncorrectable = severity != Severity::kCorrectable;
  if (uncorrectable) set_bits(bridge, kSecondaryStatus, kSystemError);
  if ((bridge.config().get(kBridgeControl, 2) & kForwardErrors) == 0) return false;
  const bool serr = uncorrectable && (bridge.config().get(kCommand, 2) & kSerr) != 0;
  const bool enabled = (bridge.device_control() >> static_cast<unsigned>(severity) & 1) != 0;
  if (!serr && !enabled) return false;
  if (serr) set_bits(bridge, kStatus, kSystemError);
  return true;
}

// Which event collector takes the messages of an integrated endpoint: by the device numbers of its
// association bitmap, on its own bus [PCIe 7.9.10].
bool collects_for(const Function& collector, const Function& from) {
  const std::uint16_t association =
      collector.config().find(ExtendedCapabilityId::kCollectorAssociation);
  if (association == 0 || association + 8 > collector.config().size()) return false;
  const std::uint32_t bitmap =
      collector.config().get(static_cast<std::uint16_t>(association + 4), 4);
  return (bitmap >> from.location().bdf.device() & 1) != 0;
}

}  // namespace

void send_error_message(Function& from, Severity severity) {
  if (from.bus() == nullptr) return;
  const Bdf source = from.requester_id();
  if (RootErrors* own = from.root_errors()) {
    own->receive(severity, source);
    return;
  }
  for (Bus* bus = from.bus(); bus != nullptr; bus = bus->bridge()->bus()) {
    if (Bridge* bridge = bus->bridge()) {
      if (bridge->secondary_down()) return;
      if (Dpc* dpc = bridge->dpc(); dpc != nullptr && dpc->on_message(severity, source)) return;
      if (!forwards(*bridge, severity)) return;
      if (bridge->root_errors() != nullptr) {
        bridge->root_errors()->receive(severity, source);
        return;
      }
      continue;
    }
    bus->for_each([&](Function& function) {
      if (!function.config().is_bridge() && function.root_errors() != nullptr &&
          collects_for(function, from)) {
        function.root_errors()->receive(severity, source);
      }
    });
    return;
  }
}

void detect_unclaimed(Bus& bus, const ErrorCase& about) {
  Bridge* bridge = bus.bridge();
  if (bridge == nullptr) return;  // the root complex
  if (!bridge->is_downstream_port()) {
    bridge->detect(Uncorrectable::kUnsupportedRequest, about);
    return;
  }
  Function::Reporting reporting = Function::Reporting::kMessage;
  bus.for_each([&](Function& function) {
    if (function.detect(Uncorrectable::kUnsupportedRequest, about, reporting)) {
      reporting = Function::Reporting::kLogOnly;
    }
  });
}

}  // namespace baton::pci
