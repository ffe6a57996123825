// What the host's own drivers let observers see.
#pragma once

#include "sim/address.h"
#include "sim/memory.h"

namespace baton::linux::drivers {

// A driver allocated memory for its device's DMA, or freed it [linux dma_alloc_coherent,
// dma_free_coherent]: this is what the device may reach while the driver has it.
struct DmaMemoryChanged {
  unsigned generation;
  Sbdf device;
  sim::PhysRange pages;
  bool allocated;
};

}  // namespace baton::linux::drivers
