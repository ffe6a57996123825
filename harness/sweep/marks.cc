#include "harness/sweep/marks.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "harness/scenario/invariant_rows.h"
#include "model/devices/dsa/observations.h"
#include "model/devices/nvme/observations.h"
#include "model/iommu_vtd/observations.h"
#include "model/vmm/observations.h"

namespace baton::harness {
namespace {

constexpr std::array kMarks{
    MarkRow{"preserve", "a file was put into a session"},
    MarkRow{"freeze", "a reboot with something preserved began"},
    MarkRow{"kexec", "a kernel jumped to the next"},
    MarkRow{"retrieve", "the next kernel gave a file back"},
    MarkRow{"finish", "a handover was finished"},
    MarkRow{"cold-reboot", "the platform was reset"},
    MarkRow{"panic", "a kernel stopped with a panic"},
    MarkRow{"unpreserved", "a preservation was taken back"},
    MarkRow{"refused-step", "a step of a VMM or of luod was refused"},
    MarkRow{"refused-order", "an order of the operator was refused"},
    MarkRow{"guest-resumed", "a guest went on in another kernel than it was paused in"},
    MarkRow{"guest-anew", "a guest started anew after a jump"},
    MarkRow{"dma-without-kernel", "a device of a VM wrote to memory while there was no kernel"},
    MarkRow{"dma-during-boot", "it wrote to memory between the jump and the finish"},
    MarkRow{"dma-refused", "a request of a device of a VM did not arrive"},
    MarkRow{"peer-to-peer", "a request of a device of a VM reached another function"},
    MarkRow{"remapping-fault", "a remapping unit refused a request or an interrupt"},
    MarkRow{"interrupt-without-kernel", "an interrupt message was sent while there was no kernel"},
    MarkRow{"interrupt-nobody", "an interrupt was delivered to nobody"},
    MarkRow{"interrupt-held", "a device had an interrupt to send and MSI-X was off"},
    MarkRow{"device-reset", "a device of a VM was reset"},
    MarkRow{"device-stopped", "a device of a VM stopped for good"},
    MarkRow{"config-write-carried", "a device that is handed over got a configuration write"},
    MarkRow{"error-message", "an error message reached the root"},
    MarkRow{"containment", "a port contained an error"},
    MarkRow{"link-changed", "a link went down or up"},
    MarkRow{"host-changed", "somebody changed the host between two kernels"},
};

// The place of a row, known when this is compiled; a mark without one does not compile.
consteval std::size_t at(std::string_view id) {
  std::size_t index = 0;
  while (kMarks.at(index).id != id) ++index;
  return index;
}

std::string check_mark(std::string_view invariant) { return fmt::format("checks:{}", invariant); }

}  // namespace

std::span<const MarkRow> mark_rows() { return kMarks; }

std::vector<std::string> all_marks() {
  std::vector<std::string> result;
  for (const MarkRow& row : kMarks) result.emplace_back(row.id);
  for (const InvariantRow& row : invariant_rows()) result.push_back(check_mark(row.id));
  return result;
}

static_assert(kMarks.size() <= Marks::kMost);

void Marks::attach(Watch& watch, const Scenario& /*scenario*/) {
  watch_ = &watch;
  watch_kernels();
  watch_hardware();
  watch_devices();
}

void Marks::watch_kernels() {
  sim::Simulation& simulation = watch_->simulation();
  simulation.topic<linux::PhaseEntered>().subscribe([this](const linux::PhaseEntered& seen) {
    if (seen.phase == linux::RunPhase::kPreserve) mark(at("preserve"));
    if (seen.phase == linux::RunPhase::kFreeze && watch_->handover()) mark(at("freeze"));
    if (seen.phase == linux::RunPhase::kRetrieve) mark(at("retrieve"));
    if (seen.phase == linux::RunPhase::kFinish) mark(at("finish"));
  });
  simulation.topic<host::KernelJumped>().subscribe([this](const auto&) { mark(at("kexec")); });
  simulation.topic<host::ColdRebooted>().subscribe(
      [this](const auto&) { mark(at("cold-reboot")); });
  simulation.topic<host::KernelHalted>().subscribe([this](const auto&) { mark(at("panic")); });
  simulation.topic<host::HostChanged>().subscribe(
      [this](const auto&) { mark(at("host-changed")); });
  simulation.topic<linux::LedgerEntry>().subscribe([this](const linux::LedgerEntry& seen) {
    if (seen.event == linux::LedgerEvent::kUnpreserved) mark(at("unpreserved"));
  });
  simulation.topic<vmm::UserStepFailed>().subscribe(
      [this](const auto&) { mark(at("refused-step")); });
  simulation.topic<vmm::OperatorAnswered>().subscribe([this](const vmm::OperatorAnswered& seen) {
    if (!seen.done) mark(at("refused-order"));
  });
  simulation.topic<vmm::GuestResumed>().subscribe([this](const vmm::GuestResumed& seen) {
    if (seen.generation != 0) mark(at("guest-resumed"));
  });
  simulation.topic<vmm::GuestStarted>().subscribe([this](const vmm::GuestStarted& seen) {
    if (seen.generation != 0) mark(at("guest-anew"));
  });
}

void Marks::watch_hardware() {
  sim::Simulation& simulation = watch_->simulation();
  simulation.topic<iommu_vtd::Fault>().subscribe(
      [this](const auto&) { mark(at("remapping-fault")); });
  simulation.topic<host::InterruptSent>().subscribe([this](const auto&) {
    if (without_kernel()) mark(at("interrupt-without-kernel"));
  });
  simulation.topic<host::InterruptDelivered>().subscribe([this](const auto& seen) {
    if (!seen.taken) mark(at("interrupt-nobody"));
  });
  simulation.topic<pci::ErrorMessageReceived>().subscribe(
      [this](const auto&) { mark(at("error-message")); });
  simulation.topic<pci::PortContained>().subscribe(
      [this](const auto&) { mark(at("containment")); });
  simulation.topic<pci::LinkChanged>().subscribe([this](const auto&) { mark(at("link-changed")); });
}

void Marks::watch_devices() {
  sim::Simulation& simulation = watch_->simulation();
  simulation.topic<pci::RequestDone>().subscribe([this](const pci::RequestDone& seen) {
    if (watch_->device(seen.function) == nullptr) return;
    if (!seen.completion.arrived()) return mark(at("dma-refused"));
    if (seen.completion.destination == pci::Destination::kFunction) mark(at("peer-to-peer"));
    if (!seen.request.write || seen.completion.destination != pci::Destination::kRam) return;
    if (without_kernel()) mark(at("dma-without-kernel"));
    if (watch_->jumped()) mark(at("dma-during-boot"));
  });
  simulation.topic<pci::InterruptHeld>().subscribe([this](const pci::InterruptHeld& seen) {
    if (watch_->device(seen.function) != nullptr) mark(at("interrupt-held"));
  });
  simulation.topic<pci::FunctionReset>().subscribe([this](const pci::FunctionReset& seen) {
    if (watch_->device(seen.function) != nullptr) mark(at("device-reset"));
  });
  simulation.topic<pci::ConfigWritten>().subscribe([this](const pci::ConfigWritten& seen) {
    const WatchedDevice* device = watch_->device(seen.function);
    if (device != nullptr && watch_->carried(*device)) mark(at("config-write-carried"));
  });
  simulation.topic<devices::dsa::DeviceHalted>().subscribe(
      [this](const auto&) { mark(at("device-stopped")); });
  simulation.topic<devices::nvme::ControllerFailed>().subscribe(
      [this](const auto&) { mark(at("device-stopped")); });
}

std::vector<std::string> Marks::reached(const RunResult& result) const {
  std::vector<std::string> ids;
  for (std::size_t i = 0; i < kMarks.size(); ++i) {
    if (seen_.test(i)) ids.emplace_back(kMarks[i].id);
  }
  for (const InvariantVerdict& verdict : result.verdicts) {
    if (verdict.checks != 0) ids.push_back(check_mark(verdict.id));
  }
  return ids;
}

}  // namespace baton::harness
