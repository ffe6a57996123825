// What a function sends: memory requests, through its device-TLB where that is on, and page
// requests; and what it notes of a completion that refuses it.
#include <array>
#include <bit>

#include "model/pci/bus.h"
#include "model/pci/fabric.h"
#include "model/pci/function.h"
#include "model/pci/observations.h"
#include "model/pci/offset.h"
#include "sim/check.h"

namespace baton::pci {

void Function::note_refusal(const MemoryRequest& request, const Completion& completion) {
  constexpr std::uint16_t kStatus = 0x06;
  constexpr std::uint32_t kReceivedTargetAbort = 1U << 12;
  constexpr std::uint32_t kReceivedMasterAbort = 1U << 13;
  switch (completion.status) {
    case CompletionStatus::kSuccess:
      return;
    case CompletionStatus::kUnsupportedRequest:
      config_.set(kStatus, 2, config_.get(kStatus, 2) | kReceivedMasterAbort);
      return;
    case CompletionStatus::kCompleterAbort:
      config_.set(kStatus, 2, config_.get(kStatus, 2) | kReceivedTargetAbort);
      return;
    case CompletionStatus::kTimeout:
      detect(Uncorrectable::kCompletionTimeout, {.request = &request});
      return;
  }
}

Completion Function::read(std::uint64_t address, std::span<std::byte> data,
                          const std::optional<Pasid>& pasid, Services services) {
  MemoryRequest request;
  request.address = address;
  if (pasid) request.pasid.emplace(*pasid);
  return read(request, data, services);
}

Completion Function::write(std::uint64_t address, std::span<const std::byte> data,
                           const std::optional<Pasid>& pasid, Services services) {
  MemoryRequest request;
  request.address = address;
  if (pasid) request.pasid.emplace(*pasid);
  return write(request, data, services);
}

Completion Function::read(MemoryRequest& request, std::span<std::byte> data, Services services) {
  request.length = static_cast<std::uint32_t>(data.size());
  request.write = false;
  return send(request, data, services);
}

Completion Function::write(MemoryRequest& request, std::span<const std::byte> data,
                           Services services) {
  request.length = static_cast<std::uint32_t>(data.size());
  request.write = true;
  // One signature carries both directions; nobody writes into the data of a write.
  return send(request, {const_cast<std::byte*>(data.data()), data.size()}, services);
}

Completion Function::write_poisoned(std::uint64_t address, std::span<const std::byte> data) {
  MemoryRequest request;
  request.address = address;
  request.poisoned = true;
  return write(request, data, Services::kUse);
}

Completion Function::send(MemoryRequest& request, std::span<std::byte> data, Services services) {
  BATON_CHECK(fabric_ != nullptr && bus_ != nullptr, "a request of a function on no bus");
  BATON_CHECK(!data.empty() && (request.address & 0xFFF) + data.size() <= 4096,
              "a request crosses a page");
  request.segment = bus_->segment();
  request.requester = requester_id();
  request.payload_max = max_payload();
  const Completion completion = send_by(services, request, data);
  if (request_done_.active()) request_done_.publish({*this, request, completion, data});
  return completion;
}

Completion Function::send_by(Services services, MemoryRequest& request, std::span<std::byte> data) {
  if (!bus_master()) {
    Completion completion;
    completion.status = CompletionStatus::kUnsupportedRequest;
    completion.stopped_at = "bus-master-off";
    return completion;
  }
  return services == Services::kUse && translation_services_enabled()
             ? send_translated(request, data)
             : fabric_->request(*this, request, data);
}

// Address translation services.

bool Function::translation_services_enabled() const {
  constexpr std::uint32_t kEnable = 1U << 15;
  return device_tlb_ != nullptr && (config_.get(plus(ats_, 6), 2) & kEnable) != 0;
}

// Through the device-TLB, or after a translation request [PCIe 10.2.2, 10.2.3]. What the host does
// not translate is not sent: unlike a posted write that a host drops, the device knows.
Completion Function::send_translated(const MemoryRequest& request, std::span<std::byte> data) {
  sim::Duration asked;
  const auto allows = [&](const AtsTranslation& t) {
    return request.write ? t.writable : t.readable;
  };
  AtsTranslation translation;
  const AtsTranslation* known = device_tlb_->find(request.pasid, request.address);
  if (known != nullptr && allows(*known)) {
    translation = *known;
  } else {
    Completion answer = ask_for_translation(request, translation);
    if (!answer.arrived()) return answer;
    asked = answer.latency;
    if (translation.readable || translation.writable) {
      device_tlb_->insert(request.pasid, request.address, translation);
    }
    if (!allows(translation)) {
      answer.status = CompletionStatus::kUnsupportedRequest;
      answer.stopped_at = "ats-no-translation";
      return answer;
    }
  }
  MemoryRequest translated = request;
  translated.type = AddressType::kTranslated;
  translated.pasid.reset();
  translated.address = translation.address + (request.address & (translation.bytes - 1));
  Completion completion = fabric_->request(*this, translated, data);
  completion.latency += asked;
  return completion;
}

// Asks for what this access needs: write permission only for writes (the NW flag).
Completion Function::ask_for_translation(const MemoryRequest& request,
                                         AtsTranslation& translation) {
  std::uint64_t answer = 0;
  MemoryRequest ask = request;
  ask.type = AddressType::kTranslationRequest;
  ask.address = request.address & ~std::uint64_t{0xFFF};
  ask.length = sizeof(answer);
  Completion completion =
      fabric_->request(*this, ask, std::as_writable_bytes(std::span(&answer, 1)));
  translation = decode_ats_translation(answer);
  return completion;
}

bool Function::invalidate_translations(const AtsInvalidation& invalidation) {
  if (!translation_services_enabled()) return false;
  device_tlb_->invalidate(invalidation);
  return true;
}

void Function::on_page_response(const PageResponse&) {}

bool Function::request_page(const PageRequest& request) {
  constexpr std::uint32_t kEnable = 1;
  BATON_CHECK(fabric_ != nullptr && bus_ != nullptr, "a request of a function on no bus");
  if (pri_ == 0 || (config_.get(plus(pri_, 4), 2) & kEnable) == 0) return false;
  PageRequest complete = request;
  complete.segment = bus_->segment();
  complete.requester = requester_id();
  return fabric_->request_page(*this, complete);
}

}  // namespace baton::pci
