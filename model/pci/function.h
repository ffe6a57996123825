// A PCI Express function: configuration space, memory BARs, the requests it sends.
//
// Hardware object: it lives from power-on to the end of the simulation and knows no kernel. Devices
// derive from it (model/devices); bridges are pci::Bridge; functions of an imported host whose
// device baton does not model answer configuration requests from the recorded bytes and let their
// BARs read as zero (ImportedFunction).
//
// A function that declares MSI-X gets its vector table and pending bits from here: accesses to
// those ranges of its BAR never reach memory_read() and memory_write().
//
// A function that declares address translation services and has them enabled asks the host for the
// translation of each page it uses, keeps it in its device-TLB until it is invalidated, and sends
// translated requests; its interrupt messages stay untranslated [PCIe 10.2]. A device that declares
// page requests may send them.
//
// Not modelled: INTx, I/O BARs as targets, the time that a reset takes (a function is ready at
// once).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "model/pci/config_space.h"
#include "model/pci/device_tlb.h"
#include "model/pci/errors.h"
#include "model/pci/msi.h"
#include "model/pci/msix.h"
#include "model/pci/request.h"
#include "model/pci/root_errors.h"
#include "sim/simulation.h"

namespace baton::pci {

class Fabric;
class Bus;
class Decoder;
class Sriov;
struct ConfigWritten;
struct RequestDone;
struct FunctionReset;
struct InterruptHeld;
struct InterruptRaised;

// A memory BAR that claims an address.
struct BarHit {
  unsigned bar = 0;
  std::uint64_t offset = 0;
};

// A range of addresses that a function takes from above; [first, last], both inclusive.
struct Claim {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  unsigned id = 0;  // BAR index 0..5; a bridge's windows

  static constexpr unsigned kMemoryWindow = 6;
  static constexpr unsigned kPrefetchWindow = 7;
  bool is_window() const { return id >= kMemoryWindow; }
  bool contains(std::uint64_t address) const { return address >= first && address <= last; }
};

class Claims {
 public:
  void add(const Claim& claim) { all_[count_++] = claim; }
  void clear() { count_ = 0; }
  const Claim* begin() const { return all_.data(); }
  const Claim* end() const { return all_.data() + count_; }

 private:
  std::array<Claim, 8> all_{};  // six BARs, two windows
  unsigned count_ = 0;
};

class Function : private RoutingListener {
 public:
  // `name` is the actor name, for example "dsa0" or "0000:00:03.0".
  Function(sim::Simulation& simulation, std::string name, ConfigSpace config);
  virtual ~Function();
  Function(const Function&) = delete;
  Function& operator=(const Function&) = delete;

  const std::string& name() const { return name_; }
  sim::ActorId actor() const { return actor_; }

  // Where configuration software reaches it now: its device and function number are wired, its bus
  // is the number its bus has at this instant.
  Sbdf location() const;
  Bus* bus() const { return bus_; }
  unsigned devfn() const { return device_ << 3 | function_; }

  // The bus and device number it captured from the last Type 0 configuration write, with its
  // function number: the requester id of everything it sends [PCIe 2.2.6.2]. Until the first
  // write after power-on or hot reset: 00:00.f.
  Bdf requester_id() const { return Bdf(captured_bus_, captured_device_, function_); }

  ConfigSpace& config() { return config_; }
  const ConfigSpace& config() const { return config_; }

  // A Type 0 configuration request addressed to it. Offsets are naturally aligned for the width
  // (1, 2, 4). A write captures `addressed_as` as the requester id.
  std::uint32_t config_read(std::uint16_t offset, unsigned width);
  void config_write(std::uint16_t offset, unsigned width, std::uint32_t value, Bdf addressed_as);

  bool memory_enabled() const;   // Command.MSE, in D0
  bool bus_master() const;       // Command.BME, in D0
  unsigned power_state() const;  // 0..3; 0 without a PM capability

  // What it claims now, in the order in which it is compared. A class whose claims depend on more
  // than Command, power state and BARs calls routing_changed() when they change.
  virtual Claims claims() const;
  // The BAR that claims `address`, while memory decode is on.
  std::optional<BarHit> decode(std::uint64_t address) const;

  // A memory request that reached one of its BARs: the MSI-X structures, or the device.
  void bar_read(BarHit hit, std::span<std::byte> to);
  void bar_write(BarHit hit, std::span<const std::byte> from);

  // The device's part of them. Default: reads zero, ignores writes.
  virtual void memory_read(BarHit hit, std::span<std::byte> to);
  virtual void memory_write(BarHit hit, std::span<const std::byte> from);

  // An Invalidate Request reached it. False: it has no translations enabled, so it does not answer.
  bool invalidate_translations(const AtsInvalidation& invalidation);
  // The response to a group of page requests reached it. Default: nothing.
  virtual void on_page_response(const PageResponse& response);
  // Null without address translation services.
  const DeviceTlb* device_tlb() const { return device_tlb_.get(); }
  bool translation_services_enabled() const;  // ATS Control.E

  // Puts it into the state that this reset leaves, then calls on_reset().
  virtual void reset(ResetKind kind);

  // Sends MSI-X vector `index` as a memory write, or sets its pending bit [PCIe 6.1.4]. False if
  // MSI-X is off or the function has none.
  bool signal_msix(unsigned index);
  // Sends interrupt message `index` by whichever of MSI-X and MSI is on. False if neither is.
  bool signal_message(unsigned index);
  // Null if the function has none.
  const Msix* msix() const { return msix_.get(); }

