// Writes the configuration space of a fabric as `lspci -n -xxxx` would print it on that host, for
// `lspci -F` and for parse_lspci() [pciutils lspci.c show_terse, show_hex_dump].
//
// Functions come in order of domain, bus, device, function; a bus has the number it has now. A
// function that no configuration request reaches (behind a bridge without bus numbers) is left out,
// as on a real host, and of two functions at one address the one that answers is printed.
#pragma once

#include <string>

#include "model/pci/fabric.h"

namespace baton::pci {

std::string export_lspci(const Fabric& fabric);

}  // namespace baton::pci
