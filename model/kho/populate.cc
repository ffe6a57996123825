// kho_populate(): what a new kernel learns of the handover before it has an allocator [linux
// arch/x86/kernel/setup.c add_kho, kernel/liveupdate/kexec_handover.c]. Everything read here was
// written by another kernel; any doubt means a plain boot.
#include <algorithm>

#include "model/kho/abi.h"
#include "model/kho/kho.h"
#include "model/kho/root_fdt.h"
#include "model/kho/scratch.h"

namespace baton::kho {

namespace {

constexpr unsigned kMostSetupData = 64;  // a longer chain is a cycle
constexpr std::uint64_t kMostScratchAreas = 1024;

// parse_setup_data(): the SETUP_KEXEC_KHO entry of the chain.
std::optional<abi::SetupKho> find_setup_data(sim::PhysicalMemory& ram, PhysAddr entry) {
  for (unsigned i = 0; i < kMostSetupData && entry.value() != 0; ++i) {
    abi::SetupData header;
    if (!ram.contains(entry, sizeof(header))) {
      return std::nullopt;
    }
    ram.read(entry, std::as_writable_bytes(std::span(&header, 1)));
    if (header.type == abi::kSetupKexecKho) {
      abi::SetupKho payload;
      if (header.length != sizeof(payload) ||
          !ram.contains(entry, sizeof(header) + sizeof(payload))) {
        return std::nullopt;
      }
      ram.read(entry + sizeof(header), std::as_writable_bytes(std::span(&payload, 1)));
      return payload;
    }
    entry = PhysAddr(header.next);
  }
  return std::nullopt;
}

// The scratch areas of the table; empty when an area cannot be one.
std::vector<sim::PhysRange> read_scratch(host::KernelPort& port, const abi::SetupKho& data) {
  sim::PhysicalMemory& ram = port.ram();
  const std::uint64_t count = data.scratch_size / sizeof(abi::Scratch);
  const PhysAddr table(data.scratch_address);
  std::vector<sim::PhysRange> areas;
  if (data.scratch_size % sizeof(abi::Scratch) != 0 || count > kMostScratchAreas ||
      !ram.contains(table, data.scratch_size)) {
    return areas;
  }
  for (std::uint64_t i = 0; i < count; ++i) {
    abi::Scratch entry;
    ram.read(table + i * sizeof(entry), std::as_writable_bytes(std::span(&entry, 1)));
    const sim::PhysRange range{PhysAddr(entry.address), entry.size};
    if (range.start.page_offset() != 0 || range.length % sim::kPageSize != 0 ||
        !ram.contains(range.start, range.length)) {
      return {};
    }
    areas.push_back(range);
  }
  return areas;
}

// memblock_add() of each area: sorted and merged.
std::vector<sim::PhysRange> merged(std::vector<sim::PhysRange> areas) {
  std::ranges::sort(areas, {}, &sim::PhysRange::start);
  std::vector<sim::PhysRange> result;
  for (const sim::PhysRange& area : areas) {
    if (area.length == 0) {
      continue;
    }
    if (!result.empty() && area.start <= result.back().end()) {
      const PhysAddr end = std::max(area.end(), result.back().end());
      result.back().length = end - result.back().start;
    } else {
      result.push_back(area);
    }
  }
  return result;
}

}  // namespace

std::optional<Handover> populate(host::KernelPort& port, const host::BootHandoff& handoff) {
  const auto data = find_setup_data(port.ram(), handoff.setup_data);
  if (!data) {
    return std::nullopt;
  }
  const std::string actor = fmt::format("kernel{}", port.generation());
  const auto refuse = [&](std::string_view why) {
    port.simulation().log().write(sim::LogLevel::kWarning, actor, "KHO: disabling KHO revival: {}",
                                  why);
    return std::nullopt;
  };
  const auto fdt = load_fdt(port.ram(), PhysAddr(data->fdt_address), data->fdt_size);
  if (!fdt) {
    return refuse("handover FDT is invalid");
  }
  if (!memory_map_of(*fdt)) {
    return refuse("handover FDT is incompatible or has no preserved-memory map");
  }
  Handover handover;
  handover.data = {PhysAddr(data->fdt_address), data->fdt_size, PhysAddr(data->scratch_address),
                   data->scratch_size};
  handover.areas = read_scratch(port, *data);
  handover.scratch = merged(handover.areas);
  if (handover.scratch.empty()) {
    return refuse("scratch table is invalid");
  }
  // kho_memory_init_early(). These ranges are in no scratch table: neither images nor the checks of
  // later kernels know them.
  std::vector<sim::PhysRange> boot_ranges =
      extended_scratch(port.ram(), port.memory_map(), *memory_map_of(*fdt));
  boot_ranges.insert(boot_ranges.end(), handover.scratch.begin(), handover.scratch.end());
  handover.scratch = merged(std::move(boot_ranges));
  return handover;
}

}  // namespace baton::kho
