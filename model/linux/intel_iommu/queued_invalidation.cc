#include "model/linux/intel_iommu/queued_invalidation.h"

#include <algorithm>
#include <utility>

#include "model/linux/intel_iommu/registers.h"

namespace baton::linux::intel_iommu {

namespace {

constexpr std::uint64_t kQueueLength = 256;
constexpr std::uint32_t kInUse = 1;  // QI_IN_USE
constexpr std::uint32_t kDone = 2;   // QI_DONE

constexpr std::uint64_t kTypeContext = 1;
constexpr std::uint64_t kTypeIotlb = 2;
constexpr std::uint64_t kTypeDeviceTlb = 3;
constexpr std::uint64_t kTypeInterruptEntry = 4;
constexpr std::uint64_t kTypeWait = 5;
constexpr std::uint64_t kTypePasidIotlb = 6;
constexpr std::uint64_t kTypePasidCache = 7;
constexpr std::uint64_t kTypePasidDeviceTlb = 8;
constexpr std::uint64_t kOnePasid = 1 << 4;      // of the PASID cache
constexpr std::uint64_t kAllPasids = 3 << 4;     // everything
constexpr std::uint64_t kPagesOfPasid = 2 << 4;  // all of them
constexpr std::uint64_t kRangeOfPasid = 3 << 4;
constexpr std::uint64_t kByIndex = 1 << 4;
constexpr std::uint64_t kGlobal = 1 << 4;
constexpr std::uint64_t kDomain = 2 << 4;
constexpr std::uint64_t kDeviceOrPages = 3 << 4;
constexpr std::uint64_t kDrainBoth = 3 << 6;  // DW, DR
constexpr std::uint64_t kStatusWrite = 1 << 5;

}  // namespace

Descriptor context_global() { return {kTypeContext | kGlobal, 0}; }

Descriptor context_of_device(std::uint16_t domain, std::uint16_t source) {
  return {kTypeContext | kDeviceOrPages | std::uint64_t{domain} << 16 | std::uint64_t{source} << 32,
          0};
}

Descriptor iotlb_global() { return {kTypeIotlb | kGlobal | kDrainBoth, 0}; }

Descriptor iotlb_of_domain(std::uint16_t domain) {
  return {kTypeIotlb | kDomain | kDrainBoth | std::uint64_t{domain} << 16, 0};
}

Descriptor iotlb_pages(std::uint16_t domain, std::uint64_t address, unsigned mask) {
  return {kTypeIotlb | kDeviceOrPages | kDrainBoth | std::uint64_t{domain} << 16, address | mask};
}

Descriptor pasid_cache_global() { return {kTypePasidCache | kAllPasids, 0}; }

Descriptor pasid_cache_of(std::uint16_t domain, std::uint32_t pasid) {
  return {kTypePasidCache | kOnePasid | std::uint64_t{domain} << 16 | std::uint64_t{pasid} << 32,
          0};
}

Descriptor pasid_iotlb_of(std::uint16_t domain, std::uint32_t pasid) {
  return {
      kTypePasidIotlb | kPagesOfPasid | std::uint64_t{domain} << 16 | std::uint64_t{pasid} << 32,
      0};
}

Descriptor pasid_iotlb_pages(std::uint16_t domain, std::uint32_t pasid, std::uint64_t address,
                             unsigned mask) {
  return {
      kTypePasidIotlb | kRangeOfPasid | std::uint64_t{domain} << 16 | std::uint64_t{pasid} << 32,
      address | mask};
}

// The order is told by the lowest zero bit of the address [VT-d 6.5.2.5].
Descriptor device_tlb_pages(const DeviceTlb& device, std::uint32_t pasid, std::uint64_t address,
                            unsigned order) {
  constexpr unsigned kMostAtATime = 32;
  constexpr std::uint64_t kSizedWithPasid = std::uint64_t{1} << 11;
  const std::uint64_t at_a_time = device.depth >= kMostAtATime ? 0 : device.depth;
  const std::uint64_t source = device.source;
  const std::uint64_t sized =
      order == 0 ? address : address | ((sim::kPageSize << (order - 1)) - 1) | 1;
  const std::uint64_t block = sized & ~(sim::kPageSize - 1);
  if (pasid == 0) {
    return {kTypeDeviceTlb | at_a_time << 16 | source << 32, block | (order == 0 ? 0 : 1)};
  }
  return {kTypePasidDeviceTlb | at_a_time << 4 | source << 16 | std::uint64_t{pasid} << 32,
          block | (order == 0 ? 0 : kSizedWithPasid)};
}

Descriptor device_tlb_all(const DeviceTlb& device, std::uint32_t pasid) {
  constexpr unsigned kEverything = 52;
  return device_tlb_pages(device, pasid, 0, kEverything);
}

Descriptor interrupt_entries_global() { return {kTypeInterruptEntry, 0}; }

Descriptor interrupt_entry(std::uint16_t index) {
  return {kTypeInterruptEntry | kByIndex | std::uint64_t{index} << 32, 0};
}

Result<> QueuedInvalidation::allocate(bool wide) {
  wide_ = wide;
  const Result<PhysAddr> queue = services_.pages().allocate(wide ? 1 : 0, "invalidation queue");
  if (!queue) {
    return fail(queue.error());
  }
  const Result<PhysAddr> status = services_.pages().allocate(0, "invalidation status");
  if (!status) {
    services_.pages().free(*queue);
    return fail(status.error());
  }
  queue_ = *queue;
  status_ = *status;
  return {};
}

void QueuedInvalidation::program() {
  free_head_ = 0;
  outstanding_.clear();
  services_.port().mmio_write(registers_ + kIqtReg, 4, 0);
  services_.port().mmio_write(registers_ + kIqaReg, 8, queue_.value() | (wide_ ? kIqaWide | 1 : 0));
}

Descriptor QueuedInvalidation::wait() const {
  return {kTypeWait | kStatusWrite | std::uint64_t{kDone} << 32,
          (status_ + free_head_ * 4).value()};
}

void QueuedInvalidation::store(std::uint64_t index, const Descriptor& descriptor) {
  sim::PhysicalMemory& ram = services_.port().ram();
  const PhysAddr at = queue_ + index * descriptor_bytes();
  ram.store(at, descriptor);
  if (wide_) {
    ram.store(at + 16, Descriptor{});
  }
}

void QueuedInvalidation::push(const Descriptor& descriptor) {
  store(free_head_, descriptor);
  free_head_ = (free_head_ + 1) % kQueueLength;
}

bool QueuedInvalidation::is_done(std::uint64_t index) const {
  return services_.port().ram().load<std::uint32_t>(status_ + index * 4) == kDone;
}

void QueuedInvalidation::forget_done() {
  std::erase_if(outstanding_, [&](const Submission& each) { return is_done(each.wait); });
}

Result<> QueuedInvalidation::submit(std::span<const Descriptor> descriptors) {
  host::KernelPort& port = services_.port();
  forget_done();
  const std::uint64_t head = port.mmio_read(registers_ + kIqhReg, 8) / descriptor_bytes();
  const std::uint64_t used = (free_head_ + kQueueLength - head) % kQueueLength;
  if (used + descriptors.size() + 1 >= kQueueLength) {
    services_.panic("DMAR: the invalidation queue is full");
  }
  for (const Descriptor& descriptor : descriptors) {
    push(descriptor);
  }
  const std::uint64_t index = free_head_;
  port.ram().store(status_ + index * 4, kInUse);
  push(wait());
  port.mmio_write(registers_ + kIqtReg, 4, free_head_ * descriptor_bytes());
  bool refused = false;
  while (!is_done(index) && check_fault()) {
    refused = true;
  }
  if (!is_done(index)) {
    outstanding_.push_back({index, {descriptors.begin(), descriptors.end()}});
  }
  return refused ? fail(Errno::kInval) : Result<>{};
}

// Linux reads the status word without a pause. Here it is read at intervals that grow, as nothing
// else of this CPU's work depends on the instant.
Co<> QueuedInvalidation::settle() {
  constexpr sim::Duration kFirst = sim::Duration::nanoseconds(100);
  constexpr sim::Duration kLongest = sim::Duration::milliseconds(1);
  sim::Duration pause = kFirst;
  for (forget_done(); !outstanding_.empty(); forget_done()) {
    co_await services_.spend(pause);
    pause = std::min(pause * 2, kLongest);
    if (!check_time_out()) {
      continue;
    }
    // Every wait that was pending is lost.
    forget_done();
    const std::vector<Submission> again = std::exchange(outstanding_, {});
    for (const Submission& lost : again) {
      const bool gone = std::ranges::any_of(lost.descriptors, [&](const Descriptor& each) {
        constexpr std::uint32_t kNobody = 0xFFFF;
        const std::uint64_t type = each.low & 0xF;
        const Bdf source(
            static_cast<std::uint16_t>(each.low >> (type == kTypeDeviceTlb ? 32 : 16)));
        return (type == kTypeDeviceTlb || type == kTypePasidDeviceTlb) &&
               services_.port().config_read({segment_, source}, 0, 2, "pci_device_is_present") ==
                   kNobody;
      });
      if (!gone) {
        static_cast<void>(submit(lost.descriptors));
      }
    }
  }
}

// False: no time-out. A function took longer than 60 to 90 s [PCIe 10.3.1].
bool QueuedInvalidation::check_time_out() {
  host::KernelPort& port = services_.port();
  const auto fault = static_cast<std::uint32_t>(port.mmio_read(registers_ + kFstsReg, 4));
  if ((fault & kFstsIte) == 0) {
    return false;
  }
  const auto source = static_cast<std::uint16_t>(port.mmio_read(registers_ + kIqercdReg, 8) >> 32);
  services_.print(sim::LogLevel::kError,
                  "DMAR: VT-d detected Invalidation Time-out Error: SID {:x}", source);
  port.mmio_write(registers_ + kFstsReg, 4, kFstsIte);
  services_.print(sim::LogLevel::kInfo, "DMAR: Invalidation Time-out Error (ITE) cleared");
  return true;
}

// qi_check_fault(): an invalidation queue error is overcome by overwriting the descriptor it points
// at with one that does nothing but wait. False: no error explains the silence.
bool QueuedInvalidation::check_fault() {
  host::KernelPort& port = services_.port();
  const auto fault = static_cast<std::uint32_t>(port.mmio_read(registers_ + kFstsReg, 4));
  if ((fault & kFstsIqe) == 0) {
    return false;
  }
  const std::uint64_t head = port.mmio_read(registers_ + kIqhReg, 8) / descriptor_bytes();
  const auto bad = port.ram().load<Descriptor>(queue_ + head % kQueueLength * descriptor_bytes());
  services_.print(sim::LogLevel::kError, "DMAR: VT-d detected Invalidation Queue Error: {:x} {:x}",
                  bad.low, bad.high);
  const Descriptor harmless{kTypeWait | kStatusWrite | std::uint64_t{kInUse} << 32,
                            (status_ + head % kQueueLength * 4).value()};
  store(head % kQueueLength, harmless);
  port.mmio_write(registers_ + kFstsReg, 4, kFstsIqe);
  return true;
}

}  // namespace baton::linux::intel_iommu
