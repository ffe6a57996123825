#include "harness/record/transitions.h"

#include <fmt/format.h>

#include <array>

#include "harness/record/phase_clock.h"
#include "model/devices/dsa/observations.h"
#include "model/iommu_vtd/observations.h"
#include "model/iommu_vtd/remapping_unit.h"
#include "model/linux/kernel/observations.h"
#include "model/pci/observations.h"
#include "model/vmm/observations.h"

namespace baton::harness {
namespace {

constexpr std::array kGlyphs{
    GlyphRow{Glyph::kPhase, '=', "phase", "a phase of the run begins"},
    GlyphRow{Glyph::kBootStep, 'b', "boot-step", "a part of a boot begins"},
    GlyphRow{Glyph::kOperator, 'o', "operator", "luod has carried out a line of the console"},
    GlyphRow{Glyph::kSession, 's', "session", "a LUO session changes its state"},
    GlyphRow{Glyph::kFile, 'f', "file", "a file of a LUO session changes its state"},
    GlyphRow{Glyph::kLedger, 'l', "ledger", "something beside memory is preserved or restored"},
    GlyphRow{Glyph::kError, 'e', "error", "a system call, or a step of user space, is refused"},
    GlyphRow{Glyph::kConfigChanged, 'w', "config-write", "a configuration write, new value"},
    GlyphRow{Glyph::kConfigSame, ',', "config-write-same",
             "a configuration write of what is there"},
    GlyphRow{Glyph::kReset, 'R', "reset", "a function is reset"},
    GlyphRow{Glyph::kTranslation, 't', "translation", "a remapping unit changes tables or state"},
    GlyphRow{Glyph::kFault, '!', "fault", "a remapping unit refuses a request or an interrupt"},
    GlyphRow{Glyph::kRefused, 'X', "dma-refused", "a request of a device does not arrive"},
    GlyphRow{Glyph::kSubmitted, '>', "submitted", "a device is given a descriptor"},
    GlyphRow{Glyph::kDone, '<', "done", "a descriptor has ended well"},
    GlyphRow{Glyph::kBadDone, '?', "done-badly", "a descriptor has ended in an error, or is lost"},
    GlyphRow{Glyph::kInterrupt, 'i', "interrupt", "an interrupt reaches a handler"},
    GlyphRow{Glyph::kLostInterrupt, 'n', "interrupt-nobody", "an interrupt reaches nobody"},
    GlyphRow{Glyph::kGuestStart, 'g', "guest-start", "a new guest executes its first step"},
    GlyphRow{Glyph::kGuestPause, 'v', "guest-pause", "a guest's vCPU stops"},
    GlyphRow{Glyph::kGuestResume, '^', "guest-resume", "a guest's vCPU goes on"},
    GlyphRow{Glyph::kGuestStop, 'q', "guest-stop", "a guest and its VMM end"},
    GlyphRow{Glyph::kJump, '#', "jump", "a kernel is gone: kexec, or a platform reset"},
    GlyphRow{Glyph::kPanic, 'P', "panic", "a kernel or a device stops for good"},
};

constexpr bool in_order() {
  for (std::size_t i = 0; i < kGlyphs.size(); ++i) {
    if (kGlyphs[i].glyph != static_cast<Glyph>(i)) return false;
  }
  return true;
}
static_assert(in_order());

std::string_view operation(std::uint8_t opcode) {
  using devices::dsa::Opcode;
  switch (static_cast<Opcode>(opcode)) {
    case Opcode::kNoop:
      return "noop";
    case Opcode::kBatch:
      return "batch";
    case Opcode::kDrain:
      return "drain";
    case Opcode::kMemoryMove:
      return "move";
    case Opcode::kFill:
      return "fill";
    case Opcode::kCompare:
      return "compare";
  }
  return "unknown operation";
}

std::string_view words(linux::LedgerEvent event) {
  constexpr std::array<std::string_view, 5> kWords{"created", "preserved", "no longer preserved",
                                                   "restored", "finished"};
  return kWords.at(static_cast<std::size_t>(event));
}

std::string_view words(pci::ResetKind kind) {
  constexpr std::array<std::string_view, 3> kWords{"function level reset", "hot reset",
                                                   "power-on reset"};
  return kWords.at(static_cast<std::size_t>(kind));
}

}  // namespace

std::span<const GlyphRow> glyph_rows() { return kGlyphs; }

const GlyphRow& row_of(Glyph glyph) { return kGlyphs.at(static_cast<std::size_t>(glyph)); }

void Transitions::attach(Watch& watch, const Scenario&) {
  watch_ = &watch;
  log_.lanes = {"software", "iommu"};
  for (const WatchedDevice& device : watch.devices()) {
    log_.lanes.push_back(device.function->name());
  }
  log_.lanes.emplace_back("other");
  subscribe_to_kernels();
  subscribe_to_live_update();
  subscribe_to_functions();
  subscribe_to_iommu();
  subscribe_to_dsa();
  subscribe_to_guests();
}

void Transitions::add(std::size_t lane, std::string device, Glyph glyph, std::string text) {
  if (log_.rows.size() == keep_) {
    log_.rows.pop_front();
    ++log_.dropped;
  }
  log_.rows.push_back({watch_->event(), watch_->now(), generation_, phase_, lane, std::move(device),
                       glyph, std::move(text)});
}

std::size_t Transitions::lane_of(std::string_view device) const {
  for (std::size_t lane = kIommu + 1; lane + 1 < log_.lanes.size(); ++lane) {
    if (log_.lanes[lane] == device) return lane;
  }
  return log_.lanes.size() - 1;
}

void Transitions::about(const pci::Function& function, Glyph glyph, std::string text) {
  add(lane_of(function.name()), function.name(), glyph, std::move(text));
}

std::string Transitions::name_at(Sbdf address) const {
  for (const WatchedDevice& device : watch_->devices()) {
    if (device.function->location() == address) return device.function->name();
  }
  return sim::to_string(address);
}

void Transitions::subscribe_to_kernels() {
  sim::Simulation& simulation = watch_->simulation();
  simulation.topic<linux::PhaseEntered>().subscribe([this](const linux::PhaseEntered& seen) {
    generation_ = seen.generation;
    phase_ = phase_name(seen.phase);
    software(Glyph::kPhase, fmt::format("kernel {}: {}", seen.generation, phase_));
  });
  simulation.topic<linux::BootStepEntered>().subscribe([this](const linux::BootStepEntered& seen) {
    generation_ = seen.generation;
    software(Glyph::kBootStep,
             fmt::format("{}, {}", seen.step.name, sim::to_string(seen.step.duration)));
  });
  simulation.topic<host::KernelJumped>().subscribe([this](const host::KernelJumped& seen) {
    generation_.reset();
    phase_ = "kexec";
    software(Glyph::kJump, fmt::format("kernel {} is gone, devices go on", seen.from_generation));
  });
  simulation.topic<host::ColdRebooted>().subscribe([this](const host::ColdRebooted& seen) {
    generation_.reset();
    phase_ = "reset";
    software(Glyph::kJump, fmt::format("kernel {} resets the platform", seen.from_generation));
  });
  simulation.topic<host::KernelStarted>().subscribe([this](const host::KernelStarted& seen) {
    generation_ = seen.generation;
    phase_ = "boot";
  });
  simulation.topic<host::KernelHalted>().subscribe([this](const host::KernelHalted& seen) {
    phase_ = "halted";
    software(Glyph::kPanic, fmt::format("kernel {} panics: {}", seen.generation, seen.reason));
  });
}

void Transitions::subscribe_to_live_update() {
  sim::Simulation& simulation = watch_->simulation();
  simulation.topic<linux::SessionChanged>().subscribe([this](const linux::SessionChanged& seen) {
    software(Glyph::kSession, fmt::format("session \"{}\": {}", seen.session, seen.state));
  });
  simulation.topic<linux::SessionFileChanged>().subscribe(
      [this](const linux::SessionFileChanged& seen) {
        software(Glyph::kFile, fmt::format("session \"{}\", file {} ({}): {}", seen.session,
                                           seen.token, seen.compatible, seen.state));
      });
  simulation.topic<linux::LedgerEntry>().subscribe([this](const linux::LedgerEntry& seen) {
    const bool memory =
        seen.kind == linux::LedgerKind::kPages || seen.kind == linux::LedgerKind::kTable;
    if (memory) return;
    software(Glyph::kLedger, fmt::format("{} {:#x}: {}", seen.what, seen.id, words(seen.event)));
  });
  simulation.topic<linux::SystemCallFailed>().subscribe(
      [this](const linux::SystemCallFailed& seen) {
        software(Glyph::kError,
                 fmt::format("{}: {}: {}", seen.process, seen.call, linux::name(seen.error)));
      });
  simulation.topic<vmm::UserStepFailed>().subscribe([this](const vmm::UserStepFailed& seen) {
    software(Glyph::kError,
             fmt::format("{}: {}: {}", seen.who, seen.step, linux::name(seen.error)));
  });
  simulation.topic<vmm::OperatorAnswered>().subscribe([this](const vmm::OperatorAnswered& seen) {
    software(Glyph::kOperator,
             fmt::format("{}: {}", seen.command, seen.done ? "done" : "not done"));
  });
}

void Transitions::subscribe_to_functions() {
  sim::Simulation& simulation = watch_->simulation();
  simulation.topic<host::ConfigAccess>().subscribe([this](const host::ConfigAccess& seen) {
    if (!seen.write) return;
    const std::string name = name_at(seen.address);
    const bool same = seen.value == seen.old_value;
    add(lane_of(name), name, same ? Glyph::kConfigSame : Glyph::kConfigChanged,
        fmt::format("config {:#05x}.{} {:#x} -> {:#x} by {}", seen.offset, seen.width,
                    seen.old_value, seen.value, seen.by));
  });
  simulation.topic<pci::FunctionReset>().subscribe([this](const pci::FunctionReset& seen) {
    about(seen.function, Glyph::kReset, std::string(words(seen.kind)));
  });
  simulation.topic<pci::RequestDone>().subscribe([this](const pci::RequestDone& seen) {
    if (seen.completion.arrived()) return;
    about(seen.function, Glyph::kRefused,
          fmt::format("{} of {} bytes at {:#x} refused: {}", seen.request.write ? "write" : "read",
                      seen.request.length, seen.request.address, seen.completion.stopped_at));
  });
  simulation.topic<host::InterruptDelivered>().subscribe(
      [this](const host::InterruptDelivered& seen) {
        const std::string name = name_at({0, seen.source});
        add(lane_of(name), name, seen.taken ? Glyph::kInterrupt : Glyph::kLostInterrupt,
            fmt::format("vector {:#04x}{}{}", seen.vector.value(),
                        seen.destination == 0 ? "" : fmt::format(" of CPU {}", seen.destination),
                        seen.taken ? "" : " reaches no handler"));
      });
}

void Transitions::subscribe_to_iommu() {
  sim::Simulation& simulation = watch_->simulation();
  simulation.topic<iommu_vtd::TranslationSwitched>().subscribe(
      [this](const iommu_vtd::TranslationSwitched& seen) {
        add(kIommu, seen.unit.name(), Glyph::kTranslation,
            fmt::format("translation {}, root table {:#x}", seen.enabled ? "on" : "off",
                        seen.root_table.value()));
      });
  simulation.topic<iommu_vtd::Fault>().subscribe([this](const iommu_vtd::Fault& seen) {
    add(kIommu, seen.unit.name(), Glyph::kFault,
        fmt::format("{} {} at {:#x}: reason {:#x}{}", name_at({0, seen.source}),
                    seen.write ? "write" : "read", seen.address, seen.reason,
                    seen.recorded ? "" : ", not recorded"));
  });
}

void Transitions::subscribe_to_dsa() {
  namespace dsa = devices::dsa;
  sim::Simulation& simulation = watch_->simulation();
  simulation.topic<dsa::DescriptorSubmitted>().subscribe(
      [this](const dsa::DescriptorSubmitted& seen) {
        about(seen.function, seen.accepted ? Glyph::kSubmitted : Glyph::kBadDone,
              fmt::format("wq {}: {}{}", seen.wq, operation(seen.opcode),
                          seen.accepted ? "" : " dropped"));
      });
  simulation.topic<dsa::DescriptorDone>().subscribe([this](const dsa::DescriptorDone& seen) {
    const bool good = seen.status == dsa::Status::kSuccess;
    if (good && seen.in_batch) return;
    about(seen.function, good ? Glyph::kDone : Glyph::kBadDone,
          fmt::format("wq {}: {}{}, status {:#04x}, {} {}", seen.wq,
                      seen.in_batch ? "in a batch: " : "", operation(seen.opcode),
                      static_cast<unsigned>(seen.status), seen.bytes,
                      seen.opcode == static_cast<std::uint8_t>(dsa::Opcode::kBatch) ? "descriptors"
                                                                                    : "bytes"));
  });
  simulation.topic<dsa::DeviceHalted>().subscribe([this](const dsa::DeviceHalted& seen) {
    about(seen.function, Glyph::kPanic, fmt::format("halts, error {:#x}", seen.code));
  });
}

void Transitions::subscribe_to_guests() {
  sim::Simulation& simulation = watch_->simulation();
  simulation.topic<vmm::GuestStarted>().subscribe([this](const vmm::GuestStarted& seen) {
    software(Glyph::kGuestStart, fmt::format("guest {} starts", seen.vm));
  });
  simulation.topic<vmm::GuestPaused>().subscribe([this](const vmm::GuestPaused& seen) {
    software(Glyph::kGuestPause, fmt::format("guest {} pauses", seen.vm));
  });
  simulation.topic<vmm::GuestResumed>().subscribe([this](const vmm::GuestResumed& seen) {
    software(Glyph::kGuestResume, fmt::format("guest {} goes on", seen.vm));
  });
  simulation.topic<vmm::GuestStopped>().subscribe([this](const vmm::GuestStopped& seen) {
    software(Glyph::kGuestStop, fmt::format("guest {} is stopped", seen.vm));
  });
}

}  // namespace baton::harness
