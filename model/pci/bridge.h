// A bridge with a Type 1 header: root port, switch port, PCIe-to-PCI or conventional bridge
// [PCIe 7.5.1.3; PCI-to-PCI Bridge 1.2].
//
// It routes by what its registers hold at the instant of a request: bus numbers for configuration
// and completions, memory and prefetchable windows for memory, Command for both directions. While
// its secondary bus reset or link disable bit is set, nothing below answers.
//
// A link that goes down resets everything below it; by containment of an error a moment later, as
// the device that made the error is still busy with it.
//
// Not modelled: I/O transactions (the window registers exist), VGA and ISA decode, link training
// time, ACS egress control.
#pragma once

#include <cstdint>
#include <optional>

#include "model/pci/bus.h"
#include "model/pci/capability_fields.h"
#include "model/pci/dpc.h"
#include "model/pci/function.h"
#include "model/pci/port_link.h"
#include "model/pci/request.h"
#include "sim/event.h"

namespace baton::pci {

class Bridge final : public Function {
 public:
  Bridge(sim::Simulation& simulation, std::string name, ConfigSpace config);

  Bus& secondary_bus() { return secondary_bus_; }
  const Bus& secondary_bus() const { return secondary_bus_; }

  std::uint8_t primary() const { return static_cast<std::uint8_t>(config().get(0x18, 1)); }
  std::uint8_t secondary() const { return static_cast<std::uint8_t>(config().get(0x19, 1)); }
  std::uint8_t subordinate() const { return static_cast<std::uint8_t>(config().get(0x1A, 1)); }

  // A bus number below it.
  bool routes_bus(unsigned bus) const { return bus >= secondary() && bus <= subordinate(); }

  // [base, limit], both inclusive; nullopt when closed (base above limit).
  struct Window {
    std::uint64_t base = 0;
    std::uint64_t limit = 0;
    bool contains(std::uint64_t address) const { return address >= base && address <= limit; }
  };
  std::optional<Window> memory_window() const;
  std::optional<Window> prefetch_window() const;
  std::optional<Window> io_window() const;

  // A memory request from above with this address goes to its secondary side: Command.MSE, D0, and
  // one of its memory windows or none of them.
  bool claims_memory(std::uint64_t address) const;
  Claims claims() const override;

  // Nothing below answers: secondary bus reset or link disable is set, the slot has no power, or
  // the port contains an error.
  bool secondary_down() const;
  // Null without the capability.
  Dpc* dpc() { return dpc_ ? &*dpc_ : nullptr; }
  // How it refuses a request from above while nothing below answers.
  Completion refuse_from_above(const MemoryRequest& request);
  void on_contained() override;
  // The slot shows what is in it now, and gives it power, as firmware leaves it; a recording shows
  // what was in it.
  void show_slot();
  // What was below it has just been pulled out, and the slot says so.
  void lose_card();

  // nullopt: a conventional bridge.
  std::optional<PortType> port_type() const;
  // Root port or switch downstream port: one link below, device 0 only (unless ARI forwarding).
  bool is_downstream_port() const;
  bool ari_forwarding() const;
  std::uint16_t acs_control() const;  // 0 without the capability

  // It refuses a request from below: logged, with Secondary Status for reads that it aborts.
  void refuse(Uncorrectable error, const MemoryRequest& request);
  // Data known to be wrong arrived from below; `last`: at its destination.
  void note_poison(const MemoryRequest& request, bool last);
  // A read from the CPU that went through it was refused.
  void note_master_abort();

  // A reset that reaches the bridge reaches everything below it [PCIe 6.6.1].
  void reset(ResetKind kind) override;

 protected:
  void on_written(std::uint16_t offset, unsigned width, std::uint32_t value) override;
  bool contains(const LoggedError& error) override;

 private:
  void follow_link();
  void reset_below();
  void link_changed(bool up);
  bool anybody_below() const;

  std::uint16_t express_;
  std::uint16_t acs_;
  bool was_down_ = false;
  std::optional<PortLink> link_;
  std::optional<Dpc> dpc_;
  Bus secondary_bus_;
  sim::MemberEvent<&Bridge::reset_below> containment_;
};

}  // namespace baton::pci
