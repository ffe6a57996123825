// Composition of a unit and its command registers [VT-d 11.4.4].
#include "model/iommu_vtd/remapping_unit.h"

#include <cstring>

#include "model/iommu_vtd/common_request.h"
#include "model/iommu_vtd/core.h"
#include "model/iommu_vtd/dma_remapping.h"
#include "model/iommu_vtd/event_message.h"
#include "model/iommu_vtd/fault_log.h"
#include "model/iommu_vtd/inspect.h"
#include "model/iommu_vtd/interrupt_remapping.h"
#include "model/iommu_vtd/invalidation.h"
#include "model/iommu_vtd/invalidation_queue.h"
#include "model/iommu_vtd/observations.h"
#include "model/iommu_vtd/page_requests.h"
#include "model/iommu_vtd/recent_translations.h"
#include "sim/check.h"

namespace baton::iommu_vtd {

class RemappingUnit::State {
 public:
  State(const RemappingUnit& unit, sim::Simulation& simulation, sim::PhysicalMemory& memory,
        std::string name, PhysAddr base, const Profile& profile, SendMessage send_message)
      : name_(std::move(name)),
        base_(base),
        core_(memory, profile),
        unit_(unit),
        simulation_(simulation),
        actor_(simulation.add_actor(name_)),
        send_(std::move(send_message)),
        faults_(simulation.topic<Fault>()),
        switches_(simulation.topic<TranslationSwitched>()),
        invalidated_(simulation.topic<Invalidated>()),
        waits_(simulation.topic<WaitCompleted>()),
        posted_(simulation.topic<InterruptPosted>()) {}

  // The same unit after power-on.
  std::unique_ptr<State> fresh() const {
    auto state = std::make_unique<State>(unit_, simulation_, core_.memory, name_, base_,
                                         core_.profile, send_);
    state->connect(port_);
    return state;
  }

  Translation translate(const pci::MemoryRequest& request);
  void take_steps(const pci::MemoryRequest& request, Translation& result);

  void under_way(const pci::MemoryRequest& request, sim::Duration duration) {
    core_.drain.moves(request.write, simulation_.now() + duration);
  }

  void connect(DeviceTlbPort* port) {
    port_ = port;
    device_tlbs_.connect(port);
    page_requests_.connect(port);
  }

  void write(const RegisterFile::Hit& hit, std::uint64_t lanes, std::uint64_t value);
  void publish_fault(Bdf source, std::uint64_t address, std::uint8_t reason, bool write,
                     bool recorded, bool silenced = false);
  void publish_posting(Bdf source, const Posting& posting);

  const std::string name_;
  const PhysAddr base_;
  Core core_;

 private:
  void command(std::uint64_t written);
  void switch_translation(bool on);
  void latch_root();
  void switch_queue(bool on);
  void command_interrupts(std::uint64_t written);
  void set_status(const Field& bit, bool on) { core_.regs.set(Reg::kGsts, bit, on ? 1 : 0); }
  void publish_switch();
  void publish_invalidation(InvalidationKind kind, const Entry256* descriptor);
  void publish_wait(sim::Duration waited);

  const RemappingUnit& unit_;
  sim::Simulation& simulation_;
  sim::ActorId actor_;
  SendMessage send_;
  sim::Topic<Fault>& faults_;
  sim::Topic<TranslationSwitched>& switches_;
  sim::Topic<Invalidated>& invalidated_;
  sim::Topic<WaitCompleted>& waits_;
  sim::Topic<InterruptPosted>& posted_;
  EventMessage fault_event_{core_.regs,   send_,        Reg::kFectl,
                            Reg::kFedata, Reg::kFeaddr, Reg::kFeuaddr};
  EventMessage completion_event_{core_.regs,   send_,        Reg::kIectl,
                                 Reg::kIedata, Reg::kIeaddr, Reg::kIeuaddr};
  FaultLog log_{core_, fault_event_};
  EventMessage page_request_event_{core_.regs,   send_,        Reg::kPectl,
                                   Reg::kPedata, Reg::kPeaddr, Reg::kPeuaddr};
  DeviceTlbPort* port_ = nullptr;
  Invalidation invalidation_{core_, simulation_, actor_,
                             [this](InvalidationKind kind, const Entry256* descriptor) {
                               publish_invalidation(kind, descriptor);
                             }};

