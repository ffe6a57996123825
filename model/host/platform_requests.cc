// Requests that have climbed to the root complex: through the remapping unit that is theirs, to
// RAM, to an interrupt, or down again to another function.
#include <algorithm>
#include <cstring>

#include "model/host/platform.h"

namespace baton::host {

namespace {

// FEEx_xxxx, all 64 bits compared [VT-d 3.14]: a write with higher bits set is ordinary DMA.
bool in_interrupt_range(std::uint64_t address) { return address >> 20 == 0xFEE; }

pci::Completion refused(const pci::MemoryRequest& request, std::string_view by,
                        sim::Duration latency) {
  return {.status = request.write ? pci::CompletionStatus::kSuccess
                                  : pci::CompletionStatus::kUnsupportedRequest,
          .destination = pci::Destination::kNowhere,
          .address = {},
          .latency = latency,
          .stopped_at = by};
}

}  // namespace

pci::Completion Platform::request(const pci::MemoryRequest& request, std::span<std::byte> data) {
  if (in_interrupt_range(request.address) && !request.pasid &&
      request.type == pci::AddressType::kUntranslated) {
    return interrupt_request(request, data);
  }
  iommu_vtd::RemappingUnit* unit = unit_of(request.segment, request.requester);
  if (unit == nullptr) {
    // Without a remapping unit the root complex knows no other address type and no PASID.
    if (request.pasid || request.type != pci::AddressType::kUntranslated) {
      return refused(request, "no-iommu", sim::Duration());
    }
    return host_access(request, PhysAddr(request.address), data, sim::Duration());
  }
  const iommu_vtd::Translation translation = unit->translate(request);
  if (request.type == pci::AddressType::kTranslationRequest) {
    return translation_completion(translation, data);
  }
  if (!translation.allowed) {
    return refused(request, "iommu-fault", translation.latency);
  }
  return translated_access(*unit, request, translation, data);
}

pci::Completion Platform::translated_access(iommu_vtd::RemappingUnit& unit,
                                            const pci::MemoryRequest& request,
                                            const iommu_vtd::Translation& translation,
                                            std::span<std::byte> data) {
  pci::Completion completion = host_access(request, translation.address, data, translation.latency);
  unit.under_way(request, completion.latency);
  return completion;
}

// "No translation" is an answer too: a completion without rights [PCIe 10.2.3].
pci::Completion Platform::translation_completion(const iommu_vtd::Translation& translation,
                                                 std::span<std::byte> data) {
  pci::Completion completion{.status = pci::CompletionStatus::kSuccess,
                             .destination = pci::Destination::kNowhere,
                             .address = {},
                             .latency = translation.latency,
                             .stopped_at = {}};
  if (!translation.allowed) {
    completion.status = translation.status;
    completion.stopped_at = "ats-refused";
    return completion;
  }
  pci::AtsTranslation answer{.address = translation.address.value(),
                             .bytes = translation.page_bytes,
                             .readable = translation.readable,
                             .writable = translation.writable};
  const std::uint64_t bytes = pci::encode(answer);
  std::memcpy(data.data(), &bytes, std::min(data.size(), sizeof(bytes)));
  return completion;
}

void Platform::page_request(const pci::PageRequest& request) {
  if (iommu_vtd::RemappingUnit* unit = unit_of(request.segment, request.requester)) {
    unit->page_request(request);
  }
}

std::optional<sim::Duration> DeviceTlbMessages::distance(Bdf function) {
  return fabric_.distance({segment_, function});
}

bool DeviceTlbMessages::invalidate(Bdf function, const pci::AtsInvalidation& invalidation) {
  pci::Function* target = fabric_.find(Sbdf{segment_, function});
  return target != nullptr && target->invalidate_translations(invalidation);
}

void DeviceTlbMessages::respond(Bdf function, const pci::PageResponse& response) {
  if (pci::Function* target = fabric_.find(Sbdf{segment_, function})) {
    target->on_page_response(response);
  }
}

pci::Completion Platform::interrupt_request(const pci::MemoryRequest& request,
                                            std::span<const std::byte> data) {
  if (!request.write || data.size() != 4 || request.address % 4 != 0) {
    return refused(request, "interrupt-range", sim::Duration());
  }
  std::uint32_t message = 0;
  std::memcpy(&message, data.data(), sizeof(message));
  pci::Completion completion{.status = pci::CompletionStatus::kSuccess,
                             .destination = pci::Destination::kInterrupt,
                             .address = PhysAddr(request.address),
                             .latency = sim::Duration(),
                             .stopped_at = {}};
  iommu_vtd::RemappingUnit* unit = unit_of(request.segment, request.requester);
  if (unit == nullptr) {
    interrupts_.send_compatibility(request.requester, request.address, message,
                                   config_.timing.interrupt_delivery);
    return completion;
  }
  const iommu_vtd::RemappedInterrupt remapped =
      unit->remap(request.requester, request.address, message);
  if (!remapped.allowed) {
    return refused(request, remapped.silenced ? "interrupt-dropped" : "interrupt-remapping",
                   remapped.latency);
  }
  completion.latency = remapped.latency;
  if (remapped.posted && !remapped.notifies) {
    return completion;
  }
  interrupts_.send({.source = request.requester,
                    .destination = remapped.destination,
                    .vector = remapped.vector,
                    .delivery_mode = remapped.delivery_mode},
                   remapped.latency + config_.timing.interrupt_delivery);
  return completion;
}

pci::Completion Platform::host_access(const pci::MemoryRequest& request, PhysAddr address,
                                      std::span<std::byte> data, sim::Duration latency) {
  if (is_dram(address)) {
    if (request.write) {
      memory_.write(address, data);
    } else {
      memory_.read(address, data);
    }
    return {.status = pci::CompletionStatus::kSuccess,
            .destination = pci::Destination::kRam,
            .address = address,
            .latency = latency + config_.timing.ram_access,
            .stopped_at = {}};
  }
  return peer_access(request, address, data, latency);
}

// Peer to peer through the root complex: down again by BARs and windows.
pci::Completion Platform::peer_access(const pci::MemoryRequest& request, PhysAddr address,
                                      std::span<std::byte> data, sim::Duration latency) {
  pci::Completion completion =
      request.write ? fabric_.cpu_write(address, data) : fabric_.cpu_read(address, data);
  if (completion.destination == pci::Destination::kNowhere) {
    return refused(request, "no-target", latency);
  }
  completion.latency += latency;
  return completion;
}

}  // namespace baton::host
