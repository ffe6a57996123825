#include "model/pci/root_errors.h"

#include "model/pci/function.h"
#include "model/pci/observations.h"

namespace baton::pci {
namespace {

constexpr unsigned kRootCommand = 0x2C;
constexpr unsigned kRootStatus = 0x30;
constexpr unsigned kSources = 0x34;  // [15:0] correctable, [31:16] uncorrectable

// Root Error Status.
constexpr std::uint32_t kCorrectable = 1U << 0;
constexpr std::uint32_t kMultipleCorrectable = 1U << 1;
constexpr std::uint32_t kUncorrectable = 1U << 2;
constexpr std::uint32_t kMultipleUncorrectable = 1U << 3;
constexpr std::uint32_t kFirstFatal = 1U << 4;
constexpr std::uint32_t kNonFatal = 1U << 5;
constexpr std::uint32_t kFatal = 1U << 6;

}  // namespace

RootErrors::RootErrors(Function& owner, std::uint16_t aer) : aer_(aer), owner_(owner) {}

void RootErrors::receive(Severity severity, Bdf source) {
  ConfigSpace& config = owner_.config();
  const auto status_at = static_cast<std::uint16_t>(aer_ + kRootStatus);
  const auto sources_at = static_cast<std::uint16_t>(aer_ + kSources);
  std::uint32_t status = config.get(status_at, 4);
  std::uint32_t sources = config.get(sources_at, 4);
  if (severity == Severity::kCorrectable) {
    if ((status & kCorrectable) != 0) {
      status |= kMultipleCorrectable;
    } else {
      status |= kCorrectable;
      sources = (sources & 0xFFFF0000) | source.value();
    }
  } else {
    const bool fatal = severity == Severity::kFatal;
    if ((status & kUncorrectable) != 0) {
      status |= kMultipleUncorrectable;
    } else {
      status |= kUncorrectable | (fatal ? kFirstFatal : 0U);
      sources = (sources & 0xFFFF) | std::uint32_t{source.value()} << 16;
    }
    status |= fatal ? kFatal : kNonFatal;
  }
  config.set(status_at, 4, status);
  config.set(sources_at, 4, sources);
  auto& topic = owner_.simulation().topic<ErrorMessageReceived>();
  if (topic.active()) topic.publish({owner_, severity, source});
  look();
}

void RootErrors::look() {
  const ConfigSpace& config = owner_.config();
  const std::uint32_t status = config.get(static_cast<std::uint16_t>(aer_ + kRootStatus), 4);
  const std::uint32_t enables = config.get(static_cast<std::uint16_t>(aer_ + kRootCommand), 4);
  const bool raised = ((enables & 1) != 0 && (status & kCorrectable) != 0) ||
                      ((enables & 2) != 0 && (status & kNonFatal) != 0) ||
                      ((enables & 4) != 0 && (status & kFatal) != 0);
  const bool rose = raised && !raised_;
  raised_ = raised;
  if (rose) static_cast<void>(owner_.signal_message(status >> 27));
}

}  // namespace baton::pci
