// The invalidation queue of one unit as the driver runs it: 256 descriptors of 128 bits, every
// submission closed by a wait descriptor whose status word is polled
// [linux drivers/iommu/intel/dmar.c qi_submit_sync, dmar_enable_qi].
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

class QueuedInvalidation {
 public:
  QueuedInvalidation(KernelServices& services, PhysAddr registers)
      : services_(services), registers_(registers) {}

  // The pages of queue and status words. ENOMEM.
  Result<> allocate();
  // Hands a fresh, empty queue to the hardware; QIE itself is the unit's command.
  void program();

  // Descriptors in order, then a wait. EINVAL when the hardware refuses one.
  Result<> submit(std::span<const Descriptor> descriptors);

 private:
  Descriptor wait() const;
  void push(const Descriptor& descriptor);
  bool check_fault();

  KernelServices& services_;
  PhysAddr registers_;
  PhysAddr queue_;
  PhysAddr status_;
  std::uint64_t free_head_ = 0;  // index
};

}  // namespace baton::linux::intel_iommu
