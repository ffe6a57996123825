#include "harness/record/function_outcomes.h"

#include <algorithm>
#include <array>

#include "model/devices/dsa/observations.h"
#include "model/devices/nvme/observations.h"
#include "model/iommu_vtd/observations.h"
#include "model/iommu_vtd/reasons.h"

namespace baton::harness {
namespace {

constexpr std::array kHarms{
    HarmRow{Harm::kUnsupportedRequest, "unsupported-request", "Unsupported Request"},
    HarmRow{Harm::kAcsViolation, "acs-violation", "ACS violation"},
    HarmRow{Harm::kLostCompletion, "lost-completion", "lost completion"},
    HarmRow{Harm::kRemappingFault, "remapping-fault", "remapping fault"},
    HarmRow{Harm::kSourceMismatch, "irte-mismatch", "IRTE mismatch"},
    HarmRow{Harm::kOtherRefusal, "other-refusal", "refused in another way"},
    HarmRow{Harm::kForeignMemory, "foreign-memory", "foreign memory"},
    HarmRow{Harm::kReset, "reset", "reset"},
    HarmRow{Harm::kStopped, "stopped", "stopped"},
};

Harm harm_of(const pci::Completion& completion, std::uint8_t interrupt_fault) {
  const std::string_view where = completion.stopped_at;
  if (where.starts_with("acs-")) return Harm::kAcsViolation;
  if (where == "completion-lost") return Harm::kLostCompletion;
  if (where == "iommu-fault") return Harm::kRemappingFault;
  if (where == "interrupt-remapping") {
    constexpr auto kMismatch = static_cast<std::uint8_t>(iommu_vtd::Reason::kSourceMismatch);
    return interrupt_fault == kMismatch ? Harm::kSourceMismatch : Harm::kRemappingFault;
  }
  const bool unsupported = where == "bus-master-off" || where == "bridge-bus-master-off" ||
                           where == "own-window" || where == "link-down" ||
                           where == "no-function-claims-address";
  return unsupported ? Harm::kUnsupportedRequest : Harm::kOtherRefusal;
}

}  // namespace

std::span<const HarmRow> harm_rows() { return kHarms; }

const HarmRow& row_of(Harm harm) { return *std::ranges::find(kHarms, harm, &HarmRow::harm); }

const HarmRow* harm_row(std::string_view id) {
  const auto found = std::ranges::find(kHarms, id, &HarmRow::id);
  return found == kHarms.end() ? nullptr : &*found;
}

void FunctionOutcomes::attach(Watch& watch, const Scenario& /*scenario*/) {
  watch_ = &watch;
  clock_.attach(watch);
  watch.at_begin([this] { begin(); });
  sim::Simulation& simulation = watch.simulation();
  simulation.topic<iommu_vtd::Fault>().subscribe([this](const iommu_vtd::Fault& seen) {
    // Published before the request that met it has ended.
    interrupt_fault_ = seen.reason;
  });
  simulation.topic<pci::RequestDone>().subscribe([this](const auto& o) { on_request(o); });
  simulation.topic<pci::FunctionReset>().subscribe(
      [this](const pci::FunctionReset& seen) { add(seen.function, Harm::kReset); });
  simulation.topic<devices::dsa::DeviceHalted>().subscribe(
      [this](const auto& seen) { add(seen.function, Harm::kStopped); });
  simulation.topic<devices::nvme::ControllerFailed>().subscribe(
      [this](const auto& seen) { add(seen.function, Harm::kStopped); });
}

void FunctionOutcomes::begin() {
  if (begun_) return;
  begun_ = true;
  for (const WatchedDevice& device : watch_->devices()) {
    const Sbdf id{device.function->location().segment, device.function->requester_id()};
    outcomes_.push_back({std::string(device.function->name()), sim::to_string(id), "", {}});
  }
}

void FunctionOutcomes::on_request(const pci::RequestDone& seen) {
  if (!begun_ || watch_->device(seen.function) == nullptr) return;
  if (seen.completion.stopped_at == "interrupt-dropped") return;
  if (!seen.completion.arrived())
    return add(seen.function, harm_of(seen.completion, interrupt_fault_));
  if (!watch_->jumped() || seen.completion.destination != pci::Destination::kRam) return;
  const auto meant = watch_->at_freeze(seen.function).find(Iova(seen.request.address));
  if (meant && *meant != seen.completion.address) add(seen.function, Harm::kForeignMemory);
}

void FunctionOutcomes::add(const pci::Function& function, Harm harm) {
  const WatchedDevice* device = watch_->device(function);
  if (!begun_ || device == nullptr) return;
  const auto index = static_cast<std::size_t>(device - watch_->devices().data());
  std::vector<HarmSeen>& harms = outcomes_[index].harms;
  if (std::ranges::count(harms, harm, &HarmSeen::harm) != 0) return;
  harms.push_back({harm, watch_->now(), std::string(clock_.phase())});
}

void FunctionOutcomes::finish() {
  for (std::size_t i = 0; i < outcomes_.size(); ++i) {
    const pci::Function& function = *watch_->devices()[i].function;
    outcomes_[i].after = sim::to_string(Sbdf{function.location().segment, function.requester_id()});
  }
}

}  // namespace baton::harness
