#include "harness/show/dmar.h"

namespace baton::harness {

namespace {

struct NamedRegister {
  const char* name;
  std::uint64_t offset;
  unsigned bytes;
};

// In the order of debugfs.c: 32-bit registers first.
constexpr std::array kRegisters{
    NamedRegister{"VER", 0x00, 4},      NamedRegister{"GCMD", 0x18, 4},
    NamedRegister{"GSTS", 0x1C, 4},     NamedRegister{"FSTS", 0x34, 4},
    NamedRegister{"FECTL", 0x38, 4},    NamedRegister{"FEDATA", 0x3C, 4},
    NamedRegister{"FEADDR", 0x40, 4},   NamedRegister{"FEUADDR", 0x44, 4},
    NamedRegister{"PMEN", 0x64, 4},     NamedRegister{"PLMBASE", 0x68, 4},
    NamedRegister{"PLMLIMIT", 0x6C, 4}, NamedRegister{"ICS", 0x9C, 4},
    NamedRegister{"PRS", 0xDC, 4},      NamedRegister{"PECTL", 0xE0, 4},
    NamedRegister{"PEDATA", 0xE4, 4},   NamedRegister{"PEADDR", 0xE8, 4},
    NamedRegister{"PEUADDR", 0xEC, 4},  NamedRegister{"CAP", 0x08, 8},
    NamedRegister{"ECAP", 0x10, 8},     NamedRegister{"RTADDR", 0x20, 8},
    NamedRegister{"CCMD", 0x28, 8},     NamedRegister{"PHMBASE", 0x70, 8},
    NamedRegister{"PHMLIMIT", 0x78, 8}, NamedRegister{"IQH", 0x80, 8},
    NamedRegister{"IQT", 0x88, 8},      NamedRegister{"IQA", 0x90, 8},
    NamedRegister{"IRTA", 0xB8, 8},     NamedRegister{"PQH", 0xC0, 8},
    NamedRegister{"PQT", 0xC8, 8},      NamedRegister{"PQA", 0xD0, 8},
};

constexpr std::uint64_t kGsts = 0x1C;
constexpr std::uint64_t kRtaddr = 0x20;
constexpr std::uint64_t kIrta = 0xB8;
constexpr std::uint64_t kTes = 1U << 31;
constexpr std::uint64_t kIres = 1U << 25;
constexpr std::uint64_t kScalable = 1U << 10;
constexpr std::uint64_t kPresent = 1;
constexpr std::uint64_t kTable = ~std::uint64_t{0xFFF};

// Walks root, context and PASID tables, a line for each entry that leads somewhere.
class TableWalk {
 public:
  TableWalk(sim::PhysicalMemory& memory, PhysAddr root, bool scalable, std::string& text)
      : memory_(memory), root_(root), scalable_(scalable), text_(text) {}

  void run() {
    for (unsigned bus = 0; bus < 256; ++bus) {
      root_low_ = load(root_ + bus * 16);
      root_high_ = load(root_ + bus * 16 + 8);
      for (unsigned devfn = 0; devfn < 256; ++devfn) {
        walk_context(Bdf(static_cast<std::uint16_t>(bus << 8 | devfn)));
      }
    }
  }

 private:
  // What lies outside memory reads as zero: nothing is present there.
  std::uint64_t load(PhysAddr at) const {
    return memory_.contains(at, 8) ? memory_.load<std::uint64_t>(at) : 0;
  }

  void walk_context(Bdf source) {
    const bool upper = scalable_ && source.devfn() >= 0x80;
    const std::uint64_t entry = upper ? root_high_ : root_low_;
    if ((entry & kPresent) == 0) {
      return;
    }
    const unsigned index = scalable_ ? source.devfn() & 0x7F : source.devfn();
    const PhysAddr context = PhysAddr(entry & kTable) + index * (scalable_ ? 32ULL : 16ULL);
    low_ = load(context);
    high_ = load(context + 8);
    if ((low_ & kPresent) == 0) {
      return;
    }
    if (!scalable_) {
      line(source, -1, {});
      return;
    }
    const std::uint64_t entries = std::uint64_t{1} << ((low_ >> 9 & 7) + 7);
    for (std::uint64_t i = 0; i < entries; ++i) {
      const std::uint64_t directory = load(PhysAddr(low_ & kTable) + i * 8);
      if ((directory & kPresent) != 0) {
        walk_pasids(source, i, PhysAddr(directory & kTable));
      }
    }
  }

