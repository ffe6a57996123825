// config-writes: what a configuration write may change in a preserved function or a bridge above it
// between freeze and finish. The list is that of policy config_writes: three-stage-from-folio, the
// only one that is built; each entry has its reason. Writes that change nothing are counted apart:
// they are no harm by themselves, but each one is a window for harm.
//
// A write that starts a reset changes no register; it is found by no-reset.

#include <fmt/format.h>

#include <array>

#include "harness/invariants/checkers.h"
#include "harness/invariants/route.h"

namespace baton::harness {
namespace {

struct Allowed {
  std::uint16_t id;  // capability; 0 for the header
  bool extended;
  std::uint16_t offset;  // in the header or the capability
  std::uint8_t bytes;
  std::uint32_t bits;
};

constexpr std::uint16_t number(pci::CapabilityId id) { return static_cast<std::uint16_t>(id); }
constexpr std::uint16_t number(pci::ExtendedCapabilityId id) {
  return static_cast<std::uint16_t>(id);
}

constexpr std::array kAllowed{
    // Interrupts are off in the gap [policy interrupts: disable-in-freeze] and set up afresh by the
    // VMM's new process: enables, masks, and INTx as the opposite of MSI-X.
    Allowed{number(pci::CapabilityId::kMsix), false, 0x02, 2, 0xC000},
    Allowed{number(pci::CapabilityId::kMsi), false, 0x02, 2, 0x0071},
    Allowed{0, false, 0x04, 2, 0x0400},
    // History of errors, cleared by writing ones: nothing acts on it.
    Allowed{0, false, 0x06, 2, 0xF900},
    Allowed{number(pci::CapabilityId::kExpress), false, 0x0A, 2, 0x000F},
    Allowed{number(pci::ExtendedCapabilityId::kAer), true, 0x04, 4, 0xFFFFFFFF},
    Allowed{number(pci::ExtendedCapabilityId::kAer), true, 0x10, 4, 0xFFFFFFFF},
};
// Of bridges: the secondary side's history and a root port's, and the services of a port (power
// management events, errors, slot, containment, bandwidth), which each kernel ends with itself and
// the next starts anew: enables, status, and where the port's own message goes.
constexpr std::array kAllowedOfBridges{
    Allowed{0, false, 0x1E, 2, 0xF900},
    Allowed{number(pci::ExtendedCapabilityId::kAer), true, 0x30, 4, 0x0000007F},
    Allowed{number(pci::ExtendedCapabilityId::kAer), true, 0x2C, 4, 0x00000007},
    Allowed{number(pci::CapabilityId::kExpress), false, 0x08, 2, 0x000F},
    Allowed{number(pci::CapabilityId::kExpress), false, 0x10, 2, 0x0C00},
    Allowed{number(pci::CapabilityId::kExpress), false, 0x12, 2, 0xC000},
    Allowed{number(pci::CapabilityId::kExpress), false, 0x18, 2, 0x103F},
    Allowed{number(pci::CapabilityId::kExpress), false, 0x1A, 2, 0x011F},
    Allowed{number(pci::CapabilityId::kExpress), false, 0x1C, 2, 0x000F},
    Allowed{number(pci::CapabilityId::kExpress), false, 0x20, 4, 0x00010000},
    Allowed{number(pci::CapabilityId::kMsi), false, 0x04, 4, 0xFFFFFFFF},
    Allowed{number(pci::CapabilityId::kMsi), false, 0x08, 4, 0xFFFFFFFF},
    Allowed{number(pci::CapabilityId::kMsi), false, 0x0C, 4, 0xFFFFFFFF},
    Allowed{number(pci::ExtendedCapabilityId::kDpc), true, 0x06, 2, 0x000B},
    Allowed{number(pci::ExtendedCapabilityId::kDpc), true, 0x08, 2, 0x0008},
};

class ConfigWrites final : public Checker {
 public:
  explicit ConfigWrites(Watch& watch) : Checker(watch) {
    watch.simulation().topic<pci::ConfigWritten>().subscribe(
        [this](const auto& o) { on_written(o); });
  }

  std::string_view id() const override { return "config-writes"; }

 private:
  // The carried device that this function is, or is a bridge above, or is the physical function of.
  const WatchedDevice* touched(const pci::Function& function) const {
    for (const WatchedDevice& device : watch_.devices()) {
      if (!watch_.carried(device)) continue;
      if (device.function == &function) return &device;
      if (device.function->physical_function() == &function) return &device;
      for (const pci::Bridge* bridge : bridges_above(*device.function)) {
        if (bridge == &function) return &device;
      }
    }
    return nullptr;
  }

  // The bits of `offset..offset + width` that `row` lets a write change.
  static std::uint32_t bits_of(const Allowed& row, const pci::ConfigWritten& seen) {
    const pci::ConfigSpace& config = seen.function.config();
    unsigned base = 0;
    if (row.id != 0) {
      base = row.extended ? config.find(static_cast<pci::ExtendedCapabilityId>(row.id))
                          : config.find(static_cast<pci::CapabilityId>(row.id));
      if (base == 0) return 0;
    }
    std::uint32_t bits = 0;
    for (unsigned i = 0; i < row.bytes; ++i) {
      const unsigned at = base + row.offset + i;
      if (at < seen.offset || at >= seen.offset + seen.width) continue;
      bits |= (row.bits >> (8 * i) & 0xFF) << (8 * (at - seen.offset));
    }
    return bits;
  }

  static std::uint32_t allowed(const pci::ConfigWritten& seen) {
    std::uint32_t bits = 0;
    for (const Allowed& row : kAllowed) bits |= bits_of(row, seen);
    if (!seen.function.config().is_bridge()) return bits;
    for (const Allowed& row : kAllowedOfBridges) bits |= bits_of(row, seen);
    return bits;
  }

  void on_written(const pci::ConfigWritten& seen) {
    if (!watch_.handover()) return;
    const WatchedDevice* device = touched(seen.function);
    if (device == nullptr) return;
    checked();
    const std::uint32_t changed = seen.old_value ^ seen.new_value;
    watch_.saw_config_write(changed == 0);
    if ((changed & ~allowed(seen)) == 0 || !want()) return;
    std::string subject = fmt::format("{} of {}", device->function->name(), device->vm);
    if (&seen.function != device->function) {
      const bool physical = device->function->physical_function() == &seen.function;
      subject +=
          fmt::format(", {} {}", physical ? "physical function" : "bridge", seen.function.name());
    }
    const std::string_view name = seen.function.config().register_name(seen.offset);
    report(std::move(subject), "no write, or one with a listed reason",
           fmt::format("{} changes {}{}{:#x} from {:#x} to {:#x}", watch_.writer_of(seen), name,
                       name.empty() ? "offset " : ", offset ", seen.offset, seen.old_value,
                       seen.new_value),
           watch_.milestones());
  }
};

}  // namespace

std::unique_ptr<Checker> make_config_writes(Watch& watch) {
  return std::make_unique<ConfigWrites>(watch);
}

}  // namespace baton::harness
