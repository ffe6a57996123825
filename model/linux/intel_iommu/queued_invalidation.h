// The invalidation queue of one unit as the driver runs it: 256 descriptors, every submission
// closed by a wait descriptor whose status word is polled [linux drivers/iommu/intel/dmar.c
// qi_submit_sync, dmar_enable_qi]. Descriptors are 256 bits wide on a unit that knows scalable
// mode, used or not, else 128.
//
// Submissions take no simulated time: the unit completes them within the tail write.
#pragma once

#include <cstdint>
#include <span>

#include "model/linux/base/kernel_services.h"

namespace baton::linux::intel_iommu {

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
Descriptor interrupt_entries_global();
Descriptor interrupt_entry(std::uint16_t index);

class QueuedInvalidation {
 public:
  QueuedInvalidation(KernelServices& services, PhysAddr registers)
      : services_(services), registers_(registers) {}

  // The pages of queue and status words. ENOMEM.
  Result<> allocate(bool wide);
  bool allocated() const { return queue_ != PhysAddr{}; }
  // Hands a fresh, empty queue to the hardware; QIE itself is the unit's command.
  void program();

  // Descriptors in order, then a wait. EINVAL when the hardware refuses one.
  Result<> submit(std::span<const Descriptor> descriptors);

 private:
  Descriptor wait() const;
  std::uint64_t descriptor_bytes() const { return wide_ ? 32 : 16; }
  void store(std::uint64_t index, const Descriptor& descriptor);
  void push(const Descriptor& descriptor);
  bool check_fault();

  KernelServices& services_;
  PhysAddr registers_;
  PhysAddr queue_;
  PhysAddr status_;
  bool wide_ = false;
  std::uint64_t free_head_ = 0;  // index
};

}  // namespace baton::linux::intel_iommu
