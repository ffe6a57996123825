// The invalidation queue of one unit as the driver runs it: 256 descriptors, every submission
// closed by a wait descriptor whose status word is polled [linux drivers/iommu/intel/dmar.c
// qi_submit_sync, dmar_enable_qi]. Descriptors are 256 bits wide on a unit that knows scalable
// mode, used or not, else 128.
//
// Most submissions are complete when the tail is written. Those that are not, because a device-TLB
// or a request under way has to be waited for, are outstanding; Linux spins on each, here settle()
// waits for all of them, and whoever gives memory back, or answers user space, calls it first. What
// an invalidation drops from the unit itself is gone at once.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/linux/base/kernel_services.h"

namespace baton::linux::intel_iommu {

// A function whose device-TLB the driver keeps in step.
struct DeviceTlb {
  std::uint16_t source = 0;
  unsigned depth = 0;  // invalidations that it takes at a time
  friend bool operator==(const DeviceTlb&, const DeviceTlb&) = default;
};

struct Descriptor {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
};

Descriptor context_global();
Descriptor context_of_device(std::uint16_t domain, std::uint16_t source);
Descriptor iotlb_global();
Descriptor iotlb_of_domain(std::uint16_t domain);
// 2^mask pages from `address`, which is aligned to them.
Descriptor iotlb_pages(std::uint16_t domain, std::uint64_t address, unsigned mask);
Descriptor pasid_cache_global();
Descriptor pasid_cache_of(std::uint16_t domain, std::uint32_t pasid);
Descriptor pasid_iotlb_of(std::uint16_t domain, std::uint32_t pasid);
Descriptor pasid_iotlb_pages(std::uint16_t domain, std::uint32_t pasid, std::uint64_t address,
                             unsigned mask);
// 2^order pages of one function; those cached for its requests without PASID, or with one.
Descriptor device_tlb_pages(const DeviceTlb& device, std::uint32_t pasid, std::uint64_t address,
                            unsigned order);
Descriptor device_tlb_all(const DeviceTlb& device, std::uint32_t pasid);
Descriptor interrupt_entries_global();
Descriptor interrupt_entry(std::uint16_t index);

class QueuedInvalidation {
 public:
  QueuedInvalidation(KernelServices& services, PhysAddr registers, std::uint32_t segment)
      : services_(services), registers_(registers), segment_(segment) {}

  // The pages of queue and status words. ENOMEM.
  Result<> allocate(bool wide);
  bool allocated() const { return queue_ != PhysAddr{}; }
  // Hands a fresh, empty queue to the hardware; QIE itself is the unit's command.
  void program();

  // Descriptors in order, then a wait, which may be outstanding on return. EINVAL when the hardware
  // refuses one.
  Result<> submit(std::span<const Descriptor> descriptors);
  // Until nothing is outstanding. What timed out is tried again, unless its function is gone
  // [linux qi_check_fault, qi_submit_sync].
  Co<> settle();
  bool settled() const { return outstanding_.empty(); }

 private:
  Descriptor wait() const;
  std::uint64_t descriptor_bytes() const { return wide_ ? 32 : 16; }
  void store(std::uint64_t index, const Descriptor& descriptor);
  void push(const Descriptor& descriptor);
  bool check_fault();
  bool check_time_out();
  bool is_done(std::uint64_t index) const;
  void forget_done();

  struct Submission {
    std::uint64_t wait = 0;  // index of its wait descriptor
    std::vector<Descriptor> descriptors;
  };

  KernelServices& services_;
  PhysAddr registers_;
  std::uint32_t segment_;
  PhysAddr queue_;
  PhysAddr status_;
  bool wide_ = false;
  std::uint64_t free_head_ = 0;  // index
  std::vector<Submission> outstanding_;
};

}  // namespace baton::linux::intel_iommu
