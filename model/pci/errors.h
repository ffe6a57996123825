// Errors of PCI Express: what the function that detects one keeps of it in its registers, and which
// message it sends to the root [PCIe 6.2, figure 6-2; 7.8.4].
//
// Function::detect() does both. The message climbs through the bridges above (error_messages.h), is
// contained by a port with Downstream Port Containment (dpc.h), or ends in the root error registers
// of a root port or event collector (root_errors.h).
//
// Not modelled: errors of the link itself (bits 0, 6, 7, 8, 12 of the correctable, 4, 13, 17 of the
// uncorrectable ones), ECRC, TLP prefixes in the log, errors of configuration requests that nobody
// answers (they read as all ones; firmware and kernels have their reporting off while they look).
// The time until a completion timeout is noticed: it is logged when the completion got lost.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "model/pci/config_space.h"
#include "model/pci/request.h"

namespace baton::pci {

enum class Severity : std::uint8_t { kCorrectable, kNonFatal, kFatal };

// By the bit in the Uncorrectable Error registers.
enum class Uncorrectable : std::uint8_t {
  kPoisoned = 12,
  kCompletionTimeout = 14,
  kCompleterAbort = 15,
  kUnexpectedCompletion = 16,
  kMalformed = 18,
  kUnsupportedRequest = 20,
  kAcsViolation = 21,
};

std::string_view to_string(Severity severity);
std::string_view to_string(Uncorrectable error);

// What the error happened to.
struct ErrorCase {
  const MemoryRequest* request = nullptr;  // its header is logged; null: no packet at hand
  // Somebody else handles it: the requester of a refused read is told by its completion, the
  // receiver of poisoned data by the poison. Such errors are advisory where reporting is by role
  // [PCIe 6.2.3.2.4].
  bool advisory = false;
};

struct LoggedError {
  Severity severity = Severity::kNonFatal;  // as the severity register has it
  bool advisory = false;
  bool masked = false;
  std::optional<Severity> message;  // to be sent
};

// Logs it: Device Status, Status, Advanced Error Reporting. `express` and `aer` are the offsets of
// the capabilities, 0 for none.
LoggedError log_error(ConfigSpace& config, std::uint16_t express, std::uint16_t aer,
                      Uncorrectable error, const ErrorCase& about);

// The bytes of one packet that a Max_Payload_Size register allows; 0 without the capability.
std::uint16_t payload_max(const ConfigSpace& config, std::uint16_t express);

}  // namespace baton::pci
