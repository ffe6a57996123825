// An NVM Express controller with one namespace: a PCI Express endpoint that moves blocks between a
// disk of its own and memory, by commands in queues [NVMe 1.4].
//
// With `vfs` it has virtual functions [PCIe 9]. Each is a controller with a disk of its own, online
// as soon as VF Enable makes it appear. Not modelled: Virtualization Management, by which a primary
// controller gives its secondary ones queues and interrupts [NVMe 1.4, 8.5].
//
// It lives from power-on to the end; a kexec does not touch it: queued commands go on, data and
// completions land where they were told to, interrupts go to the old message addresses. The disk
// keeps its bytes over every reset.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "model/pci/function.h"
#include "sim/simulation.h"
#include "sim/time.h"

namespace baton::devices::nvme {

inline constexpr unsigned kVfsMax = 32;

struct NvmeConfig {
  std::string name = "nvme0";
  // Size of the namespace, whole blocks of 512 bytes. Blocks never written read as zeros.
  std::uint64_t capacity = std::uint64_t{1} << 30;
  // Device Serial Number of the card [PCIe 7.9.3].
  std::uint64_t serial_number = 0x0052'5400'4E00'01BA;
  // One of several functions of a card: it then has ARI [PCIe 7.8.8], which names the next of them,
  // 0 behind the last.
  bool multi_function = false;
  std::uint8_t next_function = 0;
  // A card of several functions: each has ACS, without a way to its neighbours [PCIe 7.7.12].
  bool acs = true;
  bool flr = true;            // Device Capabilities: Function Level Reset
  bool no_soft_reset = true;  // registers survive D3hot
  // Virtual functions, at most kVfsMax; 0: no SR-IOV capability.
  unsigned vfs = 0;
  // Size of the controller memory buffer in BAR 2, a power of two, 4 KiB at least; 0: none. Peers
  // and CPUs read and write it; the controller itself takes no queues, lists or data from it.
  std::uint64_t buffer_bytes = 0;
  // Data moved per second, both directions together, as a volume with a provisioned rate has it.
  // Default assumed: what four lanes of 8 GT/s carry.
  std::uint64_t bytes_per_second = 3'500'000'000;
  // From a command's arrival to its first data. Assumed: flash is read in tens of microseconds and
  // written into a buffer.
  sim::Duration media_read = sim::Duration::microseconds(70);
  sim::Duration media_write = sim::Duration::microseconds(10);
  // From a doorbell, or the command before it, to the fetch of a command. Assumed.
  sim::Duration per_fetch = sim::Duration::nanoseconds(100);
  // From the last data to the completion entry. Assumed.
  sim::Duration per_command = sim::Duration::microseconds(1);
  // From CC.EN = 1 to CSTS.RDY = 1, from 0 to 0, and a shutdown. Assumed, far below CAP.TO.
  sim::Duration enable = sim::Duration::milliseconds(2);
  sim::Duration disable = sim::Duration::microseconds(100);
  sim::Duration shutdown = sim::Duration::milliseconds(1);
};

std::unique_ptr<pci::Function> make_nvme(sim::Simulation& simulation, const NvmeConfig& config);

}  // namespace baton::devices::nvme
