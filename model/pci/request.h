// A memory request on its way through the fabric, and how it ended.
//
// One request covers at most one 4 KiB page; who wants more sends more requests. Everything that
// decides its fate (routing, bus master, translation, ownership of the page) is evaluated at the
// instant it is sent, so that a change in mid-transfer takes effect between pages. Payload size,
// tags and credits are part of the latency, not events of their own.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "sim/address.h"
#include "sim/time.h"

namespace baton::pci {

// Address type of a TLP [PCIe 10.2.1].
enum class AddressType : std::uint8_t {
  kUntranslated = 0,
  kTranslationRequest = 1,
  kTranslated = 2
};

struct MemoryRequest {
  std::uint32_t segment = 0;
  Bdf requester;  // captured bus and device number of the sender
  std::optional<Pasid> pasid;
  std::uint64_t address = 0;
  std::uint32_t length = 0;
  AddressType type = AddressType::kUntranslated;
  bool write = false;
  // How much of a write its sender puts into one packet; 0: all of it, it is not PCI Express.
  std::uint16_t payload_max = 0;
  bool poisoned = false;  // EP: the data of a write is known to be wrong [PCIe 2.7.2]
  // Of the PASID prefix, without meaning where there is none [PCIe 6.20.2.4, 6.20.2.5].
  bool privileged = false;
  bool execute = false;
};

// Completion status as the requester sees it. A posted write has no completion: its sender sees
// kSuccess whatever happened, and `stopped_at` tells the observer the truth.
enum class CompletionStatus : std::uint8_t {
  kSuccess,
  kUnsupportedRequest,
  kCompleterAbort,
  kTimeout
};

enum class Destination : std::uint8_t { kNowhere, kRam, kFunction, kInterrupt };

struct Completion {
  CompletionStatus status = CompletionStatus::kSuccess;
  Destination destination = Destination::kNowhere;
  PhysAddr address;             // where it ended, for kRam and kFunction
  sim::Duration latency;        // request to completion (read) or to global visibility (write)
  std::string_view stopped_at;  // what refused it, a static text; empty if it arrived

  bool arrived() const { return stopped_at.empty(); }
};

}  // namespace baton::pci
