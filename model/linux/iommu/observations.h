// What the IOMMU core does that observers cannot see in the hardware.
#pragma once

#include "model/linux/base/observations.h"

namespace baton::linux {

// The record of a device (iommu_device_ser) was written for the next kernel, or deleted.
struct TranslationRecord {
  unsigned generation;
  LedgerEvent event;  // kPreserved, kUnpreserved
  Sbdf device;
  PhysAddr record;
};

}  // namespace baton::linux
