#include "harness/record/call_tape.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "harness/invariants/guest_memory.h"
#include "model/devices/dsa/observations.h"
#include "model/devices/nvme/observations.h"
#include "model/devices/nvme/registers.h"
#include "model/iommu_vtd/observations.h"
#include "model/vmm/guest_layout.h"

namespace baton::harness {
namespace {

AccessBytes bytes_of(std::span<const std::byte> data) {
  AccessBytes value{};
  std::memcpy(value.data(), data.data(), std::min(data.size(), sizeof value));
  return value;
}

std::string value_text(unsigned width, const AccessBytes& value) {
  if (width <= 8) return fmt::format("{:#x}", value[0]);
  std::string text;
  for (const std::uint64_t quad : value) text += fmt::format("{:016x} ", quad);
  text.pop_back();
  return text;
}

constexpr unsigned kBarShift = 60;

// How work of a device has ended.
enum End : unsigned { kUnderWay = 0, kDone = 1, kLost = 2 };
constexpr unsigned kQueueShift = 8;
constexpr unsigned kBatchShift = 20;            // above the number of a member
constexpr std::uint64_t kWholeBatch = 0xFFFFF;  // the batch itself, or a descriptor of its own
constexpr std::size_t kId = 2;  // of a completion, in its value; status and bytes stand before it

// Completion queue heads: the upper one of each pair of doorbells.
bool acknowledges(std::uint64_t offset) {
  return offset >= devices::nvme::offset::kDoorbells && offset % 8 == 4;
}

constexpr std::uint32_t kNvmeClass = 0x010802;

bool is_nvme(const pci::Function& function) {
  return function.config().read(0x08, 4) >> 8 == kNvmeClass;
}

// Bits that the set-up of interrupts is made of: enables and masks of MSI-X and MSI, where an MSI
// goes, INTx Disable.
std::uint32_t interrupt_bits(const pci::ConfigWritten& seen) {
  struct Place {
    unsigned start;  // 0: the function has none
    unsigned bytes;
    std::uint32_t bits;
  };
  const pci::ConfigSpace& config = seen.function.config();
  const auto in = [&config](pci::CapabilityId id, unsigned offset) {
    const unsigned capability = config.find(id);
    return capability == 0 ? 0 : capability + offset;
  };
  std::uint32_t bits = 0;
  for (const Place& place :
       {Place{0x04, 2, 0x0400}, Place{in(pci::CapabilityId::kMsix, 2), 2, 0xC000},
        Place{in(pci::CapabilityId::kMsi, 2), 2, 0x0071},
        Place{in(pci::CapabilityId::kMsi, 4), 4, 0xFFFFFFFF},
        Place{in(pci::CapabilityId::kMsi, 8), 4, 0xFFFFFFFF},
        Place{in(pci::CapabilityId::kMsi, 12), 4, 0xFFFFFFFF}}) {
    if (place.start == 0) continue;
    for (unsigned i = 0; i < place.bytes; ++i) {
      const unsigned at = place.start + i;
      if (at < seen.offset || at >= seen.offset + seen.width) continue;
      bits |= (place.bits >> (8 * i) & 0xFF) << (8 * (at - seen.offset));
    }
  }
  return bits;
}

}  // namespace

std::uint64_t queue_of(const DeviceInput& completion) { return completion.place >> kQueueShift; }

std::string_view name(InputKind kind) {
  switch (kind) {
    case InputKind::kConfigWrite:
      return "configuration write";
    case InputKind::kInterruptTable:
      return "write to the MSI-X table";
    case InputKind::kRegisterWrite:
      return "register write";
    case InputKind::kReset:
      return "reset";
    case InputKind::kInvalidation:
      return "device-TLB invalidation";
    case InputKind::kCompletion:
      return "completion";
    case InputKind::kRefusal:
      break;
  }
  return "refused request";
}

std::string GuestCall::text() const {
  const std::uint64_t bar0 = vmm::kDeviceBar0.value();
  const std::uint64_t bar2 = vmm::kDeviceBar2.value();
  const bool second = address >= bar2;
  return fmt::format("{} {} bytes {} BAR{}+{:#x}: {}", write ? "writes" : "reads", width,
                     write ? "to" : "from", second ? 2 : 0, address - (second ? bar2 : bar0),
                     value_text(width, value));
}

std::string DeviceInput::text() const {
  std::string text(name(kind));
  switch (kind) {
    case InputKind::kConfigWrite:
      text += fmt::format(" of {:#x} to offset {:#x}", value[0], place);
      break;
    case InputKind::kInterruptTable:
    case InputKind::kRegisterWrite:
      text += fmt::format(" of {} to BAR{}+{:#x}", value_text(width, value), place >> kBarShift,
                          place & ((std::uint64_t{1} << kBarShift) - 1));
      break;
    case InputKind::kCompletion:
      text += fmt::format(" of operation {:#x} on queue {}: ", place & 0xFF, queue_of(*this));
      text += width == kLost ? std::string("never")
                             : fmt::format("status {:#x}, {} bytes", value[0], value[1]);
      break;
    case InputKind::kReset:
    case InputKind::kInvalidation:
    case InputKind::kRefusal:
      break;
  }
  return by.empty() ? text : fmt::format("{}, {}", text, by);
}

void CallTape::attach(Watch& watch, const Scenario& scenario) {
  watch_ = &watch;
  devices_.resize(watch.devices().size());
  for (const VmSpec& vm : scenario.vms) {
    if (vm.device == vmm::GuestDevice::kNvme) disks_.push_back(vm.name);
  }
  sim::Simulation& simulation = watch.simulation();
  simulation.topic<vmm::GuestAccess>().subscribe([this](const auto& seen) { on_guest(seen); });
  simulation.topic<pci::ConfigWritten>().subscribe([this](const auto& seen) { on_config(seen); });
  simulation.topic<pci::BarReached>().subscribe([this](const auto& seen) { on_bar(seen); });
  simulation.topic<pci::RequestDone>().subscribe([this](const auto& seen) { on_request(seen); });
  simulation.topic<pci::FunctionReset>().subscribe([this](const pci::FunctionReset& seen) {
    DeviceInput input;
    input.kind = InputKind::kReset;
    input.place = static_cast<std::uint64_t>(seen.kind);
    add(seen.function, std::move(input));
    lose(seen.function, ~std::uint64_t{0});
  });
  follow_completions(simulation);
  simulation.topic<iommu_vtd::Invalidated>().subscribe([this](const auto& seen) {
    if (seen.kind == iommu_vtd::InvalidationKind::kDeviceTlb) on_invalidation(seen.descriptor[0]);
  });
  const auto runs = [this](const auto& seen) {
    GuestTape& tape = guests_.try_emplace(std::string(seen.vm)).first->second;
    tape.running = true;
  };
  simulation.topic<vmm::GuestStarted>().subscribe(runs);
  simulation.topic<vmm::GuestResumed>().subscribe(runs);
  simulation.topic<vmm::GuestPaused>().subscribe([this](const vmm::GuestPaused& seen) {
    leaves(seen.vm, fmt::format("paused under kernel {} and never resumed", seen.generation));
  });
  simulation.topic<vmm::GuestStopped>().subscribe([this](const vmm::GuestStopped& seen) {
    leaves(seen.vm, fmt::format("ended with its VMM under kernel {}", seen.generation));
  });
  simulation.topic<host::KernelHalted>().subscribe([this](const host::KernelHalted& seen) {
    for (auto& [vm, tape] : guests_) {
      if (tape.running) leaves(vm, fmt::format("stopped with kernel {}", seen.generation));
    }
  });
}

// Members of a batch stand in their order before the batch. A command of an NVMe controller begins
// when it is fetched.
void CallTape::follow_completions(sim::Simulation& simulation) {
  namespace dsa = devices::dsa;
  namespace nvme = devices::nvme;
  const auto place = [](const auto& seen) {
    return seen.ticket << kBatchShift | (seen.in_batch ? seen.batch_index : kWholeBatch);
  };
  simulation.topic<dsa::DescriptorSubmitted>().subscribe(
      [this](const dsa::DescriptorSubmitted& seen) {
        if (!seen.accepted) return;
        const std::uint64_t order = seen.ticket << kBatchShift | kWholeBatch;
        given(seen.function, seen.wq, seen.opcode, order, order);
      });
  simulation.topic<dsa::DescriptorStarted>().subscribe(
      [this, place](const dsa::DescriptorStarted& seen) {
        if (seen.in_batch) given(seen.function, seen.wq, seen.opcode, place(seen), place(seen));
      });
  simulation.topic<dsa::DescriptorDone>().subscribe([this, place](const dsa::DescriptorDone& seen) {
    ended(seen.function, seen.wq, place(seen), static_cast<std::uint64_t>(seen.status), seen.bytes);
  });
  simulation.topic<dsa::DescriptorsAbandoned>().subscribe(
      [this](const dsa::DescriptorsAbandoned& seen) { lose(seen.function, seen.wqs); });
  simulation.topic<nvme::CommandStarted>().subscribe([this](const nvme::CommandStarted& seen) {
    given(seen.function, seen.queue, seen.opcode, seen.command_id, ++commands_);
  });
  simulation.topic<nvme::CommandDone>().subscribe([this](const nvme::CommandDone& seen) {
    ended(seen.function, seen.queue, seen.command_id, static_cast<std::uint64_t>(seen.status),
          seen.bytes);
  });
  simulation.topic<nvme::CommandsDropped>().subscribe([this](const nvme::CommandsDropped& seen) {
    lose(seen.function, ~std::uint64_t{1});  // not those of the admin queue
  });
}

void CallTape::given(const pci::Function& function, std::uint64_t queue, std::uint64_t operation,
                     std::uint64_t id, std::uint64_t order) {
  DeviceInput input;
  input.kind = InputKind::kCompletion;
  input.order = order;
  input.place = queue << kQueueShift | operation;
  input.width = kUnderWay;
  input.value[kId] = id;
  add(function, std::move(input));
}

// It is one of the last: no device has more under way than its queues hold.
void CallTape::ended(const pci::Function& function, std::uint64_t queue, std::uint64_t id,
                     std::uint64_t status, std::uint64_t bytes) {
  const WatchedDevice* device = watch_->device(function);
  if (device == nullptr) return;
  const auto index = static_cast<std::size_t>(device - watch_->devices().data());
  auto& tape = devices_[index][static_cast<std::size_t>(InputKind::kCompletion)];
  const auto found = std::find_if(tape.rbegin(), tape.rend(), [&](const DeviceInput& one) {
    return one.width == kUnderWay && queue_of(one) == queue && one.value[kId] == id;
  });
  if (found == tape.rend()) return;
  found->time = watch_->now();
  found->event = watch_->event();
  found->width = kDone;
  found->value = {status, bytes};
}

// `queues`: a bit each.
void CallTape::lose(const pci::Function& function, std::uint64_t queues) {
  const WatchedDevice* device = watch_->device(function);
  if (device == nullptr) return;
  const auto index = static_cast<std::size_t>(device - watch_->devices().data());
  for (DeviceInput& one : devices_[index][static_cast<std::size_t>(InputKind::kCompletion)]) {
    const std::uint64_t queue = queue_of(one);
    if (one.width != kUnderWay || (queue < 64 && (queues >> queue & 1) == 0)) continue;
    one.time = watch_->now();
    one.event = watch_->event();
    one.width = kLost;
    one.value = {};
  }
}

void CallTape::finish() {
  for (InputTape& tapes : devices_) {
    auto& tape = tapes[static_cast<std::size_t>(InputKind::kCompletion)];
    std::ranges::stable_sort(
        tape, {}, [](const DeviceInput& one) { return std::pair(queue_of(one), one.order); });
    // Up to the first of each queue that is still under way.
    std::optional<std::uint64_t> ended;
    std::erase_if(tape, [&ended](const DeviceInput& one) {
      if (one.width == kUnderWay) ended = queue_of(one);
      return ended == queue_of(one);
    });
  }
  for (auto& [vm, tape] : guests_) {
    const auto page = watch_->guests().find(vm);
    if (!tape.running || page == watch_->guests().end()) continue;
    const auto status = read_guest_status(watch_->machine(), page->second);
    if (!status) {
      leaves(vm, "lost: its memory is gone");
    } else if (status->failure != vmm::GuestFailure::kNone) {
      leaves(vm, fmt::format("given up: failure {} ({:#x})", static_cast<unsigned>(status->failure),
                             status->failure_detail));
    }
  }
}

bool CallTape::is_disk(std::string_view vm) const {
  return std::ranges::find(disks_, vm) != disks_.end();
}

void CallTape::on_guest(const vmm::GuestAccess& seen) {
  const std::uint64_t address = seen.address.value();
  if (seen.write && is_disk(seen.vm) && acknowledges(address - vmm::kDeviceBar0.value())) return;
  GuestTape& tape = guests_.try_emplace(std::string(seen.vm)).first->second;
  const AccessBytes value = bytes_of(seen.data);
  if (!seen.write) {
    const auto [last, first] = tape.last_read.try_emplace(address, value);
    if (!first && last->second == value) return;
    last->second = value;
  }
  tape.calls.push_back({watch_->now(), watch_->event(), address, seen.width, seen.write, value});
}

void CallTape::on_config(const pci::ConfigWritten& seen) {
  if (watch_->device(seen.function) == nullptr) return;
  DeviceInput input;
  input.place = seen.offset;
  input.width = seen.width;
  input.value[0] = seen.written;
  const std::uint32_t changed = seen.old_value ^ seen.new_value;
  if (changed == 0) {
    input.excuse = Excuse::kChangesNothing;
  } else if ((changed & ~interrupt_bits(seen)) == 0) {
    input.excuse = Excuse::kInterruptPolicy;
  }
  const std::string_view reg = seen.function.config().register_name(seen.offset);
  input.by = fmt::format("{}{}by {}", reg, reg.empty() ? "" : ", ", watch_->writer_of(seen));
  add(seen.function, std::move(input));
}

void CallTape::on_bar(const pci::BarReached& seen) {
  if (!seen.write || watch_->device(seen.function) == nullptr) return;
  DeviceInput input;
  const pci::Msix* msix = seen.function.msix();
  std::array<std::byte, 4> scratch{};
  const bool table = msix != nullptr && msix->read(seen.bar, seen.offset & ~3ULL, scratch);
  if (!table && is_nvme(seen.function) && acknowledges(seen.offset)) return;
  input.kind = table ? InputKind::kInterruptTable : InputKind::kRegisterWrite;
  if (table) input.excuse = Excuse::kInterruptPolicy;
  input.place = std::uint64_t{seen.bar} << kBarShift | seen.offset;
  input.width = static_cast<unsigned>(seen.data.size());
  input.value = bytes_of(seen.data);
  add(seen.function, std::move(input));
}

void CallTape::on_request(const pci::RequestDone& seen) {
  if (seen.completion.arrived()) return;
  const WatchedDevice* device = watch_->device(seen.function);
  if (device == nullptr) return;
  const auto index = static_cast<std::size_t>(device - watch_->devices().data());
  const auto& known = devices_[index][static_cast<std::size_t>(InputKind::kRefusal)];
  const auto says = [&seen](const DeviceInput& one) {
    return one.by == seen.completion.stopped_at;
  };
  if (std::ranges::any_of(known, says)) return;
  DeviceInput input;
  input.kind = InputKind::kRefusal;
  input.by = seen.completion.stopped_at;
  add(seen.function, std::move(input));
}

// Who is meant stands in another place in the descriptors with a PASID [VT-d 6.5.2.5, 6.5.2.6].
void CallTape::on_invalidation(std::uint64_t descriptor) {
  constexpr std::uint64_t kWithPasid = 8;
  const bool pasid = (descriptor & 0xF) == kWithPasid;
  const Bdf target(static_cast<std::uint16_t>(descriptor >> (pasid ? 16 : 32)));
  for (const WatchedDevice& device : watch_->devices()) {
    if (device.function->requester_id() != target) continue;
    DeviceInput input;
    input.kind = InputKind::kInvalidation;
    add(*device.function, std::move(input));
  }
}

void CallTape::leaves(std::string_view vm, std::string fate) {
  const auto found = guests_.find(vm);
  if (found == guests_.end()) return;
  GuestTape& tape = found->second;
  tape.running = false;
  tape.left = watch_->now();
  tape.left_event = watch_->event();
  tape.fate = std::move(fate);
}

void CallTape::add(const pci::Function& function, DeviceInput input) {
  const WatchedDevice* device = watch_->device(function);
  if (device == nullptr) return;
  input.time = watch_->now();
  input.event = watch_->event();
  const auto index = static_cast<std::size_t>(device - watch_->devices().data());
  devices_[index][static_cast<std::size_t>(input.kind)].push_back(std::move(input));
}

}  // namespace baton::harness
