// Requests of functions on their way up, what ports and bridges do with them, and their completions
// on the way down.
#include <algorithm>

#include "model/pci/error_messages.h"
#include "model/pci/fabric.h"
#include "model/pci/refusals.h"
#include "sim/check.h"

namespace baton::pci {
namespace {

// ACS Control bits [PCIe 7.7.11.3].
constexpr std::uint16_t kSourceValidation = 1U << 0;
constexpr std::uint16_t kTranslationBlocking = 1U << 1;
constexpr std::uint16_t kRequestRedirect = 1U << 2;
constexpr std::uint16_t kUpstreamForwarding = 1U << 4;
constexpr std::uint16_t kDirectTranslated = 1U << 6;

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

}  // namespace

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
