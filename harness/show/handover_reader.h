// Reads what one kernel hands to the next from the bytes in RAM, and from nothing else: setup_data,
// KHO's root FDT, LUO's sessions, files and FLBs with their records. It shares no code with the
// kernels that write them; offsets are those of the ABI headers [linux v7.2 arch/x86/include/uapi/
// asm/setup_data.h, include/linux/kho/abi/{kexec_handover,block,luo,memfd}.h; posted series vfio,
// iommu and pci v5 to v9].
//
// The bytes may be anything: every address and count is checked, and what makes no sense becomes a
// line of `problems`. Not decoded: records of compatible strings other than memfd-v2, vfio-pci-v1,
// iommufd-v1, pci and iommu-liveupdate; of those only where they lie is told.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sim/memory.h"

namespace baton::harness {

struct SetupEntry {
  PhysAddr address;
  std::uint32_t type = 0;
  std::uint32_t length = 0;
};
struct KhoPayload {
  PhysAddr fdt;
  std::uint64_t fdt_size = 0;
  PhysAddr scratch;
  std::uint64_t scratch_size = 0;
  std::vector<sim::PhysRange> areas;  // the scratch table
};
struct SetupChain {
  std::vector<SetupEntry> entries;
  std::optional<KhoPayload> kho;  // of the first entry of that type
};
SetupChain read_setup_data(sim::PhysicalMemory& memory, PhysAddr first);

// The FDT's own bytes, checked in full by libfdt; nothing when they are no FDT.
std::optional<std::vector<std::byte>> read_fdt(sim::PhysicalMemory& memory, PhysAddr address,
                                               std::uint64_t size);

struct NamedBlob {
  std::string name;
  PhysAddr address;
  std::uint64_t size = 0;
};
struct KhoRoot {
  std::string compatible;
  PhysAddr memory_map;
  std::vector<NamedBlob> blobs;
};
KhoRoot read_root(const std::vector<std::byte>& fdt);

using Details = std::vector<std::pair<std::string, std::string>>;

struct LuoFileView {
  std::string compatible;
  std::uint64_t data = 0;
  std::uint64_t token = 0;
  Details details;
};
struct LuoSessionView {
  std::string name;
  std::uint64_t count = 0;
  std::vector<LuoFileView> files;
};
struct LuoFlbView {
  std::string compatible;
  std::uint64_t data = 0;
  std::uint64_t count = 0;
  Details details;
};
struct LuoView {
  std::string compatible;
  std::uint64_t liveupdate_number = 0;
  std::vector<LuoSessionView> sessions;
  std::vector<LuoFlbView> flbs;
  std::vector<std::string> problems;
};
LuoView read_luo(sim::PhysicalMemory& memory, const NamedBlob& blob);

}  // namespace baton::harness