  // An error that it found [PCIe 6.2]: logged, told to the root where that is enabled. True if a
  // message was sent.
  enum class Reporting : std::uint8_t { kMessage, kLogOnly };
  bool detect(Uncorrectable error, const ErrorCase& about,
              Reporting reporting = Reporting::kMessage);
  // A request of its own was refused or its completion got lost: Status, and a timeout's error.
  void note_refusal(const MemoryRequest& request, const Completion& completion);
  // Bytes of one packet that it may send and receive; 0: not a PCI Express function.
  std::uint16_t max_payload() const { return payload_max(config_, express_); }
  std::uint32_t device_control() const;  // 0 without the capability
  // Null if it is no root port or event collector with the registers.
  RootErrors* root_errors() const { return root_errors_.get(); }

  // Null without the capability.
  const Sriov* sriov() const { return sriov_.get(); }
  Sriov* sriov() { return sriov_.get(); }
  bool is_virtual() const { return home_ != nullptr; }
  const Function* physical_function() const;  // of a virtual one, else null
  // Virtual function `index`, from 0, of this function. The default has registers that read as
  // zero.
  virtual std::unique_ptr<Function> make_virtual_function(unsigned index);

  // A port with containment took its link down.
  virtual void on_contained() {}

  sim::Simulation& simulation() const { return simulation_; }

 protected:
  // Sends a memory request upstream; `length` is data.size(), within one 4 KiB page. Bus master
  // off: nothing leaves, the completion is Unsupported Request, stopped_at "bus-master-off".
  // `services`: through the device-TLB, when it is enabled.
  enum class Services : std::uint8_t { kUse, kNone };
  Completion read(std::uint64_t address, std::span<std::byte> data,
                  const std::optional<Pasid>& pasid = {}, Services services = Services::kUse);
  Completion write(std::uint64_t address, std::span<const std::byte> data,
                   const std::optional<Pasid>& pasid = {}, Services services = Services::kUse);
  // The same of a request that says address, PASID and attributes; the rest of it is filled in.
  //
  // It is made once, and nobody on its way copies it: the host's processor reads a copy of what was
  // just written member by member only after the page that was moved before it has left its store
  // buffer, which took a fifth of the time of a page (docs/performance.md).
  Completion read(MemoryRequest& request, std::span<std::byte> data, Services services);
  Completion write(MemoryRequest& request, std::span<const std::byte> data, Services services);
  // A write whose data it knows to be wrong.
  Completion write_poisoned(std::uint64_t address, std::span<const std::byte> data);
  // Asks the host to make a page accessible; the answer comes to on_page_response(). False: page
  // requests are off.
  bool request_page(const PageRequest& request);

  // Called after a configuration write changed `offset..offset+width`.
  virtual void on_config_write(std::uint16_t offset, unsigned width, std::uint32_t old_value,
                               std::uint32_t new_value);
  // Called after it with what was written, for bits that start something and read as zero.
  virtual void on_written(std::uint16_t offset, unsigned width, std::uint32_t value);
  virtual void on_reset(ResetKind kind);
  // The error is contained: its message is not sent.
  virtual bool contains(const LoggedError& error);

  // A register by which requests are routed changed.
  void routing_changed(Routing what) override;

  sim::Simulation& simulation_;

 private:
  friend class Bus;
  friend class Decoder;
  friend class Fabric;
  friend class Sriov;

  Completion send(MemoryRequest& request, std::span<std::byte> data, Services services);
  Completion send_by(Services services, MemoryRequest& request, std::span<std::byte> data);
  Completion send_translated(const MemoryRequest& request, std::span<std::byte> data);
  Completion ask_for_translation(const MemoryRequest& request, AtsTranslation& translation);
  bool starts_reset(std::uint16_t offset, unsigned width, std::uint32_t value) const;
  std::uint32_t allowed_power_state(std::uint16_t offset, unsigned width, std::uint32_t old_value,
                                    std::uint32_t value) const;
  void find_error_reporting();
  void send_unmasked();
  void send_interrupt(std::uint64_t address, std::uint32_t data);

  std::string name_;
  sim::ActorId actor_;
  ConfigSpace config_;
  std::unique_ptr<Msix> msix_;
  std::optional<Msi> msi_;
  std::unique_ptr<DeviceTlb> device_tlb_;
  const sim::Topic<ConfigWritten>& config_written_;
  const sim::Topic<RequestDone>& request_done_;
  const sim::Topic<FunctionReset>& function_reset_;
  const sim::Topic<InterruptRaised>& interrupt_raised_;
  const sim::Topic<InterruptHeld>& interrupt_held_;
  std::uint16_t express_ = 0;
  std::uint16_t aer_ = 0;
  std::unique_ptr<RootErrors> root_errors_;
  std::unique_ptr<Sriov> sriov_;
  Sriov* home_ = nullptr;  // of a virtual function
  unsigned index_ = 0;     // from 0
  std::uint16_t pm_ = 0;
  std::uint16_t ats_ = 0;
  std::uint16_t pri_ = 0;
  Fabric* fabric_ = nullptr;
  Bus* bus_ = nullptr;
  unsigned device_ = 0;
  unsigned function_ = 0;
  std::uint8_t captured_bus_ = 0;
  std::uint8_t captured_device_ = 0;
  // What its bus's decoder knows of it.
  struct Decoded {
    std::uint32_t base = 0;
    bool changed = false;
    Claims claims{};
  };
  Decoded decoded_;
};

}  // namespace baton::pci
