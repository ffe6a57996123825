// The PCI fabric of a host: root buses, bridges and functions, and the ways that configuration and
// memory requests take through them.
//
// Routing follows what the registers say at the instant of the request: bus numbers, windows,
// memory and bus master enables of every bridge on the way [PCIe 2.4.1; PCI-to-PCI bridge 1.2 ch
// 4].
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "model/pci/ats.h"
#include "model/pci/bridge.h"
#include "model/pci/bus.h"
#include "model/pci/config_routes.h"
#include "model/pci/decoder.h"
#include "model/pci/function.h"
#include "model/pci/request.h"

namespace baton::pci {

struct BarReached;

// What lies above the root buses: the remapping units, RAM, the interrupt logic. Implemented by
// model/host.
class RootComplex {
 public:
  virtual ~RootComplex() = default;
  // A memory request that has climbed to the root bus `from` sits on. `data` is filled by reads and
  // taken from by writes. The latency of the fabric below is added by the caller.
  // That of a translation request is its completion, 8 bytes (ats.h).
  virtual Completion request(const MemoryRequest& request, std::span<std::byte> data) = 0;
  // A Page Request message. Without a remapping unit nobody knows it.
  virtual void page_request(const PageRequest&) {}
};

// Latency of one hop, by the machine's timing table.
struct FabricTiming {
  sim::Duration link;        // device to root complex, one way
  sim::Duration per_bridge;  // added for every switch port or root port passed
};

// Linux numbers the domains of VMDs from here [linux drivers/pci/controller/vmd.c
// vmd_find_free_domain].
inline constexpr std::uint32_t kFirstOwnedSegment = 0x10000;

class Fabric {
 public:
  Fabric(sim::Simulation& simulation, RootComplex& root_complex, FabricTiming timing);
  ~Fabric();
  Fabric(const Fabric&) = delete;
  Fabric& operator=(const Fabric&) = delete;

  // Adds a root bus; the host bridge owns numbers [first, last] of the segment. Unused numbers at
  // the end of another host bridge's range are taken from it, as firmware would divide them.
  Bus& add_root_bus(std::uint32_t segment, std::uint8_t first, std::uint8_t last);
  // A domain behind `owner`, a function of this fabric: buses [first, last] of a segment above
  // those that firmware describes (kFirstOwnedSegment and up). Configuration requests reach it
  // while the owner decodes memory, for they come through its BAR; requests from below leave with
  // the owner's id, while it is a bus master. Addresses of a CPU reach nothing in it.
  Bus& add_domain(Function& owner, std::uint8_t first, std::uint8_t last);
  // Takes a function that is no bridge out of its slot, before anything runs.
  std::unique_ptr<Function> remove(Function& function);

  // The function gets another number on its bus, whose place is free, and runs on.
  void renumber(Function& function, unsigned device, unsigned number);
  // The root buses of two segments change the numbers of their segments.
  void swap_segments(std::uint32_t one, std::uint32_t other);

  std::span<const std::unique_ptr<Bus>> root_buses() const { return root_buses_; }

  // Adds a function on a bus; device 0..31, function 0..7. The slot must be free.
  Function& add(Bus& bus, unsigned device, unsigned function, std::unique_ptr<Function> owned);

  // Platform reset: every function into its power-on state, then the registers that firmware had
  // programmed when remember_firmware() was called, as the same firmware would program them again.
  void remember_firmware();
  // Every function captures its id, as after firmware's configuration writes.
  void capture_ids();
  void power_on_reset();

  // Every function, in order of root bus, then depth first.
  std::vector<Function*> functions() const;
  // By actor name; null if there is none.
  Function* find(std::string_view name) const;
  // Who answers a configuration request to this address now; null for nobody.
  Function* find(Sbdf address) const { return routes_.find(address); }
  // Whether a host bridge owns bus numbers of it.
  bool has_segment(decltype(Sbdf::segment) segment) const { return routes_.has_segment(segment); }

  // Configuration requests from a CPU: reads of nobody return all ones, writes to nobody vanish.
  std::uint32_t config_read(Sbdf address, std::uint16_t offset, unsigned width);
  void config_write(Sbdf address, std::uint16_t offset, unsigned width, std::uint32_t value);

  // Memory requests from a CPU, routed down by BARs and windows. Status Unsupported Request when
  // nobody claims the address (a read then returns all ones).
  Completion cpu_read(PhysAddr address, std::span<std::byte> to);
  Completion cpu_write(PhysAddr address, std::span<const std::byte> from);

  // A request from a function: upstream through every bridge above it, or peer to peer where a
  // bridge's windows claim it, or to the root complex. On its way the request may be somebody
  // else's; it comes back as it was.
  Completion request(Function& from, MemoryRequest& request, std::span<std::byte> data);
  // A Page Request message of a function. False: a link above is down.
  bool request_page(Function& from, const PageRequest& request);

  // Messages from the root complex to the function that an id routes to now. The way there;
  // nullopt: nobody, or a link on the way is down.
  std::optional<sim::Duration> distance(Sbdf target) const;

 private:
  friend class Bus;

  Bus& add_root(std::uint32_t segment, std::uint8_t first, std::uint8_t last, Decoder& decoder);
  bool reachable(Sbdf address) const;
  // A request from above on a bus: who claims its address takes it. nullopt: nobody.
  std::optional<Completion> route_down(Bus& bus, const MemoryRequest& request,
                                       std::span<std::byte> data, sim::Duration latency);
  // The function that has this claim takes it, unless it goes on beyond the function's BAR.
  std::optional<Completion> take(Function& function, const Claim& claim,
                                 const MemoryRequest& request, std::span<std::byte> data,
                                 sim::Duration latency);
  // The same without the index, from a device and function number on.
  std::optional<Completion> walk_down(Bus& bus, unsigned first_devfn, const MemoryRequest& request,
                                      std::span<std::byte> data, sim::Duration latency);
  Completion climb(Function& from, MemoryRequest& request, std::span<std::byte> data);
  Completion at_root(const MemoryRequest& request, std::span<std::byte> data,
                     sim::Duration latency);
  void route_completion(Function& from, const MemoryRequest& request, Bdf sender,
                        Completion& completion);
  Completion from_cpu(const MemoryRequest& request, std::span<std::byte> data);

  RootComplex& root_complex_;
  FabricTiming timing_;
  const sim::Topic<BarReached>& bar_reached_;
  Decoder root_decoder_;
  std::vector<std::unique_ptr<Decoder>> owned_decoders_;  // of domains behind functions
  std::vector<std::unique_ptr<Bus>> root_buses_;
  mutable ConfigRoutes routes_{root_buses_};  // what was found, remembered
};

}  // namespace baton::pci