 public:
  DeviceTlbInvalidation device_tlbs_{core_, log_, simulation_, actor_};
  PageRequests page_requests_{core_, page_request_event_};
  InvalidationQueue queue_{
      core_,         log_,         completion_event_,
      invalidation_, device_tlbs_, page_requests_,
      simulation_,   actor_,       [this](sim::Duration waited) { publish_wait(waited); }};
  RecentTranslations recent_;
  CommonRequests common_{core_};
  DmaRemapping dma_{core_, log_};
  InterruptRemapping interrupts_{core_, log_};
};

void RemappingUnit::State::publish_fault(Bdf source, std::uint64_t address, std::uint8_t reason,
                                         bool write, bool recorded, bool silenced) {
  simulation_.fold(actor_, "fault", address ^ std::uint64_t{source.value()} << 8 ^ reason);
  if (faults_.active()) {
    faults_.publish({unit_, source, address, reason, write, recorded, silenced});
  }
}

void RemappingUnit::State::publish_posting(Bdf source, const Posting& posting) {
  simulation_.fold(actor_, "posted", posting.descriptor.value() ^ posting.vector.value());
  if (posted_.active()) {
    posted_.publish(
        {unit_, source, posting.descriptor, posting.vector, posting.merged, posting.notifies});
  }
}

void RemappingUnit::State::publish_switch() {
  const bool enabled = core_.status(gcmd::kTe);
  simulation_.fold(actor_, "translation", core_.root ^ (enabled ? 1 : 0));
  if (switches_.active()) {
    switches_.publish({unit_, enabled, core_.root_table()});
  }
}

void RemappingUnit::State::publish_invalidation(InvalidationKind kind, const Entry256* descriptor) {
  if (!invalidated_.active()) {
    return;
  }
  Invalidated seen{unit_, kind, descriptor != nullptr, {}};
  if (descriptor != nullptr) {
    seen.descriptor[0] = descriptor->words[0];
    seen.descriptor[1] = descriptor->words[1];
  }
  invalidated_.publish(seen);
}

void RemappingUnit::State::publish_wait(sim::Duration waited) {
  if (waits_.active()) {
    waits_.publish({unit_, waited});
  }
}

void RemappingUnit::State::write(const RegisterFile::Hit& hit, std::uint64_t lanes,
                                 std::uint64_t value) {
  ++core_.changes;
  const std::uint64_t written = core_.regs.write(hit, lanes, value);
  switch (hit.reg) {
    case Reg::kGcmd:
      command(written);
      break;
    case Reg::kCcmd:
      if (iommu_vtd::get(ccmd::kIcc, written) != 0) {
        invalidation_.context_command();
      }
      break;
    case Reg::kIotlb:
      if (iommu_vtd::get(iotlb::kIvt, written) != 0) {
        invalidation_.iotlb_command();
      }
      break;
    case Reg::kFsts:
      log_.refresh();
      queue_.run();  // an error that stopped it may be gone
      break;
    case Reg::kFrcdHigh:
      log_.refresh();
      break;
    case Reg::kFectl:
      fault_event_.control_written();
      break;
    case Reg::kIectl:
      completion_event_.control_written();
      break;
    case Reg::kIcs:
      if (!core_.regs.test(Reg::kIcs, queue::kIwc)) {
        completion_event_.withdraw();
      }
      break;
    case Reg::kIqt:
      queue_.run();
      break;
    case Reg::kPectl:
      page_request_event_.control_written();
      break;
    case Reg::kPrs:
      page_requests_.status_written();
      break;
    case Reg::kPmen:
      core_.regs.set(Reg::kPmen, pmen::kPrs, core_.regs.get(Reg::kPmen, pmen::kEpm));
      break;
    default:
      break;
  }
}

// Level bits act on a change, one-shot bits when written as 1. When software changes several at
// once, which it must not, they act in this order.
void RemappingUnit::State::command(std::uint64_t written) {
  switch_translation(iommu_vtd::get(gcmd::kTe, written) != 0);
  if (iommu_vtd::get(gcmd::kSrtp, written) != 0) {
    latch_root();
  }
  switch_queue(iommu_vtd::get(gcmd::kQie, written) != 0);
  if (core_.profile.interrupt_remapping()) {
    command_interrupts(written);
  }
}

void RemappingUnit::State::switch_translation(bool on) {
  if (core_.status(gcmd::kTe) != on) {
    set_status(gcmd::kTe, on);
    publish_switch();
  }
}

void RemappingUnit::State::latch_root() {
  core_.root = core_.regs.get(Reg::kRtaddr);
  set_status(gcmd::kSrtp, true);
  if (core_.profile.srtp_flushes()) {
    invalidation_.everything();
  }
  publish_switch();
}

void RemappingUnit::State::switch_queue(bool on) {
  if (!core_.profile.queued_invalidation() || core_.status(gcmd::kQie) == on) {
    return;
  }
  set_status(gcmd::kQie, on);
  core_.regs.set(Reg::kIqh, 0);
  queue_.stop();
  queue_.run();
}

void RemappingUnit::State::command_interrupts(std::uint64_t written) {
  if (iommu_vtd::get(gcmd::kSirtp, written) != 0) {
    core_.remap_table = core_.regs.get(Reg::kIrta);
    set_status(gcmd::kSirtp, true);
    if (core_.profile.sirtp_flushes()) {
      invalidation_.remap_entries();
    }
  }
  set_status(gcmd::kIre, iommu_vtd::get(gcmd::kIre, written) != 0);
  set_status(gcmd::kCfi, iommu_vtd::get(gcmd::kCfi, written) != 0);
}

RemappingUnit::RemappingUnit(sim::Simulation& simulation, sim::PhysicalMemory& memory,
                             std::string name, PhysAddr base, const Profile& profile,
                             SendMessage send_message)
    : state_(std::make_unique<State>(*this, simulation, memory, std::move(name), base, profile,
                                     std::move(send_message))) {}

RemappingUnit::~RemappingUnit() = default;

void RemappingUnit::reset() { state_ = state_->fresh(); }

const std::string& RemappingUnit::name() const { return state_->name_; }
PhysAddr RemappingUnit::base() const { return state_->base_; }
const Profile& RemappingUnit::profile() const { return state_->core_.profile; }
std::uint64_t RemappingUnit::register_space() const { return state_->core_.regs.block_bytes(); }
bool RemappingUnit::translation_enabled() const { return state_->core_.status(gcmd::kTe); }
PhysAddr RemappingUnit::root_table() const { return state_->core_.root_table(); }

std::uint64_t RemappingUnit::mmio_read(std::uint64_t offset, unsigned width) {
  BATON_CHECK((width == 4 || width == 8) && offset % width == 0,
              "remapping unit registers take aligned accesses of 4 or 8 bytes");
  const auto dword = [&](std::uint64_t at) -> std::uint64_t {
    const auto hit = state_->core_.regs.find(at);
    return hit ? state_->core_.regs.read(*hit) & 0xFFFF'FFFF : 0;
  };
  return width == 4 ? dword(offset) : dword(offset) | dword(offset + 4) << 32;
}

void RemappingUnit::mmio_write(std::uint64_t offset, unsigned width, std::uint64_t value) {
  BATON_CHECK((width == 4 || width == 8) && offset % width == 0,
              "remapping unit registers take aligned accesses of 4 or 8 bytes");
  const auto hit = state_->core_.regs.find(offset);
  if (width == 8 && (!hit || hit->bytes == 4)) {
    // Two registers, or none: as two writes.
    mmio_write(offset, 4, value & 0xFFFF'FFFF);
    mmio_write(offset + 4, 4, value >> 32);
    return;
  }
  if (hit) {
    const std::uint64_t lanes = width == 8 ? ~std::uint64_t{0} : 0xFFFF'FFFFULL << hit->shift;
    state_->write(*hit, lanes, value << hit->shift);
  }
}

namespace {

// An answer for a page, for one address in it.
Translation for_address(const Translation& of_page, std::uint64_t address) {
  Translation translation;
  std::memcpy(&translation, &of_page, sizeof translation);
  translation.address = translation.address + (address & (sim::kPageSize - 1));
  return translation;
}

}  // namespace

// What nothing has changed about, then the commonest, then step by step.
Translation RemappingUnit::translate(const pci::MemoryRequest& request) {
  State& state = *state_;
  const Translation* recent = state.recent_.find(state.core_, request);
  return recent != nullptr ? for_address(*recent, request.address) : state.translate(request);
}

Translation RemappingUnit::State::translate(const pci::MemoryRequest& request) {
  Translation result;
  if (!common_.translate(request, result)) {
    take_steps(request, result);
  } else if (result.misses == 0) {
    recent_.remember(core_, request, result);
  }
  return result;
}

void RemappingUnit::State::take_steps(const pci::MemoryRequest& request, Translation& result) {
  const DmaRemapping::Outcome outcome = dma_.process(request);
  result = outcome.translation;
  if (!result.allowed) {
    publish_fault(request.requester, request.address & ~std::uint64_t{0xFFF}, result.fault_reason,
                  request.write, outcome.recorded);
  }
  if (result.misses == 0) {
    recent_.remember(core_, request, result);
  }
}

void RemappingUnit::under_way(const pci::MemoryRequest& request, sim::Duration duration) {
  state_->under_way(request, duration);
}

void RemappingUnit::connect(DeviceTlbPort* port) { state_->connect(port); }

void RemappingUnit::invalidation_completed(Bdf function, std::uint32_t tags) {
  state_->device_tlbs_.completed(function, tags);
}

void RemappingUnit::page_request(const pci::PageRequest& request) {
  const DmaRemapping::Admission admission = state_->dma_.admit(request);
  if (admission.allowed) {
    state_->page_requests_.receive(request);
    return;
  }
  state_->publish_fault(request.requester, request.address & ~std::uint64_t{0xFFF},
                        static_cast<std::uint8_t>(admission.reason), false, admission.recorded);
  state_->page_requests_.refuse(request);
}

RemappedInterrupt RemappingUnit::remap(Bdf requester, std::uint64_t address, std::uint32_t data) {
  const InterruptRemapping::Outcome outcome = state_->interrupts_.process(requester, address, data);
  if (!outcome.interrupt.allowed) {
    state_->publish_fault(requester, outcome.index << 48, outcome.interrupt.fault_reason, true,
                          outcome.recorded, outcome.silenced);
  } else if (outcome.posting) {
    state_->publish_posting(requester, *outcome.posting);
  }
  RemappedInterrupt interrupt = outcome.interrupt;
  interrupt.silenced = outcome.silenced;
  return interrupt;
}

RemappingUnit::Walk RemappingUnit::inspect(Bdf requester, Iova address) const {
  return iommu_vtd::inspect(state_->core_, requester, address);
}

std::optional<RemappingUnit::Attachment> RemappingUnit::attachment(Bdf requester) const {
  return iommu_vtd::attachment(state_->core_, requester);
}

void RemappingUnit::inspect_tables(
    Bdf requester, const std::function<void(PhysAddr page, const char* what)>& table,
    const std::function<void(Iova from, PhysAddr to, std::uint64_t length, bool writable)>& leaf)
    const {
  iommu_vtd::inspect_tables(state_->core_, requester, table, leaf);
}

}  // namespace baton::iommu_vtd