  void walk_pasids(Bdf source, std::uint64_t directory_index, PhysAddr table) {
    for (std::uint64_t i = 0; i < 64; ++i) {
      const PhysAddr at = table + i * 64;
      const std::array<std::uint64_t, 3> words{load(at), load(at + 8), load(at + 16)};
      if ((words[0] & kPresent) != 0) {
        line(source, static_cast<int>(directory_index * 64 + i), words);
      }
    }
  }

  void line(Bdf source, int pasid, const std::array<std::uint64_t, 3>& words) {
    text_ += fmt::format(
        "{:02x}:{:02x}.{:x}\t0x{:016x}:0x{:016x}\t0x{:016x}:0x{:016x}\t"
        "{:<6}\t0x{:016x}:0x{:016x}:0x{:016x}\n",
        source.bus(), source.device(), source.function(), root_high_, root_low_, high_, low_, pasid,
        words[2], words[1], words[0]);
  }

  sim::PhysicalMemory& memory_;
  PhysAddr root_;
  bool scalable_;
  std::string& text_;
  std::uint64_t root_low_ = 0;
  std::uint64_t root_high_ = 0;
  std::uint64_t low_ = 0;
  std::uint64_t high_ = 0;
};

}  // namespace

std::string iommu_regset(iommu_vtd::RemappingUnit& unit) {
  std::string text =
      fmt::format("IOMMU: {} Register Base Address: {:x}\nName\t\t\tOffset\t\tContents\n",
                  unit.name(), unit.base().value());
  for (const NamedRegister& row : kRegisters) {
    text += fmt::format("{:<16}\t0x{:02x}\t\t0x{:016x}\n", row.name, row.offset,
                        unit.mmio_read(row.offset, row.bytes));
  }
  return text + "\n";
}

std::string dmar_translation_struct(iommu_vtd::RemappingUnit& unit, sim::PhysicalMemory& memory) {
  if ((unit.mmio_read(kGsts, 4) & kTes) == 0) {
    return fmt::format("DMA Remapping is not enabled on {}\n", unit.name());
  }
  std::string text = fmt::format(
      "IOMMU {}: Root Table Address: {:#x}\n"
      "B.D.F\tRoot_entry\t\t\t\tContext_entry\t\t\t\tPASID\tPASID_table_entry\n",
      unit.name(), unit.root_table().value());
  const bool scalable = (unit.mmio_read(kRtaddr, 8) & kScalable) != 0;
  TableWalk(memory, unit.root_table(), scalable, text).run();
  return text + "\n";
}

std::string ir_translation_struct(iommu_vtd::RemappingUnit& unit, sim::PhysicalMemory& memory) {
  if (!unit.profile().interrupt_remapping()) {
    return {};
  }
  std::string text = fmt::format("Remapped Interrupt supported on IOMMU: {}\n", unit.name());
  if ((unit.mmio_read(kGsts, 4) & kIres) == 0) {
    return text + "Interrupt Remapping is not enabled\n\n";
  }
  const std::uint64_t irta = unit.mmio_read(kIrta, 8);
  const PhysAddr table(irta & kTable);
  text += fmt::format(" IR table address:{:x}\n", table.value());
  text += " Entry SrcID   DstID    Vct IRTE_high\t\tIRTE_low\n";
  const std::uint64_t entries = std::uint64_t{2} << (irta & 0xF);
  for (std::uint64_t index = 0; index < entries; ++index) {
    const PhysAddr at = table + index * 16;
    if (!memory.contains(at, 16)) {
      break;
    }
    const auto low = memory.load<std::uint64_t>(at);
    const auto high = memory.load<std::uint64_t>(at + 8);
    if ((low & kPresent) == 0) {
      continue;
    }
    const Bdf source(static_cast<std::uint16_t>(high));
    const auto destination = static_cast<std::uint32_t>(low >> 32);
    text += fmt::format(" {:<5} {:02x}:{:02x}.{:01x} {:08x} {:02x}  {:016x}\t{:016x}\n", index,
                        source.bus(), source.device(), source.function(), destination,
                        low >> 16 & 0xFF, high, low);
  }
  return text + "\n";
}

ShowResult show_dmar(const ShowContext& context, std::ostream& out) {
  host::Machine& machine = context.watch.machine();
  if (machine.iommus().empty()) {
    return std::unexpected("the machine has no remapping unit");
  }
  out << "# iommu_regset\n";
  for (const auto& unit : machine.iommus()) out << iommu_regset(*unit);
  out << "# dmar_translation_struct\n";
  for (const auto& unit : machine.iommus()) {
    out << dmar_translation_struct(*unit, machine.memory());
  }
  out << "# ir_translation_struct\n";
  for (const auto& unit : machine.iommus()) {
    out << ir_translation_struct(*unit, machine.memory());
  }
  return {};
}

}  // namespace baton::harness
