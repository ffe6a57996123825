// Field rows of the Type 0 and Type 1 configuration headers [PCIe 7.5.1]. BARs are not rows: their
// address bits depend on their size (config_space.h).
#include "model/pci/capability_fields.h"

namespace baton::pci {
namespace {

using enum Access;

constexpr Field kType0[] = {
    {"Vendor ID", 0x00, 2, 15, 0, kHwInit, "Vendor ID"},
    {"Device ID", 0x02, 2, 15, 0, kHwInit, "Device ID"},
    {"Command", 0x04, 2, 0, 0, kRw, "I/O Space Enable"},
    {"Command", 0x04, 2, 1, 1, kRw, "Memory Space Enable"},
    {"Command", 0x04, 2, 2, 2, kRw, "Bus Master Enable"},
    {"Command", 0x04, 2, 5, 3, kRo, "Special Cycle, MWI, VGA Palette Snoop"},
    {"Command", 0x04, 2, 6, 6, kRw, "Parity Error Response"},
    {"Command", 0x04, 2, 7, 7, kRo, "IDSEL Stepping"},
    {"Command", 0x04, 2, 8, 8, kRw, "SERR# Enable"},
    {"Command", 0x04, 2, 9, 9, kRo, "Fast Back-to-Back Transactions Enable"},
    {"Command", 0x04, 2, 10, 10, kRw, "Interrupt Disable"},
    {"Command", 0x04, 2, 15, 11, kRsvdP, "Reserved"},
    {"Status", 0x06, 2, 7, 0, kRo, "Immediate Readiness to Fast Back-to-Back Capable"},
    {"Status", 0x06, 2, 8, 8, kRw1c, "Master Data Parity Error"},
    {"Status", 0x06, 2, 10, 9, kRo, "DEVSEL Timing"},
    {"Status", 0x06, 2, 15, 11, kRw1c, "Signaled and Received Errors"},
    {"Revision ID", 0x08, 1, 7, 0, kHwInit, "Revision ID"},
    {"Class Code", 0x09, 1, 7, 0, kHwInit, "Programming Interface"},
    {"Class Code", 0x0A, 2, 15, 0, kHwInit, "Sub-Class and Base Class"},
    {"Cache Line Size", 0x0C, 1, 7, 0, kRw, "Cache Line Size"},
    {"Latency Timer", 0x0D, 1, 7, 0, kRo, "Latency Timer"},
    {"Header Type", 0x0E, 1, 7, 0, kHwInit, "Header Type"},
    {"BIST", 0x0F, 1, 7, 0, kRo, "BIST"},
    {"Cardbus CIS Pointer", 0x28, 4, 31, 0, kRo, "Cardbus CIS Pointer"},
    {"Subsystem Vendor ID", 0x2C, 2, 15, 0, kHwInit, "Subsystem Vendor ID"},
    {"Subsystem ID", 0x2E, 2, 15, 0, kHwInit, "Subsystem ID"},
    {"Capabilities Pointer", 0x34, 1, 7, 0, kRo, "Capabilities Pointer"},
    {"Interrupt Line", 0x3C, 1, 7, 0, kRw, "Interrupt Line"},
    {"Interrupt Pin", 0x3D, 1, 7, 0, kRo, "Interrupt Pin"},
    {"Min_Gnt, Max_Lat", 0x3E, 2, 15, 0, kRo, "Min_Gnt, Max_Lat"},
};
static_assert(tiles(kType0));

constexpr Field kType1[] = {
    {"Vendor ID", 0x00, 2, 15, 0, kHwInit, "Vendor ID"},
    {"Device ID", 0x02, 2, 15, 0, kHwInit, "Device ID"},
    {"Command", 0x04, 2, 0, 0, kRw, "I/O Space Enable"},
    {"Command", 0x04, 2, 1, 1, kRw, "Memory Space Enable"},
    {"Command", 0x04, 2, 2, 2, kRw, "Bus Master Enable"},
    {"Command", 0x04, 2, 5, 3, kRo, "Special Cycle, MWI, VGA Palette Snoop"},
    {"Command", 0x04, 2, 6, 6, kRw, "Parity Error Response"},
    {"Command", 0x04, 2, 7, 7, kRo, "IDSEL Stepping"},
    {"Command", 0x04, 2, 8, 8, kRw, "SERR# Enable"},
    {"Command", 0x04, 2, 9, 9, kRo, "Fast Back-to-Back Transactions Enable"},
    {"Command", 0x04, 2, 10, 10, kRw, "Interrupt Disable"},
    {"Command", 0x04, 2, 15, 11, kRsvdP, "Reserved"},
    {"Status", 0x06, 2, 7, 0, kRo, "Immediate Readiness to Fast Back-to-Back Capable"},
    {"Status", 0x06, 2, 8, 8, kRw1c, "Master Data Parity Error"},
    {"Status", 0x06, 2, 10, 9, kRo, "DEVSEL Timing"},
    {"Status", 0x06, 2, 15, 11, kRw1c, "Signaled and Received Errors"},
    {"Revision ID", 0x08, 1, 7, 0, kHwInit, "Revision ID"},
    {"Class Code", 0x09, 1, 7, 0, kHwInit, "Programming Interface"},
    {"Class Code", 0x0A, 2, 15, 0, kHwInit, "Sub-Class and Base Class"},
    {"Cache Line Size", 0x0C, 1, 7, 0, kRw, "Cache Line Size"},
    {"Latency Timer", 0x0D, 1, 7, 0, kRo, "Primary Latency Timer"},
    {"Header Type", 0x0E, 1, 7, 0, kHwInit, "Header Type"},
    {"BIST", 0x0F, 1, 7, 0, kRo, "BIST"},
    {"Primary Bus Number", 0x18, 1, 7, 0, kRw, "Primary Bus Number"},
    {"Secondary Bus Number", 0x19, 1, 7, 0, kRw, "Secondary Bus Number"},
    {"Subordinate Bus Number", 0x1A, 1, 7, 0, kRw, "Subordinate Bus Number"},
    {"Secondary Latency Timer", 0x1B, 1, 7, 0, kRo, "Secondary Latency Timer"},
    {"I/O Base", 0x1C, 1, 3, 0, kRo, "I/O Addressing Capability"},
    {"I/O Base", 0x1C, 1, 7, 4, kRw, "I/O Base"},
    {"I/O Limit", 0x1D, 1, 3, 0, kRo, "I/O Addressing Capability"},
    {"I/O Limit", 0x1D, 1, 7, 4, kRw, "I/O Limit"},
    {"Secondary Status", 0x1E, 2, 7, 0, kRo, "66 MHz and Fast Back-to-Back Capable"},
    {"Secondary Status", 0x1E, 2, 8, 8, kRw1c, "Master Data Parity Error"},
    {"Secondary Status", 0x1E, 2, 10, 9, kRo, "DEVSEL Timing"},
    {"Secondary Status", 0x1E, 2, 15, 11, kRw1c, "Signaled and Received Errors"},
    {"Memory Base", 0x20, 2, 3, 0, kRo, "Reserved"},
    {"Memory Base", 0x20, 2, 15, 4, kRw, "Memory Base"},
    {"Memory Limit", 0x22, 2, 3, 0, kRo, "Reserved"},
    {"Memory Limit", 0x22, 2, 15, 4, kRw, "Memory Limit"},
    {"Prefetchable Memory Base", 0x24, 2, 3, 0, kRo, "64-bit Addressing"},
    {"Prefetchable Memory Base", 0x24, 2, 15, 4, kRw, "Prefetchable Memory Base"},
    {"Prefetchable Memory Limit", 0x26, 2, 3, 0, kRo, "64-bit Addressing"},
    {"Prefetchable Memory Limit", 0x26, 2, 15, 4, kRw, "Prefetchable Memory Limit"},
    {"Prefetchable Base Upper 32 Bits", 0x28, 4, 31, 0, kRw, "Upper 32 Bits"},
    {"Prefetchable Limit Upper 32 Bits", 0x2C, 4, 31, 0, kRw, "Upper 32 Bits"},
    {"I/O Base Upper 16 Bits", 0x30, 2, 15, 0, kRw, "Upper 16 Bits"},
    {"I/O Limit Upper 16 Bits", 0x32, 2, 15, 0, kRw, "Upper 16 Bits"},
    {"Capabilities Pointer", 0x34, 1, 7, 0, kRo, "Capabilities Pointer"},
    {"Interrupt Line", 0x3C, 1, 7, 0, kRw, "Interrupt Line"},
    {"Interrupt Pin", 0x3D, 1, 7, 0, kRo, "Interrupt Pin"},
    {"Bridge Control", 0x3E, 2, 0, 0, kRw, "Parity Error Response Enable"},
    {"Bridge Control", 0x3E, 2, 1, 1, kRw, "SERR# Enable"},
    {"Bridge Control", 0x3E, 2, 2, 2, kRw, "ISA Enable"},
    {"Bridge Control", 0x3E, 2, 3, 3, kRw, "VGA Enable"},
    {"Bridge Control", 0x3E, 2, 4, 4, kRw, "VGA 16-bit Decode"},
    {"Bridge Control", 0x3E, 2, 5, 5, kRo, "Master Abort Mode"},
    {"Bridge Control", 0x3E, 2, 6, 6, kRw, "Secondary Bus Reset"},
    {"Bridge Control", 0x3E, 2, 15, 7, kRo, "Conventional PCI only, and reserved"},
};
static_assert(tiles(kType1));

}  // namespace

std::span<const Field> type0_fields() { return kType0; }
std::span<const Field> type1_fields() { return kType1; }

}  // namespace baton::pci
