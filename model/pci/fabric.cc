#include "model/pci/fabric.h"

#include <algorithm>

#include "model/pci/error_messages.h"
#include "model/pci/observations.h"
#include "model/pci/refusals.h"
#include "model/pci/sriov.h"
#include "sim/check.h"

namespace baton::pci {
namespace {

void collect(const Bus& bus, std::vector<Function*>& into) {
  bus.for_each([&](Function& function) {
    into.push_back(&function);
    if (auto* bridge = dynamic_cast<Bridge*>(&function)) collect(bridge->secondary_bus(), into);
  });
}

unsigned highest_used(const Bus& root) {
  unsigned highest = root.number();
  root.for_each([&](const Function& function) {
    const auto* bridge = dynamic_cast<const Bridge*>(&function);
    if (bridge != nullptr) highest = std::max<unsigned>(highest, bridge->subordinate());
  });
  return highest;
}

// Data known to be wrong reached its destination, which does not use it.
Completion refuse_poisoned(Function& target, const MemoryRequest& request) {
  constexpr std::uint16_t kStatus = 0x06;
  constexpr std::uint32_t kDetectedParityError = 1U << 15;
  target.config().set(kStatus, 2, target.config().get(kStatus, 2) | kDetectedParityError);
  target.detect(Uncorrectable::kPoisoned, {.request = &request});
  return stopped("poisoned", CompletionStatus::kSuccess);
}

}  // namespace

Fabric::Fabric(sim::Simulation& simulation, RootComplex& root_complex, FabricTiming timing)
    : root_complex_(root_complex), timing_(timing), bar_reached_(simulation.topic<BarReached>()) {}

Fabric::~Fabric() = default;

Bus& Fabric::add_root_bus(std::uint32_t segment, std::uint8_t first, std::uint8_t last) {
  BATON_CHECK(first <= last, "a host bridge without bus numbers");
  for (const auto& root : root_buses_) {
    if (root->segment() != segment) continue;
    if (first > root->number() && first <= root->last() && highest_used(*root) < first) {
      root->last_ = static_cast<std::uint8_t>(first - 1);
    }
    BATON_CHECK(first > root->last() || last < root->number(),
                "two host bridges share bus numbers");
  }
  return add_root(segment, first, last, root_decoder_);
}

Bus& Fabric::add_root(std::uint32_t segment, std::uint8_t first, std::uint8_t last,
                      Decoder& decoder) {
  root_buses_.push_back(std::make_unique<Bus>(segment, first, last, decoder));
  root_buses_.back()->uid_ = static_cast<std::uint32_t>(root_buses_.size() - 1);
  routes_.changed();
  return *root_buses_.back();
}

Bus& Fabric::add_domain(Function& owner, std::uint8_t first, std::uint8_t last) {
  std::uint32_t segment = kFirstOwnedSegment;
  for (const auto& root : root_buses_) segment = std::max(segment, root->segment() + 1);
  owned_decoders_.push_back(std::make_unique<Decoder>());
  Bus& bus = add_root(segment, first, last, *owned_decoders_.back());
  bus.owner_ = &owner;
  return bus;
}

Function& Fabric::add(Bus& bus, unsigned device, unsigned function,
                      std::unique_ptr<Function> owned) {
  return bus.attach(*this, device, function, std::move(owned));
}

std::vector<Function*> Fabric::functions() const {
  std::vector<Function*> all;
  for (const auto& root : root_buses_) collect(*root, all);
  return all;
}

std::unique_ptr<Function> Fabric::remove(Function& function) {
  BATON_CHECK(function.bus() != nullptr, "a function that is on no bus");
  return function.bus()->detach(function);
}

void Fabric::renumber(Function& function, unsigned device, unsigned number) {
  function.bus()->renumber(function, device, number);
}

void Fabric::swap_segments(std::uint32_t one, std::uint32_t other) {
  for (const auto& root : root_buses_) {
    if (root->segment_ == one || root->segment_ == other) {
      root->segment_ = root->segment_ == one ? other : one;
    }
  }
  routes_.changed();
}

void Fabric::remember_firmware() {
  for (Function* function : functions()) function->config().remember_firmware();
}

void Fabric::power_on_reset() {
  for (const auto& root : root_buses_) root->reset(ResetKind::kPowerOn);
  for (Function* function : functions()) {
    function->config().restore_firmware();
    if (function->sriov_ != nullptr) function->sriov_->look();  // firmware's virtual functions
  }
  capture_ids();
}

void Fabric::capture_ids() {
  for (Function* function : functions()) {
    const Bdf place = function->location().bdf;
    function->captured_bus_ = static_cast<std::uint8_t>(place.bus());
    function->captured_device_ = static_cast<std::uint8_t>(place.device());
  }
}

Function* Fabric::find(std::string_view name) const {
  for (Function* function : functions()) {
    if (function->name() == name) return function;
  }
  return nullptr;
}

bool Fabric::reachable(Sbdf address) const {
  return address.segment < kFirstOwnedSegment || std::ranges::all_of(
                                                     root_buses_,
                                                     [&](const auto& root) {
                                                       return root->owner() == nullptr ||
                                                              root->segment() != address.segment ||
                                                              root->owner()->memory_enabled();
                                                     });
}

std::uint32_t Fabric::config_read(Sbdf address, std::uint16_t offset, unsigned width) {
  Function* function = reachable(address) ? find(address) : nullptr;
  if (function == nullptr) return width == 4 ? 0xFFFFFFFF : (1U << (8 * width)) - 1;
  return function->config_read(offset, width);
}

void Fabric::config_write(Sbdf address, std::uint16_t offset, unsigned width, std::uint32_t value) {
  if (Function* function = reachable(address) ? find(address) : nullptr) {
    function->config_write(offset, width, value, address.bdf);
  }
}

std::optional<Completion> Fabric::take(Function& function, const Claim& claim,
                                       const MemoryRequest& request, std::span<std::byte> data,
                                       sim::Duration latency) {
  if (!claim.is_window()) {
    const BarHit hit{claim.id, request.address - claim.first};
    if (hit.offset + data.size() > function.config().bar(hit.bar).size) return std::nullopt;
    if (request.poisoned) return refuse_poisoned(function, request);
    Completion completion;
    completion.destination = Destination::kFunction;
    completion.address = PhysAddr(request.address);
    completion.latency = latency;
    request.write ? function.bar_write(hit, data) : function.bar_read(hit, data);
    if (bar_reached_.active()) [[unlikely]] {
      bar_reached_.publish({function, hit.bar, hit.offset, request.write, data});
    }
    return completion;
  }
  auto& bridge = static_cast<Bridge&>(function);
  if (bridge.secondary_down()) return bridge.refuse_from_above(request);
  Bus& bus = bridge.secondary_bus();
  if (const auto below = route_down(bus, request, data, latency + timing_.per_bridge)) return below;
  detect_unclaimed(bus, {.request = &request, .advisory = !request.write});
  return unsupported("no-function-claims-address");
}

std::optional<Completion> Fabric::walk_down(Bus& bus, unsigned first_devfn,
                                            const MemoryRequest& request, std::span<std::byte> data,
                                            sim::Duration latency) {
  for (unsigned devfn = first_devfn; devfn < 256; ++devfn) {
    Function* function = bus.at_devfn(devfn);
    if (function == nullptr) continue;
    const Claims claims = function->claims();
    const auto claim = std::ranges::find_if(
        claims, [&](const Claim& each) { return each.contains(request.address); });
    if (claim == claims.end()) continue;
    if (auto completion = take(*function, *claim, request, data, latency)) return completion;
  }
  return std::nullopt;
}

std::optional<Completion> Fabric::route_down(Bus& bus, const MemoryRequest& request,
                                             std::span<std::byte> data, sim::Duration latency) {
  const auto found = bus.decoder().find(request.address);
  if (!found) return std::nullopt;
  const unsigned next = found->function->devfn() + 1;
  const auto completion = take(*found->function, *found->claim, request, data, latency);
  return completion ? completion : walk_down(bus, next, request, data, latency);
}

Completion Fabric::from_cpu(const MemoryRequest& request, std::span<std::byte> data) {
  const auto found = root_decoder_.find(request.address);
  if (!found) return unsupported("no-function-claims-address");
  Function& first = *found->function;
  const bool through_bridge = found->claim->is_window();
  const std::size_t order = first.bus()->order();
  auto completion = take(*found->function, *found->claim, request, data, timing_.link);
  for (const auto& root : root_buses_) {
    if (completion) break;
    if (root->owner() != nullptr || root->order() < order) continue;
    const unsigned next = root->order() == order ? found->function->devfn() + 1 : 0;
    completion = walk_down(*root, next, request, data, timing_.link);
  }
  if (!completion) return unsupported("no-function-claims-address");
  if (through_bridge && !request.write && !completion->arrived() &&
      completion->stopped_at != "contained") {
    static_cast<Bridge&>(first).note_master_abort();
  }
  return *completion;
}

Completion Fabric::cpu_read(PhysAddr address, std::span<std::byte> to) {
  MemoryRequest request;
  request.address = address.value();
  request.length = static_cast<std::uint32_t>(to.size());
  const Completion completion = from_cpu(request, to);
  if (!completion.arrived()) std::ranges::fill(to, std::byte{0xFF});
  return completion;
}

Completion Fabric::cpu_write(PhysAddr address, std::span<const std::byte> from) {
  MemoryRequest request;
  request.address = address.value();
  request.length = static_cast<std::uint32_t>(from.size());
  request.write = true;
  // Routing has one signature for both directions; nobody writes into the data of a write.
  return from_cpu(request, {const_cast<std::byte*>(from.data()), from.size()});
}

}  // namespace baton::pci
