#include "harness/invariants/interrupt_book.h"

#include <algorithm>

#include "harness/invariants/watch.h"

namespace baton::harness {
namespace {

constexpr std::string_view kMsixOff = "MSI-X is off";
constexpr std::string_view kSilenced = "its remapping entry drops it";
constexpr std::string_view kRefused = "interrupt remapping refuses it";
constexpr std::string_view kNotSent = "the message does not arrive";
constexpr std::string_view kNobody = "no kernel has a handler for it";
constexpr std::string_view kMisdelivered = "a handler of something else runs";
constexpr std::string_view kReplayed =
    "it is replayed before the IOMMU, where nobody has a handler";
constexpr std::string_view kNoEventfd = "its owner has given no eventfd";
constexpr std::string_view kDiscarded = "its VMM discards it";
constexpr std::string_view kKernelGone = "it lies in the eventfd of a kernel that is gone";
constexpr std::string_view kNotesGone = "the kernel that noted it is gone";
constexpr std::string_view kGuestGone = "its guest is gone";
constexpr std::string_view kReset = "the device is reset";
constexpr std::string_view kPlatformReset = "the platform is reset";

bool is_message(const pci::MemoryRequest& request) { return request.address >> 20 == 0xFEE; }

}  // namespace

InterruptBook::InterruptBook(Watch& watch) : watch_(watch) {
  listen_to_hardware();
  listen_to_kernels();
  listen_to_guests();
}

void InterruptBook::listen_to_hardware() {
  sim::Simulation& simulation = watch_.simulation();
  simulation.topic<pci::InterruptRaised>().subscribe([this](const auto& o) { on_raised(o); });
  simulation.topic<pci::InterruptHeld>().subscribe([this](const pci::InterruptHeld& seen) {
    if (device_of(seen.function)) lose(std::exchange(leaving_, {}), kMsixOff);
  });
  simulation.topic<pci::InterruptPending>().subscribe([this](const pci::InterruptPending& seen) {
    if (device_of(seen.function)) put(pending_, std::exchange(leaving_, {}));
  });
  simulation.topic<pci::InterruptUnmasked>().subscribe([this](const pci::InterruptUnmasked& seen) {
    const auto device = device_of(seen.function);
    if (!device) return;
    leaving_ = take(pending_, {*device, seen.index});
    sender_ = &seen.function;
  });
  simulation.topic<pci::RequestDone>().subscribe([this](const auto& o) {
    if (!leaving_.empty() && is_message(o.request)) on_request(o);
  });
  simulation.topic<pci::FunctionReset>().subscribe([this](const pci::FunctionReset& seen) {
    const auto device = device_of(seen.function);
    if (!device) return;
    for (auto& [source, group] : pending_) {
      if (source.first == *device) lose(std::exchange(group, {}), kReset);
    }
  });
  simulation.topic<iommu_vtd::Fault>().subscribe([this](const iommu_vtd::Fault& seen) {
    // Published before the message that met it has ended.
    if (leaving_.empty() || seen.source != sender_->requester_id()) return;
    if (seen.recorded) ++counts_.faults;
  });
  simulation.topic<iommu_vtd::InterruptPosted>().subscribe([this](const auto& o) { on_posted(o); });
  simulation.topic<host::InterruptSent>().subscribe([this](const auto& o) { on_sent(o); });
  simulation.topic<host::InterruptLost>().subscribe([this](const host::InterruptLost& seen) {
    if (const auto found = messages_.extract(seen.id)) lose(found.mapped(), kPlatformReset);
  });
  simulation.topic<host::InterruptArriving>().subscribe(
      [this](const host::InterruptArriving& seen) {
        const auto found = messages_.extract(seen.id);
        arriving_ = found ? found.mapped() : Group{};
        unhandled_ = false;
      });
  simulation.topic<host::InterruptDelivered>().subscribe(
      [this](const auto& o) { on_delivered(o); });
}

void InterruptBook::listen_to_kernels() {
  sim::Simulation& simulation = watch_.simulation();
  simulation.topic<linux::InterruptEntered>().subscribe(
      [this](const linux::InterruptEntered& seen) { unhandled_ = !seen.handled; });
  simulation.topic<linux::InterruptNoted>().subscribe([this](const auto& o) { on_noted(o); });
  simulation.topic<linux::InterruptReplayed>().subscribe([this](const auto& o) { on_replayed(o); });
  simulation.topic<linux::InterruptForwarded>().subscribe(
      [this](const auto& o) { on_forwarded(o); });
  simulation.topic<linux::InterruptsSet>().subscribe([this](const linux::InterruptsSet& seen) {
    const auto device = device_at(seen.device);
    if (!device) return;
    if (seen.count == 0) {
      taken_down_.insert(*device);
    } else {
      taken_down_.erase(*device);
    }
  });
  simulation.topic<host::KernelJumped>().subscribe([this](const auto&) { on_kernel_gone(); });
  simulation.topic<host::ColdRebooted>().subscribe([this](const auto&) { on_reset(); });
}

void InterruptBook::listen_to_guests() {
  sim::Simulation& simulation = watch_.simulation();
  const auto goes_on = [this](std::string_view vm) {
    Guest& guest = guests_[std::string(vm)];
    guest.runs = true;
    guest.since = watch_.now();
  };
  simulation.topic<vmm::GuestStarted>().subscribe([this, goes_on](const vmm::GuestStarted& seen) {
    on_guest_gone(seen.vm);  // of this name, if there was one: it was left behind
    goes_on(seen.vm);
  });
  simulation.topic<vmm::GuestResumed>().subscribe(
      [goes_on](const vmm::GuestResumed& seen) { goes_on(seen.vm); });
  simulation.topic<vmm::GuestPaused>().subscribe(
      [this](const vmm::GuestPaused& seen) { guests_[std::string(seen.vm)].runs = false; });
  simulation.topic<vmm::GuestStopped>().subscribe(
      [this](const vmm::GuestStopped& seen) { on_guest_gone(seen.vm); });
  simulation.topic<vmm::InterruptInjected>().subscribe([this](const auto& o) { on_injected(o); });
  simulation.topic<vmm::GuestTookInterrupts>().subscribe([this](const auto& o) { on_taken(o); });
}

// Who is who.

std::optional<std::size_t> InterruptBook::device_of(const pci::Function& function) const {
  const WatchedDevice* device = watch_.device(function);
  if (device == nullptr) return std::nullopt;
  return static_cast<std::size_t>(device - watch_.devices().data());
}

std::optional<std::size_t> InterruptBook::device_at(Sbdf address) const {
  const auto found = std::ranges::find_if(watch_.devices(), [&](const WatchedDevice& device) {
    return device.function->location() == address;
  });
  if (found == watch_.devices().end()) return std::nullopt;
  return static_cast<std::size_t>(found - watch_.devices().begin());
}

const std::string& InterruptBook::vm_of(const InterruptSource& source) const {
  return watch_.devices()[source.first].vm;
}

// Places.

InterruptBook::Group InterruptBook::take(Place& place, const InterruptSource& source) {
  const auto found = place.find(source);
  return found == place.end() ? Group{} : std::exchange(found->second, {});
}

void InterruptBook::put(Place& place, Group group) {
  if (group.empty()) return;
  Group& there = place[group.front().source];
  there.insert(there.end(), group.begin(), group.end());
}

void InterruptBook::lose(const Group& group, std::string_view way) {
  for (const RaisedInterrupt& interrupt : group) {
    ++counts_.lost;
    ++ways_[way];
    if (way == kMisdelivered) ++counts_.misdelivered;
    LostInterrupt loss{interrupt, way, watch_.now(), std::nullopt};
    loss.reported = way == kMsixOff && taken_down_.contains(interrupt.source.first);
    if (is_pending(interrupt.source)) {
      loss.made_up = watch_.now();
    } else {
      open_[interrupt.source].push_back(losses_.size());
    }
    losses_.push_back(loss);
  }
}

// One of the vector waits in the vCPU: the guest looks when it takes that one.
bool InterruptBook::is_pending(const InterruptSource& source) const {
  const auto waiting = vcpus_.find(source);
  if (waiting != vcpus_.end() && !waiting->second.empty()) return true;
  const auto guest = guests_.find(vm_of(source));
  return guest != guests_.end() && source.second < 64 &&
         (guest->second.made >> source.second & 1) != 0;
}

void InterruptBook::lose_all(Place& place, std::string_view way) {
  for (auto& [source, group] : place) lose(std::exchange(group, {}), way);
}

void InterruptBook::lose_of(Place& place, std::string_view vm, std::string_view way) {
  for (auto& [source, group] : place) {
    if (vm_of(source) == vm) lose(std::exchange(group, {}), way);
  }
}

void InterruptBook::make_up(const InterruptSource& source) {
  std::vector<std::size_t>& open = open_[source];
  for (const std::size_t index : open) {
    LostInterrupt& loss = losses_[index];
    loss.overdue = is_open(loss);
    loss.made_up = watch_.now();
  }
  open.clear();
}

bool InterruptBook::is_open(const LostInterrupt& loss) const {
  if (loss.made_up || loss.reported || loss.excused) return false;
  const auto guest = guests_.find(vm_of(loss.interrupt.source));
  if (guest == guests_.end() || !guest->second.runs) return false;
  return watch_.now() - std::max(loss.at, guest->second.since) > kMakeUpBound;
}

// The device, the unit, the way to a CPU.

void InterruptBook::on_raised(const pci::InterruptRaised& seen) {
  lose(std::exchange(leaving_, {}), kNotSent);  // of a function that is on no bus
  const auto device = device_of(seen.function);
  if (!device) return;
  ++counts_.raised;
  leaving_ = {{++last_id_, {*device, seen.index}, watch_.now()}};
  sender_ = &seen.function;
}

void InterruptBook::on_request(const pci::RequestDone& seen) {
  if (&seen.function != sender_) return;
  const std::string_view where = seen.completion.stopped_at;
  const std::string_view way = where == "interrupt-dropped"     ? kSilenced
                               : where == "interrupt-remapping" ? kRefused
                                                                : kNotSent;
  lose(std::exchange(leaving_, {}), way);
}

// A unit's own messages have no source.
void InterruptBook::on_sent(const host::InterruptSent& seen) {
  if (leaving_.empty() || seen.source != sender_->requester_id()) return;
  messages_[seen.id] = std::exchange(leaving_, {});
}

void InterruptBook::on_posted(const iommu_vtd::InterruptPosted& seen) {
  if (leaving_.empty() || seen.source != sender_->requester_id()) return;
  put(captured_, std::exchange(leaving_, {}));
}

// Kernels.

void InterruptBook::on_noted(const linux::InterruptNoted& seen) {
  Group& there = noted_[{seen.vector, seen.cpu}];
  there.insert(there.end(), arriving_.begin(), arriving_.end());
  arriving_.clear();
}

void InterruptBook::on_replayed(const linux::InterruptReplayed& seen) {
  lose(std::exchange(noted_[{seen.vector, seen.cpu}], {}), kReplayed);
}

void InterruptBook::on_forwarded(const linux::InterruptForwarded& seen) {
  const auto device = device_at(seen.device);
  if (!device) return;
  const InterruptSource source{*device, seen.index};
  Group group;
  switch (seen.origin) {
    case linux::InterruptOrigin::kHandler:
      if (arriving_.empty() || arriving_.front().source != source) return;  // see on_delivered()
      group = std::exchange(arriving_, {});
      break;
    case linux::InterruptOrigin::kCaptured:
      group = take(captured_, source);
      if (group.empty()) ++counts_.phantoms;
      break;
    case linux::InterruptOrigin::kNoted:
      for (auto& [vector, noted] : noted_) {
        if (noted.empty() || noted.front().source != source) continue;
        group.insert(group.end(), noted.begin(), noted.end());
        noted.clear();
      }
      if (group.empty()) ++counts_.phantoms;
      break;
  }
  if (!seen.signalled) return lose(group, kNoEventfd);
  put(eventfds_, std::move(group));
}

void InterruptBook::on_delivered(const host::InterruptDelivered& seen) {
  if (arriving_.empty()) return;
  // Taken, and not by its own device's handler.
  lose(std::exchange(arriving_, {}), seen.taken && !unhandled_ ? kMisdelivered : kNobody);
}

void InterruptBook::on_kernel_gone() {
  lose_all(eventfds_, kKernelGone);
  for (auto& [vector, group] : noted_) lose(std::exchange(group, {}), kNotesGone);
  for (auto& [vm, guest] : guests_) {
    guest.runs = false;
    guest.made = 0;
  }
}

// User space.

void InterruptBook::on_injected(const vmm::InterruptInjected& seen) {
  const auto device = device_at(seen.device);
  if (!device) return;
  const InterruptSource source{*device, seen.index};
  Guest& guest = guests_[std::string(seen.vm)];
  if (seen.made) {
    guest.made |= std::uint64_t{1} << seen.vector;
    return make_up(source);
  }
  Group group = take(eventfds_, source);
  if (seen.discarded) return lose(group, kDiscarded);
  make_up(source);
  if (seen.vector != 0) return put(vcpus_, std::move(group));
  // The VMM alone is told.
  if (group.empty()) return;
  ++counts_.delivered;
  counts_.merged += group.size() - 1;
}

void InterruptBook::on_taken(const vmm::GuestTookInterrupts& seen) {
  Guest& guest = guests_[std::string(seen.vm)];
  for (unsigned vector = 1; vector < 64; ++vector) {
    const std::uint64_t bit = std::uint64_t{1} << vector;
    if ((seen.vectors & bit) == 0) continue;
    const bool made = (guest.made & bit) != 0;
    guest.made &= ~bit;
    bool any = false;
    for (auto& [source, there] : vcpus_) {
      if (source.second != vector || vm_of(source) != seen.vm || there.empty()) continue;
      const Group group = std::exchange(there, {});
      any = true;
      ++counts_.delivered;
      counts_.merged += group.size() - 1;
      counts_.longest_wait = std::max(counts_.longest_wait, watch_.now() - group.front().raised);
      const auto [last, first] = last_taken_.try_emplace(source, watch_.now());
      if (!first) {
        sim::Duration& silence = silences_[source];
        silence = std::max(silence, watch_.now() - last->second);
        last->second = watch_.now();
      }
    }
    if (!any && made) ++counts_.spurious;
  }
}

void InterruptBook::on_guest_gone(std::string_view vm) {
  lose_of(eventfds_, vm, kGuestGone);
  lose_of(vcpus_, vm, kGuestGone);
  guests_.erase(std::string(vm));
  for (auto& [source, open] : open_) {
    if (vm_of(source) != vm) continue;
    for (const std::size_t index : open) losses_[index].excused = true;
    open.clear();
  }
}

void InterruptBook::on_reset() {
  on_kernel_gone();
  lose_all(pending_, kPlatformReset);
  lose_all(captured_, kPlatformReset);
  lose_all(vcpus_, kPlatformReset);
  for (auto& [source, open] : open_) {
    for (const std::size_t index : open) losses_[index].excused = true;
    open.clear();
  }
  guests_.clear();
  taken_down_.clear();
  last_taken_.clear();
}

// The end.

std::vector<InterruptBook::Stuck> InterruptBook::stuck() const {
  std::vector<Stuck> result;
  const auto look = [&](const Group& group, std::string_view place) {
    for (const RaisedInterrupt& interrupt : group) {
      const auto guest = guests_.find(vm_of(interrupt.source));
      if (guest == guests_.end() || !guest->second.runs) continue;
      if (watch_.now() - std::max(interrupt.raised, guest->second.since) > kStuckBound) {
        result.push_back({interrupt, place});
      }
    }
  };
  for (const auto& [source, group] : pending_) look(group, "the pending bit of its vector");
  for (const auto& [source, group] : captured_) look(group, "a posted-interrupt descriptor");
  for (const auto& [vector, group] : noted_) look(group, "the notes of the kernel");
  for (const auto& [source, group] : eventfds_) look(group, "an eventfd");
  return result;
}

InterruptCounts InterruptBook::counts() const {
  InterruptCounts counts = counts_;
  for (const Place* place : {&pending_, &captured_, &eventfds_, &vcpus_}) {
    for (const auto& [source, group] : *place) counts.under_way += group.size();
  }
  for (const auto& [id, group] : messages_) counts.under_way += group.size();
  for (const auto& [vector, group] : noted_) counts.under_way += group.size();
  counts.under_way += leaving_.size() + arriving_.size();
  counts.not_made_up = static_cast<std::uint64_t>(std::ranges::count_if(
      losses_, [this](const LostInterrupt& loss) { return loss.overdue || is_open(loss); }));
  for (const auto& [source, silence] : silences_) {
    counts.longest_silence = std::max(counts.longest_silence, silence);
  }
  return counts;
}

}  // namespace baton::harness
