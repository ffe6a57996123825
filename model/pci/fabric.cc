#include "model/pci/fabric.h"

#include <algorithm>

#include "model/pci/error_messages.h"
#include "model/pci/observations.h"
#include "model/pci/sriov.h"
#include "sim/check.h"

namespace baton::pci {
namespace {

// ACS Control bits [PCIe 7.7.11.3].
constexpr std::uint16_t kSourceValidation = 1U << 0;
constexpr std::uint16_t kTranslationBlocking = 1U << 1;
constexpr std::uint16_t kRequestRedirect = 1U << 2;
constexpr std::uint16_t kUpstreamForwarding = 1U << 4;
constexpr std::uint16_t kDirectTranslated = 1U << 6;

Completion stopped(std::string_view where, CompletionStatus status) {
  Completion completion;
  completion.status = status;
  completion.stopped_at = where;
  return completion;
}

Completion unsupported(std::string_view where) {
  return stopped(where, CompletionStatus::kUnsupportedRequest);
}

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

// What a bridge from another bus type puts in place of the requester's id [PCIe-to-PCI bridge 1.0,
// 2.3; linux drivers/pci/search.c, pci_for_each_dma_alias].
std::optional<Bdf> alias_of(const Bridge& bridge) {
  const auto type = bridge.port_type();
  if (type == PortType::kPcieToPciBridge) return Bdf(bridge.secondary(), 0, 0);
  if (!type) return bridge.requester_id();
  return std::nullopt;
}

// What a downstream port does with a request from its link before routing it [PCIe 6.12.1.1].
std::string_view acs_violation(const Bridge& port, const MemoryRequest& request) {
  const std::uint16_t acs = port.acs_control();
  if ((acs & kSourceValidation) != 0 && !port.routes_bus(request.requester.bus())) {
    return "acs-source-validation";
  }
  if ((acs & kTranslationBlocking) != 0 && request.type != AddressType::kUntranslated) {
    return "acs-translation-blocking";
  }
  return {};
}

// A packet with this much payload, as its sender cuts it, is larger than the receiver may take
// [PCIe 2.2.2].
bool oversized(std::uint32_t length, std::uint32_t sender_max, const Function& receiver) {
  const std::uint32_t largest = receiver.max_payload();
  return largest != 0 && sender_max != 0 && std::min(length, sender_max) > largest;
}

// Who finds the completion of a read from RAM malformed, on its way down: the root port sends as
// much in one packet as its own Max_Payload_Size allows. Null: nobody. AMBIGUOUS: a root complex
// may cut at the read completion boundary instead.
Function* receiver_of_oversized(Function& from, std::uint32_t length) {
  Bridge* root = from.bus()->bridge();
  if (root == nullptr) return nullptr;
  while (!root->bus()->is_root()) root = root->bus()->bridge();
  const std::uint32_t sent = root->max_payload();
  Function* found = oversized(length, sent, from) ? &from : nullptr;
  for (Bridge* bridge = from.bus()->bridge(); bridge != root; bridge = bridge->bus()->bridge()) {
    if (oversized(length, sent, *bridge) && !bridge->is_downstream_port()) found = bridge;
  }
  return found;
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

Completion Fabric::climb(Function& from, MemoryRequest& request, std::span<std::byte> data) {
  sim::Duration latency = timing_.link;
  Bus* bus = from.bus();
  bool redirected = false;  // by the port below
  while (Bridge* bridge = bus->bridge()) {
    if (bridge->secondary_down()) return unsupported("link-down");
    latency += timing_.per_bridge;
    const bool port = bridge->is_downstream_port();
    if (port && request.write && oversized(request.length, request.payload_max, *bridge)) {
      bridge->refuse(Uncorrectable::kMalformed, request);
      return stopped("malformed-packet", CompletionStatus::kTimeout);
    }
    if (port && request.poisoned) bridge->note_poison(request, bridge->bus()->is_root());
    if (!bridge->bus_master()) {
      bridge->refuse(Uncorrectable::kUnsupportedRequest, request);
      return unsupported("bridge-bus-master-off");
    }
    if (port) {
      if (const auto violation = acs_violation(*bridge, request); !violation.empty()) {
        bridge->refuse(Uncorrectable::kAcsViolation, request);
        return stopped(violation, CompletionStatus::kCompleterAbort);
      }
    }
    if (const auto alias = alias_of(*bridge)) request.requester = *alias;
    const std::uint16_t acs = port ? bridge->acs_control() : std::uint16_t{0};
    const bool translated = request.type == AddressType::kTranslated;
    if (request.type == AddressType::kTranslationRequest) {
      bus = bridge->bus();
      continue;  // for the root complex alone
    }
    // What a port below sent up on purpose goes on up through the upstream port [PCIe 6.12.3].
    const bool passes = redirected && bridge->port_type() == PortType::kUpstreamPort;
    if (!passes && bridge->claims_memory(request.address)) {
      if (!bridge->port_type()) {
        // On a conventional bus the target takes the request before the bridge sees it.
        const auto peer = route_down(*bus, request, data, latency);
        return peer ? *peer : unsupported("own-window");
      }
      if ((acs & kUpstreamForwarding) == 0) {
        bridge->refuse(Uncorrectable::kUnsupportedRequest, request);
        return unsupported("own-window");
      }
    }
    bus = bridge->bus();
    const bool redirect =
        (acs & kRequestRedirect) != 0 && !(translated && (acs & kDirectTranslated) != 0);
    redirected = redirect;
    if (bus->is_root() || redirect) continue;
    if (!bridge->claims_memory(request.address)) {
      if (const auto peer = route_down(*bus, request, data, latency)) return *peer;
    }
  }
  if (Function* owner = bus->owner()) {
    // The owner sends it on as its own.
    if (!owner->bus_master()) return unsupported("owner-bus-master-off");
    request.segment = owner->location().segment;
    request.requester = owner->requester_id();
    Completion completion = climb(*owner, request, data);
    completion.latency += latency;
    return completion;
  }
  if (request.poisoned) return stopped("poisoned", CompletionStatus::kSuccess);
  return at_root(request, data, latency);
}

// By itself, so that the completion is made where climb()'s caller wants it: a copy of what has
// just been written member by member waits until the page behind it has left the host's store
// buffer (docs/performance.md).
Completion Fabric::at_root(const MemoryRequest& request, std::span<std::byte> data,
                           sim::Duration latency) {
  Completion completion = root_complex_.request(request, data);
  completion.latency += latency;
  return completion;
}

Completion Fabric::request(Function& from, MemoryRequest& request, std::span<std::byte> data) {
  const std::uint32_t segment = request.segment;
  const Bdf sender = request.requester;
  Completion completion = climb(from, request, data);
  // A translation request that asks for write is answered like any other.
  if (request.write && request.type != AddressType::kTranslationRequest) {
    completion.status = CompletionStatus::kSuccess;  // posted: nobody tells the sender
  } else {
    route_completion(from, request, sender, completion);
    if (completion.stopped_at != "link-down") from.note_refusal(request, completion);
  }
  request.segment = segment;
  request.requester = sender;
  return completion;
}

// The completion of a read is routed by requester id through the bus numbers as they are now.
void Fabric::route_completion(Function& from, const MemoryRequest& request, Bdf sender,
                              Completion& completion) {
  if (!completion.arrived() && completion.status != CompletionStatus::kUnsupportedRequest) return;
  // What an owner sent for somebody below it comes back to the owner.
  if (request.segment != from.bus()->segment()) return;
  const bool aliased = request.requester != sender;
  const unsigned home = request.requester.bus();
  for (Bus* bus = from.bus(); bus != nullptr;
       bus = bus->bridge() ? bus->bridge()->bus() : nullptr) {
    const bool below = aliased && bus == from.bus();
    if (below || (home >= bus->number() && home <= bus->last())) continue;
    completion.status = CompletionStatus::kTimeout;
    completion.stopped_at = "completion-lost";
  }
  if (completion.stopped_at == "completion-lost") {
    // Somebody else may have the number now, who asked for nothing.
    Function* other = find(Sbdf{request.segment, request.requester});
    if (other != nullptr && other != &from && !other->config().is_bridge()) {
      other->detect(Uncorrectable::kUnexpectedCompletion, {.request = nullptr, .advisory = true});
    }
    return;
  }
  if (completion.destination != Destination::kRam) return;
  if (Function* receiver = receiver_of_oversized(from, request.length)) {
    receiver->detect(Uncorrectable::kMalformed, {});
    completion.status = CompletionStatus::kTimeout;
    completion.stopped_at = "malformed-completion";
  }
}

bool Fabric::request_page(Function& from, const PageRequest& request) {
  for (Bus* bus = from.bus(); bus->bridge() != nullptr; bus = bus->bridge()->bus()) {
    if (bus->bridge()->secondary_down()) return false;
  }
  root_complex_.page_request(request);
  return true;
}

std::optional<sim::Duration> Fabric::distance(Sbdf target) const {
  const Function* function = find(target);
  if (function == nullptr) return std::nullopt;
  sim::Duration way = timing_.link;
  for (const Bus* bus = function->bus(); bus->bridge() != nullptr; bus = bus->bridge()->bus()) {
    if (bus->bridge()->secondary_down()) return std::nullopt;
    way += timing_.per_bridge;
  }
  return way;
}

}  // namespace baton::pci
