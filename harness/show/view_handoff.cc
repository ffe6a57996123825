// handoff: what the running kernel was booted with, and all that a reader which shares no code with
// baton needs beside RAM (the view memory) to walk from there to every preserved byte.
//
// Keys for such a reader, on the top level, every number a string of hexadecimal digits behind 0x:
//   kho_fdt, kho_fdt_size, scratch, scratch_len   from setup_data; lengths in bytes
//   haw                  host address width, of the DMAR table
//   ram                  [{start, len}] as E820 has it
//   iommu_units          [{base, rtaddr}] register base and RTADDR as it stands
//   pci_parents          {bdf: bdf} the bridge above each function that has one
//   maps                 [{session, iommufd, hwpt, ranges, device_ranges}] of handoff_records.h
//   extra                [{phys, len, what}] preserved blocks that no upstream series defines
#include <fmt/format.h>

#include <boost/json.hpp>

#include "harness/show/handoff_records.h"
#include "harness/show/raw_memory.h"
#include "harness/show/views.h"

namespace baton::harness {
namespace {

namespace json = boost::json;

constexpr std::uint64_t kRtaddr = 0x20;

std::string hex(std::uint64_t number) { return fmt::format("{:#x}", number); }

json::array ranges_value(const std::vector<sim::PhysRange>& ranges) {
  json::array values;
  for (const sim::PhysRange& range : ranges) {
    values.emplace_back(json::object{{"address", range.start.value()}, {"bytes", range.length}});
  }
  return values;
}

json::object kho_value(sim::PhysicalMemory& memory, const KhoPayload& kho) {
  json::object value{{"fdt", kho.fdt.value()},
                     {"fdt_size", kho.fdt_size},
                     {"scratch", kho.scratch.value()},
                     {"scratch_size", kho.scratch_size},
                     {"scratch_areas", ranges_value(kho.areas)}};
  const auto fdt = read_fdt(memory, kho.fdt, kho.fdt_size);
  if (!fdt) return value;
  const KhoRoot root = read_root(*fdt);
  json::array blobs;
  for (const NamedBlob& blob : root.blobs) {
    blobs.emplace_back(
        json::object{{"name", blob.name}, {"address", blob.address.value()}, {"bytes", blob.size}});
  }
  value["compatible"] = root.compatible;
  value["preserved_memory_map"] = root.memory_map.value();
  value["blobs"] = std::move(blobs);
  return value;
}

// RSDP, XSDT, DMAR: the byte behind the header is the width less one [VT-d 8.1; ACPI 6.5, 5.2.7].
std::optional<unsigned> host_address_width(host::Machine& machine) {
  const RawMemory memory(machine.memory());
  const std::uint64_t rsdp = machine.memory_map().rsdp.value();
  if (!memory.has(rsdp, 36)) return std::nullopt;
  const std::uint64_t xsdt = memory.u64(rsdp + 24);
  if (!memory.has(xsdt, 36)) return std::nullopt;
  const std::uint64_t end = xsdt + memory.u32(xsdt + 4);
  for (std::uint64_t at = xsdt + 36; at + 8 <= end && memory.has(at, 8); at += 8) {
    const std::uint64_t table = memory.u64(at);
    if (memory.has(table, 48) && memory.text(table, 4) == "DMAR") {
      return static_cast<unsigned>(memory.number(table + 36, 1)) + 1;
    }
  }
  return std::nullopt;
}

json::array ram_value(const host::MemoryMap& map) {
  json::array values;
  for (const host::MemoryMapEntry& entry : map.entries) {
    if (entry.type != host::MemoryType::kRam) continue;
    values.emplace_back(
        json::object{{"start", hex(entry.range.start.value())}, {"len", hex(entry.range.length)}});
  }
  return values;
}

json::array units_value(host::Machine& machine) {
  json::array values;
  for (const auto& unit : machine.iommus()) {
    values.emplace_back(json::object{{"base", hex(unit->base().value())},
                                     {"rtaddr", hex(unit->mmio_read(kRtaddr, 8))}});
  }
  return values;
}

json::object parents_value(const TopologySnapshot& topology) {
  json::object values;
  for (const FunctionState& function : topology.functions) {
    if (!function.parent) continue;
    const FunctionState& bridge = topology.functions[*function.parent];
    values[to_string(function.address)] = to_string(bridge.address);
  }
  return values;
}

json::array maps_value(const std::vector<IovaMap>& maps) {
  json::array values;
  for (const IovaMap& map : maps) {
    json::array ranges;
    for (const IovaMap::Range& range : map.ranges) {
      ranges.emplace_back(json::object{{"iova", hex(range.iova)},
                                       {"memfd", hex(range.memfd)},
                                       {"offset", hex(range.offset)},
                                       {"len", hex(range.length)}});
    }
    json::array device_ranges;
    for (const IovaMap::DeviceRange& range : map.device_ranges) {
      device_ranges.emplace_back(json::object{
          {"iova", hex(range.iova)}, {"phys", hex(range.address)}, {"len", hex(range.length)}});
    }
    values.emplace_back(json::object{{"session", map.session},
                                     {"iommufd", hex(map.iommufd)},
                                     {"hwpt", hex(map.hwpt)},
                                     {"ranges", std::move(ranges)},
                                     {"device_ranges", std::move(device_ranges)}});
  }
  return values;
}

json::array extra_value(const std::vector<ExtraBlock>& blocks) {
  json::array values;
  for (const ExtraBlock& block : blocks) {
    values.emplace_back(json::object{
        {"phys", hex(block.address.value())}, {"len", hex(block.length)}, {"what", block.what}});
  }
  return values;
}

// The keys of a handover.
void add_handover(json::object& top, sim::PhysicalMemory& memory, const KhoPayload& kho) {
  top["kho"] = kho_value(memory, kho);
  top["kho_fdt"] = hex(kho.fdt.value());
  top["kho_fdt_size"] = hex(kho.fdt_size);
  top["scratch"] = hex(kho.scratch.value());
  top["scratch_len"] = hex(kho.scratch_size);
  DesignRecords records;
  const auto fdt = read_fdt(memory, kho.fdt, kho.fdt_size);
  for (const NamedBlob& blob : fdt ? read_root(*fdt).blobs : std::vector<NamedBlob>{}) {
    if (blob.name == "LUO") records = read_design_records(memory, read_luo(memory, blob));
  }
  top["maps"] = maps_value(records.maps);
  top["extra"] = extra_value(records.extra);
}

}  // namespace

ShowResult show_handoff(const ShowContext& context, std::ostream& out) {
  if (context.boots.boots().empty()) return std::unexpected("no kernel has started");
  const BootRecords::Boot& boot = context.boots.boots().back();
  host::Machine& machine = context.watch.machine();
  const SetupChain chain = read_setup_data(machine.memory(), boot.handoff.setup_data);
  json::array entries;
  for (const SetupEntry& entry : chain.entries) {
    entries.emplace_back(json::object{
        {"address", entry.address.value()}, {"type", entry.type}, {"length", entry.length}});
  }
  json::object top{{"kernel", boot.generation},
                   {"time_ps", boot.time.ps()},
                   {"cold", boot.handoff.cold},
                   {"command_line", boot.handoff.command_line},
                   {"segments", ranges_value(boot.handoff.segments)},
                   {"setup_data", boot.handoff.setup_data.value()},
                   {"setup_data_entries", std::move(entries)},
                   {"kho", nullptr}};
  if (const auto width = host_address_width(machine)) top["haw"] = hex(*width);
  top["ram"] = ram_value(machine.memory_map());
  top["iommu_units"] = units_value(machine);
  top["pci_parents"] = parents_value(context.topology.take());
  if (chain.kho) add_handover(top, machine.memory(), *chain.kho);
  out << json::serialize(top) << "\n";
  return {};
}

}  // namespace baton::harness
