// A fabric from a record of enumeration (enum_record.h).
#pragma once

#include "harness/conform/enum_record.h"
#include "model/pci/fabric.h"
#include "sim/simulation.h"

namespace baton::harness {

// Root buses in the order of firmware's namespace (bus 0, then the others from the highest number
// down) with the functions that were there at power-on.
std::expected<void, std::string> build_enum_host(sim::Simulation& simulation, pci::Fabric& fabric,
                                                 const EnumRecord& record);
// A card is put into its slot: every function of the record on this bus that came at run time.
void plug_in(sim::Simulation& simulation, pci::Fabric& fabric, const EnumRecord& record,
             unsigned bus);

}  // namespace baton::harness
