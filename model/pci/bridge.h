// A bridge with a Type 1 header: root port, switch port, PCIe-to-PCI or conventional bridge
// [PCIe 7.5.1.3; PCI-to-PCI Bridge 1.2].
//
// It routes by what its registers hold at the instant of a request: bus numbers for configuration
// and completions, memory and prefetchable windows for memory, Command for both directions. While
// its secondary bus reset or link disable bit is set, nothing below answers.
//
// Not modelled: I/O transactions (the window registers exist), VGA and ISA decode, link training
// time, ACS egress control, error messages to the root complex (errors stay in the registers of the
// port that found them), downstream port containment.
#pragma once

#include <cstdint>
#include <optional>

#include "model/pci/bus.h"
#include "model/pci/capability_fields.h"
#include "model/pci/function.h"
#include "model/pci/request.h"

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

  // Nothing below answers: secondary bus reset or link disable is set.
  bool secondary_down() const;

  // nullopt: a conventional bridge.
  std::optional<PortType> port_type() const;
  // Root port or switch downstream port: one link below, device 0 only (unless ARI forwarding).
  bool is_downstream_port() const;
  bool ari_forwarding() const;
  std::uint16_t acs_control() const;  // 0 without the capability

  // An error that the bridge found in a request from below, as its error registers keep it: Device
  // Status, Secondary Status and, with Advanced Error Reporting, the status bit, the first error's
  // number and its header [PCIe 6.2, 7.8.4].
  enum class Uncorrectable : std::uint8_t { kUnsupportedRequest = 20, kAcsViolation = 21 };
  void record_error(Uncorrectable error, const MemoryRequest& request);

  // A reset that reaches the bridge reaches everything below it [PCIe 6.6.1].
  void reset(ResetKind kind) override;

 protected:
  void on_config_write(std::uint16_t offset, unsigned width, std::uint32_t old_value,
                       std::uint32_t new_value) override;

 private:
  std::uint16_t express_;
  std::uint16_t acs_;
  std::uint16_t aer_;
  bool was_down_ = false;
  Bus secondary_bus_;
};

}  // namespace baton::pci
