// What firmware does with the fabric before a kernel runs.
#pragma once

#include <span>
#include <vector>

#include "model/host/firmware.h"
#include "model/pci/fabric.h"

namespace baton::host {

// Memory addresses that BARs and bridge windows hold now.
std::vector<sim::PhysRange> claimed_addresses(const pci::Fabric& fabric);

// Gives the 64-bit memory BARs of functions on root buses that hold no address at all a place above
// kHighMmioBase and above `claimed`.
void assign_high_bars(pci::Fabric& fabric, std::span<const sim::PhysRange> claimed);

// One configuration write to every function, so that it captures its bus and device number [PCIe
// 2.2.6.2]. It writes the interrupt line register's own value.
void capture_ids(pci::Fabric& fabric);

// The root buses as MCFG describes them.
std::vector<HostBridgeInfo> host_bridges(const pci::Fabric& fabric, const MemoryMap& map);

}  // namespace baton::host
