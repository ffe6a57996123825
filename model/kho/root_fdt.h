// The root FDT of a handover: one page that names the preserved-memory map and the blobs
// [linux kernel/liveupdate/kexec_handover.c]. Written and read by libfdt.
//
// Property values are native-endian raw bytes; only the FDT's own structure is big-endian. The page
// is edited in place and packed; what lies behind the packed tree is kept zero, so that equal state
// is equal bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "model/linux/base/errno.h"
#include "sim/address.h"
#include "sim/memory.h"

namespace baton::kho {

struct FdtBlob {
  PhysAddr address;
  std::uint64_t size = 0;
};

// Old kernel, on the page's bytes.
linux::Result<> create_root_fdt(std::span<std::byte> page, PhysAddr memory_map);
// `with_size`: kho-v3 on.
linux::Result<> add_blob(std::span<std::byte> page, std::string_view name, FdtBlob blob,
                         bool with_size = true);
void remove_blob(std::span<std::byte> page, PhysAddr address);  // silent when absent

// New kernel. load: a copy of the tree, checked in full; nullopt when these bytes are no FDT.
std::optional<std::vector<std::byte>> load_fdt(sim::PhysicalMemory& ram, PhysAddr address,
                                               std::uint64_t size);
// The tree root of an FDT compatible with kho-v4; nullopt for any other.
std::optional<PhysAddr> memory_map_of(std::span<const std::byte> fdt);
linux::Result<FdtBlob> find_blob(std::span<const std::byte> fdt, std::string_view name);

}  // namespace baton::kho
