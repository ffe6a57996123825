#include "model/pci/errors.h"
#include "model/pci/offset.h"

#include <algorithm>
#include <array>

namespace baton::pci {
namespace {

// Advanced Error Reporting [PCIe 7.8.4].
constexpr unsigned kStatus = 0x04;
constexpr unsigned kMask = 0x08;
constexpr unsigned kSeverity = 0x0C;
constexpr unsigned kCorrectableStatus = 0x10;
constexpr unsigned kCorrectableMask = 0x14;
constexpr unsigned kControl = 0x18;  // First Error Pointer in [4:0]
constexpr unsigned kHeaderLog = 0x1C;
constexpr std::uint32_t kAdvisoryNonFatal = 1U << 13;  // Correctable Error Status
// Of a function without the capability [PCIe table 6-5; the register's default].
constexpr std::uint32_t kFatalByDefault = 0x00462030;

// PCI Express capability [PCIe 7.5.3].
constexpr unsigned kDeviceCapabilities = 0x04;
constexpr unsigned kDeviceControl = 0x08;
constexpr unsigned kDeviceStatus = 0x0A;
constexpr std::uint32_t kRoleBased = 1U << 15;
constexpr std::uint32_t kUnsupportedBit = 1U << 3;  // Device Status, and its reporting enable

constexpr std::uint16_t kCommand = 0x04;
constexpr std::uint16_t kPciStatus = 0x06;
constexpr std::uint32_t kSerrEnable = 1U << 8;
constexpr std::uint32_t kSignaledSystemError = 1U << 14;

void set_bits(ConfigSpace& config, std::uint16_t offset, unsigned bytes, std::uint32_t bits) {
  config.set(offset, bytes, config.get(offset, bytes) | bits);
}

// The four header double words of the first packet of a memory request [PCIe 2.2.7]. A write is cut
// at the sender's Max_Payload_Size, a read is one packet; tags are not modelled and read as 0.
std::array<std::uint32_t, 4> header_of(const MemoryRequest& request) {
  const bool wide = request.address >> 32 != 0;
  const std::uint32_t bytes = request.write && request.payload_max != 0
                                  ? std::min<std::uint32_t>(request.length, request.payload_max)
                                  : request.length;
  const auto first = static_cast<std::uint32_t>(request.address & 3);
  const std::uint32_t words = (first + bytes + 3) / 4;
  const std::uint32_t past = (first + bytes) % 4;  // bytes used of the last word; 0: all
  const std::uint32_t last_enable = past == 0 ? 0xF : (1U << past) - 1;
  const std::uint32_t first_enable = 0xF << first & 0xF;
  const std::uint32_t enables =
      words == 1 ? first_enable & last_enable : last_enable << 4 | first_enable;
  const std::uint32_t format = (request.write ? 2U : 0U) | (wide ? 1U : 0U);
  const std::uint32_t poison = request.poisoned ? 1U << 14 : 0U;
  std::array<std::uint32_t, 4> header{};
  header[0] =
      format << 29 | poison | static_cast<std::uint32_t>(request.type) << 10 | (words & 0x3FF);
  header[1] = std::uint32_t{request.requester.value()} << 16 | enables;
  const auto low = static_cast<std::uint32_t>(request.address & 0xFFFFFFFC);
  header[2] = wide ? static_cast<std::uint32_t>(request.address >> 32) : low;
  header[3] = wide ? low : 0;
  return header;
}

// Status, and with the first error that is not masked its number and header, which stay until
// software clears its status bit [PCIe 6.2.4.2]. False: masked.
bool log_uncorrectable(ConfigSpace& config, std::uint16_t aer, Uncorrectable error,
                       const ErrorCase& about) {
  const std::uint32_t bit = 1U << static_cast<unsigned>(error);
  const std::uint32_t mask = config.get(plus(aer, kMask), 4);
  const std::uint32_t before = config.get(plus(aer, kStatus), 4);
  const std::uint32_t control = config.get(plus(aer, kControl), 4);
  config.set(plus(aer, kStatus), 4, before | bit);
  if ((mask & bit) != 0) return false;
  const bool holds = (before & ~mask & 1U << (control & 0x1F)) != 0;
  if (holds) return true;
  config.set(plus(aer, kControl), 4, (control & ~0x1FU) | static_cast<std::uint32_t>(error));
  std::array<std::uint32_t, 4> header{};
  if (about.request != nullptr) header = header_of(*about.request);
  for (unsigned i = 0; i < header.size(); ++i) {
    config.set(plus(aer, kHeaderLog + 4 * i), 4, header[i]);
  }
  return true;
}

// Device Control's enables for one severity, in the order of Severity; an Unsupported Request needs
// its own enable too. Command.SERR# Enable stands for both of them, but not for correctable errors.
bool reports(const ConfigSpace& config, std::uint16_t express, Severity severity,
             bool unsupported) {
  const std::uint32_t control = express == 0 ? 0 : config.get(plus(express, kDeviceControl), 2);
  const bool serr = (config.get(kCommand, 2) & kSerrEnable) != 0;
  const bool enabled = (control >> static_cast<unsigned>(severity) & 1) != 0 &&
                       (!unsupported || (control & kUnsupportedBit) != 0);
  return enabled || (serr && severity != Severity::kCorrectable);
}

}  // namespace

std::string_view to_string(Severity severity) {
  switch (severity) {
    case Severity::kCorrectable:
      return "ERR_COR";
    case Severity::kNonFatal:
      return "ERR_NONFATAL";
    case Severity::kFatal:
      return "ERR_FATAL";
  }
  return {};
}

std::string_view to_string(Uncorrectable error) {
  switch (error) {
    case Uncorrectable::kPoisoned:
      return "Poisoned TLP Received";
    case Uncorrectable::kCompletionTimeout:
      return "Completion Timeout";
    case Uncorrectable::kCompleterAbort:
      return "Completer Abort";
    case Uncorrectable::kUnexpectedCompletion:
      return "Unexpected Completion";
    case Uncorrectable::kMalformed:
      return "Malformed TLP";
    case Uncorrectable::kUnsupportedRequest:
      return "Unsupported Request";
    case Uncorrectable::kAcsViolation:
      return "ACS Violation";
  }
  return {};
}

std::uint16_t payload_max(const ConfigSpace& config, std::uint16_t express) {
  constexpr std::uint32_t kLargest = 5;  // 4096 bytes; 6 and 7 are reserved
  if (express == 0) return 0;
  const std::uint32_t size = config.get(plus(express, kDeviceControl), 2) >> 5 & 7;
  return static_cast<std::uint16_t>(128U << std::min(size, kLargest));
}

LoggedError log_error(ConfigSpace& config, std::uint16_t express, std::uint16_t aer,
                      Uncorrectable error, const ErrorCase& about) {
  const std::uint32_t bit = 1U << static_cast<unsigned>(error);
  const std::uint32_t fatal = aer == 0 ? kFatalByDefault : config.get(plus(aer, kSeverity), 4);
  const bool by_role =
      express != 0 && (config.get(plus(express, kDeviceCapabilities), 4) & kRoleBased) != 0;
  const bool unsupported = error == Uncorrectable::kUnsupportedRequest;

  LoggedError logged;
  logged.severity = (fatal & bit) != 0 ? Severity::kFatal : Severity::kNonFatal;
  logged.advisory = about.advisory && by_role && logged.severity == Severity::kNonFatal;
  const Severity told = logged.advisory ? Severity::kCorrectable : logged.severity;
  if (express != 0) {
    set_bits(config, plus(express, kDeviceStatus), 2,
             1U << static_cast<unsigned>(told) | (unsupported ? kUnsupportedBit : 0U));
  }
  if (logged.advisory) {
    // Without Advanced Error Reporting nothing is sent.
    logged.masked =
        aer == 0 || (config.get(plus(aer, kCorrectableMask), 4) & kAdvisoryNonFatal) != 0;
    if (aer != 0) set_bits(config, plus(aer, kCorrectableStatus), 4, kAdvisoryNonFatal);
    if (!logged.masked) static_cast<void>(log_uncorrectable(config, aer, error, about));
  } else if (aer != 0) {
    logged.masked = !log_uncorrectable(config, aer, error, about);
  }
  if (logged.masked || !reports(config, express, told, unsupported)) return logged;
  logged.message = told;
  if (told != Severity::kCorrectable && (config.get(kCommand, 2) & kSerrEnable) != 0) {
    set_bits(config, kPciStatus, 2, kSignaledSystemError);
  }
  return logged;
}

}  // namespace baton::pci
