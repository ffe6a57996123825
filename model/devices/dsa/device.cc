#include "model/devices/dsa/device.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "model/devices/dsa/dsa_config_space.h"
#include "sim/check.h"

namespace baton::devices::dsa {
namespace {

constexpr unsigned kRegisterBar = 0;
constexpr unsigned kPortalBar = 2;
constexpr std::uint64_t kPortalPage = 4096;
constexpr std::uint32_t kNoGroup = ~std::uint32_t{0};
// From a portal write to the arbiter. Assumed.
constexpr sim::Duration kSubmission = sim::Duration::nanoseconds(50);

}  // namespace

std::unique_ptr<pci::Function> make_dsa(sim::Simulation& simulation, const DsaConfig& config) {
  return std::make_unique<Device>(simulation, config);
}

Device::Device(sim::Simulation& simulation, const DsaConfig& config)
    : Function(simulation, config.name, dsa_config_space()),
      timing_(config),
      command_event_(*this, actor(), "dsa-command", sim::Phase::kDevice),
      submitted_event_(*this, actor(), "dsa-submitted", sim::Phase::kDevice),
      descriptor_done_(simulation.topic<DescriptorDone>()),
      device_halted_(simulation.topic<DeviceHalted>()),
      descriptor_submitted_(simulation.topic<DescriptorSubmitted>()),
      descriptor_started_(simulation.topic<DescriptorStarted>()),
      descriptors_abandoned_(simulation.topic<DescriptorsAbandoned>()),
      commands_taken_(simulation.topic<CommandTaken>()) {
  BATON_CHECK(config.bytes_per_second > 0, "a DSA without bandwidth");
  for (std::uint32_t i = 0; i < kEngineCount; ++i) {
    engines_.emplace_back(static_cast<EngineHost&>(*this), simulation, actor(), i,
                          config.per_descriptor);
  }
  group_of_engine_.fill(kNoGroup);
  last_watched_ = watched();
}

// Registers -------------------------------------------------------------------------------------

std::uint32_t Device::read_register(std::uint16_t at) const {
  const std::uint32_t value = registers_.read(at);
  if (at < offset::kWqcfg || at >= offset::kWqcfg + kWqCount * kWqcfgStride) return value;
  const auto wq = static_cast<std::uint32_t>((at - offset::kWqcfg) / kWqcfgStride);
  if ((at - offset::kWqcfg) % kWqcfgStride != wqcfg::kOccupancy.offset) return value;
  return value | queues_[wq].occupancy();
}

void Device::memory_read(pci::BarHit hit, std::span<std::byte> to) {
  // Portals answer 00 or FF; the unused part of the register space answers 0.
  std::ranges::fill(to, std::byte{hit.bar == kPortalBar ? std::uint8_t{0xFF} : std::uint8_t{0}});
  if (hit.bar != kRegisterBar || to.size() > 8) return;
  for (std::size_t i = 0; i < to.size(); ++i) {
    const std::uint64_t at = hit.offset + i;
    if (at >= offset::kRegistersEnd) return;
    const std::uint32_t dword = read_register(static_cast<std::uint16_t>(at & ~3ull));
    to[i] = static_cast<std::byte>(dword >> (8 * (at & 3)));
  }
}

void Device::memory_write(pci::BarHit hit, std::span<const std::byte> from) {
  if (hit.bar == kRegisterBar && from.size() <= 8) write_registers(hit.offset, from);
  if (hit.bar == kPortalBar) submit(hit.offset, from);
}

// Whole dwords at a time, so that an 8-byte store writes two registers in ascending order.
void Device::write_registers(std::uint64_t at, std::span<const std::byte> from) {
  std::size_t i = 0;
  while (i < from.size() && at + i < offset::kRegistersEnd) {
    const auto base = static_cast<std::uint16_t>((at + i) & ~3ull);
    std::uint32_t value = 0;
    std::uint32_t enabled = 0;
    for (; i < from.size() && ((at + i) & ~3ull) == base; ++i) {
      const auto shift = static_cast<unsigned>(8 * ((at + i) & 3));
      value |= std::to_integer<std::uint32_t>(from[i]) << shift;
      enabled |= 0xFFu << shift;
    }
    if (base == offset::kCmd) {
      write_command(value);
    } else {
      registers_.write(base, value, enabled);
    }
  }
}

// Portals and queues ----------------------------------------------------------------------------

bool Device::accepts(std::uint32_t wq) const {
  return registers_.device_state() == DeviceState::kEnabled &&
         registers_.wq_state(wq) == WqState::kEnabled && registers_.wq(wqcfg::kMode, wq) != 0;
}

// A posted 64-byte write to a portal page: four pages a queue, of which the last two belong to
// interrupt message storage. Everything else that reaches a portal is dropped.
void Device::submit(std::uint64_t portal_offset, std::span<const std::byte> from) {
  const auto page = static_cast<std::uint32_t>(portal_offset / kPortalPage);
  const std::uint32_t wq = page / 4;
  const bool message_storage = (page & 2) != 0;
  if (from.size() != sizeof(Descriptor) || portal_offset % sizeof(Descriptor) != 0 ||
      message_storage || wq >= kWqCount) {
    return;
  }
  Work work;
  std::memcpy(&work.descriptor, from.data(), sizeof(Descriptor));
  work.wq = wq;
  const bool enabled = accepts(wq);
  const bool room = queues_[wq].occupancy() < registers_.wq(wqcfg::kSize, wq);
  if (descriptor_submitted_.active()) {
    const bool accepted = enabled && room;
    descriptor_submitted_.publish(
        {*this, wq, work.descriptor.opcode_byte(), accepted, accepted ? last_ticket_ + 1 : 0});
  }
  if (!enabled) return;
  if (!room) {
    record_error(
        field::kSwerrorWqValid.put(1) | field::kSwerrorWq.put(wq) |
            field::kSwerrorDescriptorValid.put(1) |
            field::kSwerrorOperation.put(work.descriptor.opcode_byte()) |
            field::kSwerrorCode.put(static_cast<std::uint64_t>(SoftwareError::kQueueOverflow)),
        0);
    return;
  }
  work.ticket = ++last_ticket_;
  queues_[wq].push(work);
  if (!submitted_event_.scheduled()) simulation_.schedule(submitted_event_, kSubmission);
}

void Device::on_submitted() {
  for (std::uint32_t wq = 0; wq < kWqCount; ++wq) {
    if (!queues_[wq].empty()) kick_group_of(wq);
  }
}

// At Enable Device: the group configuration cannot change afterwards.
void Device::adopt_groups() {
  group_of_engine_.fill(kNoGroup);
  for (std::uint32_t g = 0; g < kGroupCount; ++g) {
    groups_[g] = {static_cast<std::uint32_t>(registers_.group(grpcfg::kWqs, g)), 0};
    const std::uint64_t engines = registers_.group(grpcfg::kEngines, g);
    for (std::uint32_t e = 0; e < kEngineCount; ++e) {
      if ((engines >> e & 1) != 0) group_of_engine_[e] = g;
    }
  }
  turns_.fill(0);
}

void Device::kick_group_of(std::uint32_t wq) {
  for (std::uint32_t e = 0; e < kEngineCount; ++e) {
    const std::uint32_t g = group_of_engine_[e];
    if (g != kNoGroup && (groups_[g].wqs >> wq & 1) != 0) engines_[e].kick();
  }
}

// Has a descriptor that may begin. A drain waits for everything that its queue sent before.
bool Device::ready(std::uint32_t wq) const {
  const WorkQueue& queue = queues_[wq];
  if (queue.empty()) return false;
  const bool drain = queue.front().descriptor.opcode() == Opcode::kDrain;
  return !drain || queue.in_progress() == 0;
}

// Round robin over the queues with work; each has as many turns as its priority, and when all with
// work have used theirs up, all get new ones.
std::optional<std::uint32_t> Device::arbitrate(Group& group) {
  static_assert(kWqCount == 8, "a queue is a bit of a byte");
  bool any = false;
  const unsigned from_cursor =
      std::rotr(static_cast<std::uint8_t>(group.wqs), static_cast<int>(group.cursor));
  for (unsigned round = 0; round < 2; ++round) {
    for (unsigned rest = from_cursor; rest != 0; rest &= rest - 1) {
      const auto ahead = static_cast<std::uint32_t>(std::countr_zero(rest));
      const std::uint32_t wq = (group.cursor + ahead) % kWqCount;
      if (!ready(wq)) continue;
      any = true;
      if (turns_[wq] == 0) continue;
      --turns_[wq];
      group.cursor = (wq + 1) % kWqCount;
      return wq;
    }
    if (!any) return std::nullopt;
    for (std::uint32_t wq = 0; wq < kWqCount; ++wq) {
      if ((group.wqs >> wq & 1) != 0) {
        turns_[wq] = static_cast<std::uint32_t>(registers_.wq(wqcfg::kPriority, wq));
      }
    }
  }
  return std::nullopt;
}

bool Device::take_work(std::uint32_t engine, Work& work) {
  const std::uint32_t g = group_of_engine_[engine];
  if (g == kNoGroup) return false;
  const auto wq = arbitrate(groups_[g]);
  if (!wq) return false;
  work = queues_[*wq].pop();
  return true;
}

// What engines ask for ---------------------------------------------------------------------------

void Device::address_by(std::uint32_t wq, std::uint64_t address,
                        pci::MemoryRequest& request) const {
  request.address = address;
  if (registers_.wq(wqcfg::kPasidEnable, wq) != 0) {
    request.pasid.emplace(static_cast<std::uint32_t>(registers_.wq(wqcfg::kPasid, wq)));
  }
}

std::optional<Pasid> Device::pasid_of(std::uint32_t wq) const {
  if (registers_.wq(wqcfg::kPasidEnable, wq) == 0) return std::nullopt;
  return Pasid(static_cast<std::uint32_t>(registers_.wq(wqcfg::kPasid, wq)));
}

pci::Function::Services Device::services_of(std::uint32_t wq) const {
  return registers_.wq(wqcfg::kAtsDisable, wq) != 0 ? Services::kNone : Services::kUse;
}

pci::Completion Device::dma_read(std::uint32_t wq, std::uint64_t address,
                                 std::span<std::byte> data) {
  pci::MemoryRequest request;
  address_by(wq, address, request);
  return read(request, data, services_of(wq));
}

pci::Completion Device::dma_write(std::uint32_t wq, std::uint64_t address,
                                  std::span<const std::byte> data) {
  pci::MemoryRequest request;
  address_by(wq, address, request);
  return write(request, data, services_of(wq));
}

bool Device::interrupt_allowed(std::uint32_t wq, std::uint32_t handle) const {
  if (handle >= kMsixVectors) return false;
  const std::uint16_t entry = RegisterFile::msixperm_base(handle);
  const auto pasid = pasid_of(wq);
  if ((registers_.get(msixperm::kPasidEnable, entry) != 0) != pasid.has_value()) return false;
  return !pasid || registers_.get(msixperm::kPasid, entry) == pasid->value();
}

DescriptorRules Device::rules(const Work& work, bool in_batch) const {
  const std::uint32_t wq = work.wq;
  const bool user =
      registers_.wq(wqcfg::kPasidEnable, wq) != 0 && registers_.wq(wqcfg::kPriv, wq) == 0;
  return {
      .operations = registers_.get(
          static_cast<std::uint16_t>(RegisterFile::wq_base(wq) + wqcfg::kOperations), 8),
      .max_transfer = std::uint64_t{1} << registers_.wq(wqcfg::kMaxTransfer, wq),
      .max_batch = std::uint64_t{1} << registers_.wq(wqcfg::kMaxBatch, wq),
      .in_batch = in_batch,
      .interrupts_reserved = user && registers_.get(field::kUserInterrupts) == 0,
      .interrupt_handle_valid = interrupt_allowed(wq, work.descriptor.interrupt_handle),
  };
}

// Keeps the fraction of a picosecond, so that the rate is exact in the long run.
void Device::use_bandwidth(std::uint64_t bytes) {
  constexpr std::uint64_t kPicoseconds = 1'000'000'000'000;
  const std::uint64_t numerator = bytes * kPicoseconds + bandwidth_remainder_;
  const std::uint64_t ps = numerator / timing_.bytes_per_second;
  bandwidth_remainder_ = numerator % timing_.bytes_per_second;
  bandwidth_free_at_ = std::max(bandwidth_free_at_, simulation_.now()) +
                       sim::Duration::picoseconds(static_cast<std::int64_t>(ps));
}

void Device::raise(std::uint32_t interrupt_handle) {
  const std::uint16_t entry = RegisterFile::msixperm_base(interrupt_handle);
  if (registers_.get(msixperm::kIgnore, entry) == 0) signal_msix(interrupt_handle);
}

void Device::report_error(const Work& work, const Outcome& outcome,
                          std::optional<std::uint32_t> batch_index) {
  std::uint64_t qword0 = field::kSwerrorWqValid.put(1) | field::kSwerrorWq.put(work.wq) |
                         field::kSwerrorDescriptorValid.put(1) |
                         field::kSwerrorOperation.put(work.descriptor.opcode_byte()) |
                         field::kSwerrorCode.put(static_cast<std::uint64_t>(outcome.status));
  std::uint64_t qword1 = 0;
  if (batch_index) {
    qword0 |= field::kSwerrorBatch.put(1);
    qword1 |= field::kSwerrorBatchIndex.put(*batch_index);
  }
  if (outcome.status == Status::kInvalidFlags) {
    qword0 |= field::kSwerrorInfoValid.put(1);
    qword1 |= field::kSwerrorInfo.put(outcome.invalid_flags);
  }
  if (outcome.status == Status::kInterruptHandle) {
    qword0 |= field::kSwerrorInfoValid.put(1);
    qword1 |= field::kSwerrorInfo.put(std::uint64_t{work.descriptor.interrupt_handle});
  }
  record_error(qword0, qword1);
}

void Device::began(std::uint32_t engine, const Work& work,
                   std::optional<std::uint32_t> batch_index) {
  if (descriptor_started_.active()) {
    descriptor_started_.publish({*this, work.wq, engine, work.descriptor.opcode_byte(), work.ticket,
                                 batch_index.has_value(), batch_index.value_or(0)});
  }
}

void Device::ended(const Work& work, const Outcome& outcome,
                   std::optional<std::uint32_t> batch_index) {
  if (descriptor_done_.active()) {
    descriptor_done_.publish({*this, work.wq, work.descriptor.opcode_byte(), outcome.status,
                              outcome.completed, batch_index.has_value(), work.ticket,
                              batch_index.value_or(0)});
  }
  if (batch_index) return;  // its batch is what the queue gave
  queues_[work.wq].retire();
  kick_group_of(work.wq);  // a drain may have waited for this
  try_finish_command();
}

// Errors, Halt, reset ---------------------------------------------------------------------------

void Device::cause(const Field& bit) {
  registers_.set(bit, 1);
  signal_msix(0);
}

void Device::record_error(std::uint64_t qword0, std::uint64_t qword1) {
  if (registers_.get(field::kSwerrorValid) != 0) {
    registers_.set(field::kSwerrorOverflow, 1);
    return;
  }
  registers_.set(offset::kSwerror, 8, qword0 | field::kSwerrorValid.put(1));
  registers_.set(offset::kSwerror + 8, 8, qword1);
  registers_.set(offset::kSwerror + 16, 8, 0);
  if (registers_.get(field::kErrorInterrupt) != 0) cause(field::kCauseError);
}

void Device::clear_work() {
  for (Engine& engine : engines_) engine.clear();
  for (WorkQueue& queue : queues_) queue.clear();
  simulation_.cancel(submitted_event_);
}

// Descriptors in flight are lost without a record; only a function level reset helps.
void Device::halted(SoftwareError error) {
  const auto code = static_cast<std::uint8_t>(error);
  clear_work();
  if (command_state_.value() != CommandState::kIdle) {
    end_command(CommandEvent::kHalt, CommandError::kHalted);
  }
  record_error(field::kSwerrorCode.put(code), 0);
  if (registers_.get(field::kHaltInterrupt) != 0) cause(field::kCauseHalt);
  if (device_halted_.active()) device_halted_.publish({*this, code});
}

Device::Watched Device::watched() const {
  return {.bus_master = (config().get(kCommandOffset, 2) & 4) != 0,
          .ats = config().get(kAtsControlOffset, 2),
          .pasid = config().get(kPasidControlOffset, 2),
          .pri = config().get(kPriControlOffset, 2)};
}

PciEnables Device::pci_enables() const {
  const Watched now = watched();
  return {.bus_master = now.bus_master,
          .pasid = (now.pasid & 1) != 0,
          .privileged = (now.pasid & 4) != 0,
          .page_requests = (now.pri & 1) != 0};
}

void Device::on_config_write(std::uint16_t, unsigned, std::uint32_t, std::uint32_t) {
  const Watched now = watched();
  const Watched before = last_watched_;
  last_watched_ = now;
  const bool bus_master_cleared = before.bus_master && !now.bus_master;
  const bool translation_changed =
      now.ats != before.ats || now.pasid != before.pasid || now.pri != before.pri;
  if (!bus_master_cleared && !translation_changed) return;
  const DeviceState state = registers_.device_state();
  registers_.commit(DeviceEvent::kConfigChange);
  if (registers_.device_state() != state) halted(SoftwareError::kConfigChange);
}

void Device::on_reset(pci::ResetKind) {
  clear_work();
  simulation_.cancel(command_event_);
  command_state_.commit(CommandEvent::kHardwareReset);
  command_ = {};
  registers_.reset();
  group_of_engine_.fill(kNoGroup);
  last_watched_ = watched();
}

}  // namespace baton::devices::dsa
