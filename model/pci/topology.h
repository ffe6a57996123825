// Builds the PCI fabric of an imported host from its dump: the same root buses, bridges, functions,
// ids and bus numbers, each function answering with its recorded bytes.
//
// Bridges are real (bridge.h): the recorded bus numbers, windows and Command route from the first
// instant on. Other functions are ImportedFunction: their configuration space is complete, their
// registers behind the BARs read as zero. A device that baton models is added afterwards with
// Fabric::add.
//
// Assumed, as a dump does not say it:
//  - the size of a BAR, unless -vv text gives it: the largest power of two that its address is a
//    multiple of, that does not reach the next BAR or window and stays inside the window of the
//    bridge above; on a root bus at most 1 MiB; I/O at most 256 bytes. An unassigned BAR (address
//    0) without a known size is read only.
//  - the bus numbers of a host bridge: from its root bus to the next root bus, or ff.
//  - who owns the slots below a host bridge: the operating system, unless a hotplug slot with
//    something behind it shows neither presence nor a link. There firmware hides the slots (ACPI
//    hotplug), and a kernel that took it for empty would switch it off.
#pragma once

#include <expected>

#include "model/pci/fabric.h"
#include "model/pci/lspci_dump.h"

namespace baton::pci {

class ImportedFunction final : public Function {
 public:
  using Function::Function;
};

// Adds the dump's hosts to a fabric. Functions are named by address, "0000:00:03.0", and have
// captured their ids as firmware left them. On an error the fabric may be half built.
std::expected<void, DumpError> import_topology(sim::Simulation& simulation, Fabric& fabric,
                                               const LspciDump& dump);

}  // namespace baton::pci
