// The timing table: every duration of the machine, with its source. docs/timing.md explains them.
#pragma once

#include "model/pci/fabric.h"
#include "sim/time.h"

namespace baton::host {

struct Timing {
  // [Neugebauer et al., SIGCOMM 2018: 64-byte DMA read 0.55 us round trip; halves and rest assumed]
  pci::FabricTiming fabric{sim::Duration::nanoseconds(150), sim::Duration::nanoseconds(50)};
  sim::Duration ram_access = sim::Duration::nanoseconds(100);
  sim::Duration interrupt_delivery = sim::Duration::nanoseconds(500);
  sim::Duration cpu_mmio_read = sim::Duration::nanoseconds(700);
  // Read or write: neither is posted [assumed: as an uncached read].
  sim::Duration cpu_config_access = sim::Duration::nanoseconds(700);
  // From the old kernel's last instruction to the new kernel's first: purgatory without checksum
  // and decompression of the image [assumed: 20 ms, in the 1.0 s of a kexec boot].
  sim::Duration purgatory = sim::Duration::milliseconds(20);
  // Power-on self test and boot loader of a server [assumed].
  sim::Duration platform_reset = sim::Duration::seconds(60);
};

}  // namespace baton::host
