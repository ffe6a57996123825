// vectors: how each MSI-X message is routed: table entry, remapping table entry, CPU and vector,
// and how often it arrived [PCIe 6.1.4, 7.7.2; VT-d 5.1; Intel SDM 3, 11.11].
//
// Read from the functions' tables, the units' registers and RAM, by own code; nothing is sent.
// Interrupt handlers are objects of a kernel, which nobody outside of it can see: told is the
// driver that the function is bound to. Not told: MSI (no
// device of baton sends any), events of the remapping units themselves.
#include <fmt/format.h>

#include <boost/json.hpp>

#include "harness/show/raw_memory.h"
#include "harness/show/views.h"

namespace baton::harness {
namespace {

namespace json = boost::json;

constexpr std::uint64_t kGsts = 0x1C;
constexpr std::uint64_t kIrta = 0xB8;
constexpr std::uint32_t kInterruptRemappingOn = 1U << 25;
constexpr std::uint64_t kRemappable = 1U << 4;
constexpr std::uint64_t kSubhandleValid = 1U << 3;
constexpr std::uint64_t kInterruptRange = 0xFEE;

struct Entry {
  std::string function;
  std::string driver;
  std::string vm;
  unsigned index = 0;
  std::uint64_t address = 0;
  std::uint32_t data = 0;
  bool masked = false;
  bool pending = false;
  bool enabled = false;
  std::string route;  // "remapped, IRTE 3 -> CPU 0 vector 0x21"
  InterruptCounts::Count count;
};

struct Route {
  std::string text;
  std::optional<linux::CpuVector> vector;
};

Route compatibility(std::uint64_t address, std::uint32_t data) {
  const auto vector = static_cast<std::uint8_t>(data & 0xFF);
  const auto cpu = static_cast<std::uint32_t>(address >> 12 & 0xFF);
  return {fmt::format("compatibility format, CPU {} vector {:#x}", cpu, vector),
          linux::CpuVector(Vector(vector), cpu)};
}

Route remapped(ShowContext const& context, iommu_vtd::RemappingUnit& unit, std::uint64_t address,
               std::uint32_t data) {
  std::uint64_t handle = (address >> 5 & 0x7FFF) | (address >> 2 & 1) << 15;
  if ((address & kSubhandleValid) != 0) handle += data & 0xFFFF;
  const auto status = static_cast<std::uint32_t>(unit.mmio_read(kGsts, 4));
  if ((status & kInterruptRemappingOn) == 0) {
    return {fmt::format("remappable format, index {}, but remapping is off", handle), {}};
  }
  const std::uint64_t table = unit.mmio_read(kIrta, 8);
  const std::uint64_t entries = std::uint64_t{2} << (table & 0xF);
  const std::uint64_t at = (table & ~std::uint64_t{0xFFF}) + handle * 16;
  const RawMemory memory(context.watch.machine().memory());
  if (handle >= entries || !memory.has(at, 16)) {
    return {fmt::format("IRTE {} is outside of the table of {} entries", handle, entries), {}};
  }
  const std::uint64_t low = memory.u64(at);
  const std::uint64_t high = memory.u64(at + 8);
  if ((low & 1) == 0) {
    const char* silent = (low & 2) != 0 ? ", and drops in silence" : "";
    return {fmt::format("IRTE {} is not present{}", handle, silent), {}};
  }
  if ((low >> 15 & 1) != 0) {
    const std::uint64_t descriptor = memory.u64(at + 8) >> 32 << 32 | (low >> 32 & 0xFFFF'FFC0);
    const std::uint64_t vector = low >> 16 & 0xFF;
    const bool set = memory.has(descriptor, 64) &&
                     (memory.u64(descriptor + vector / 64 * 8) >> vector % 64 & 1) != 0;
    return {fmt::format("IRTE {} posts vector {:#x} into the descriptor at {:#x}{}", handle, vector,
                        descriptor, set ? ", which holds it" : ""),
            {}};
  }
  const auto vector = static_cast<std::uint8_t>(low >> 16 & 0xFF);
  const bool x2apic = (table >> 11 & 1) != 0;
  const std::uint64_t cpu = x2apic ? low >> 32 : low >> 40 & 0xFF;
  const Bdf source(static_cast<std::uint16_t>(high & 0xFFFF));
  return {fmt::format("IRTE {} -> CPU {} vector {:#x}, source {}", handle, cpu, vector,
                      (high >> 18 & 3) == 0 ? std::string("not checked") : to_string(source)),
          linux::CpuVector(Vector(vector), static_cast<std::uint32_t>(cpu))};
}

Route route_of(const ShowContext& context, const pci::Function& function, std::uint64_t address,
               std::uint32_t data) {
  if (address >> 20 != kInterruptRange) return {"no interrupt address", {}};
  iommu_vtd::RemappingUnit* unit = context.watch.machine().iommu_of(function);
  if ((address & kRemappable) == 0 || unit == nullptr) return compatibility(address, data);
  return remapped(context, *unit, address, data);
}

class Collector {
 public:
  explicit Collector(const ShowContext& context) : context_(context) {}

  std::vector<Entry> collect() {
    const TopologySnapshot topology = context_.topology.take();
    for (const FunctionState& state : topology.functions) {
      const pci::Function* function = context_.watch.machine().fabric().find(state.name);
      if (function != nullptr && function->msix() != nullptr) table_of(*function, state);
    }
    return std::move(entries_);
  }

 private:
  void table_of(const pci::Function& function, const FunctionState& state) {
    const pci::ConfigSpace& config = function.config();
    const std::uint16_t capability = config.find(pci::CapabilityId::kMsix);
    if (capability == 0) return;
    const std::uint32_t table = config.get(static_cast<std::uint16_t>(capability + 4), 4);
    const std::uint32_t pba = config.get(static_cast<std::uint16_t>(capability + 8), 4);
    const std::uint32_t control = config.get(static_cast<std::uint16_t>(capability + 2), 2);
    for (unsigned i = 0; i < function.msix()->vectors(); ++i) {
      std::array<std::uint32_t, 4> words{};
      const std::uint64_t at = (table & ~7U) + std::uint64_t{i} * 16;
      if (!function.msix()->read(table & 7, at, std::as_writable_bytes(std::span(words)))) return;
      std::uint64_t bits = 0;
      const std::uint64_t pending_at = (pba & ~7U) + std::uint64_t{i} / 64 * 8;
      if (!function.msix()->read(pba & 7, pending_at,
                                 std::as_writable_bytes(std::span(&bits, 1)))) {
        bits = 0;
      }
      Entry entry;
      entry.index = i;
      entry.address = words[0] | std::uint64_t{words[1]} << 32;
      entry.data = words[2];
      entry.masked = (words[3] & 1) != 0 || (control & 0x4000) != 0;
      entry.enabled = (control & 0x8000) != 0;
      entry.pending = (bits >> (i % 64) & 1) != 0;
      if (entry.address == 0 && entry.data == 0 && !entry.pending) continue;  // never set up
      add(function, state, std::move(entry));
    }
  }

  void add(const pci::Function& function, const FunctionState& state, Entry entry) {
    entry.function = state.name;
    entry.driver = state.driver;
    entry.vm = state.vm;
    Route route = route_of(context_, function, entry.address, entry.data);
    entry.route = std::move(route.text);
    if (route.vector) entry.count = context_.interrupts.of(state.requester_id, *route.vector);
    entries_.push_back(std::move(entry));
  }

  const ShowContext& context_;
  std::vector<Entry> entries_;
};

std::string entry_line(const Entry& entry) {
  return fmt::format("{} MSI-X {}: {:#x} data {:#x}{}{}{}; {}; taken {}, orphans {}{}{}\n",
                     entry.function, entry.index, entry.address, entry.data,
                     entry.enabled ? "" : ", MSI-X is off", entry.masked ? ", masked" : "",
                     entry.pending ? ", pending" : "", entry.route, entry.count.taken,
                     entry.count.orphans,
                     entry.driver.empty() ? "" : fmt::format("; driver {}", entry.driver),
                     entry.vm.empty() ? "" : fmt::format(", of {}", entry.vm));
}

}  // namespace

ShowResult show_vectors(const ShowContext& context, std::ostream& out) {
  const std::vector<Entry> entries = Collector(context).collect();
  if (context.format == "json") {
    json::array values;
    for (const Entry& entry : entries) {
      values.emplace_back(json::object{{"function", entry.function},
                                       {"index", entry.index},
                                       {"address", entry.address},
                                       {"data", entry.data},
                                       {"enabled", entry.enabled},
                                       {"masked", entry.masked},
                                       {"pending", entry.pending},
                                       {"route", entry.route},
                                       {"taken", entry.count.taken},
                                       {"orphans", entry.count.orphans},
                                       {"driver", entry.driver},
                                       {"vm", entry.vm}});
    }
    out << json::serialize(values) << "\n";
    return {};
  }
  if (entries.empty()) out << "no MSI-X table entry is set up\n";
  for (const Entry& entry : entries) out << entry_line(entry);
  return {};
}

}  // namespace baton::harness
