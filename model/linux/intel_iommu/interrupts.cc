// Interrupt remapping as the rest of the kernel sees it [linux drivers/iommu/intel/irq_remapping.c
// intel_prepare_irq_remapping, intel_enable_irq_remapping, dmar.c enable_drhd_fault_handling].
#include <algorithm>

#include "model/linux/intel_iommu/state.h"

namespace baton::linux::intel_iommu {

namespace {
// From IRE=0 to IRE=1 on a machine whose previous kernel left remapping on. The I/O APICs are
// masked in between, entry by entry [linux arch/x86/kernel/apic/apic.c enable_IR_x2apic]: 120
// entries at two uncached accesses of 1 us (assumed). Messages in that window are taken for
// compatibility format.
constexpr sim::Duration kRemappingOff = sim::Duration::microseconds(240);
}  // namespace

void IntelIommu::set_live_update(luo::Luo& luo) {
  State& state = *state_;
  if (state.services.config().policies.interrupt_table != InterruptTablePolicy::kPreserve) {
    return;
  }
  state.luo = &luo;
  state.handover.emplace(
      state.services, state.kho,
      [&state] {
        std::vector<HandedTable> tables;
        for (const auto& [base, table] : state.interrupts) {
          tables.push_back(table->as_handed());
        }
        return tables;
      },
      [&state] { state.drop_inherited_interrupts(); });
}

Result<> IntelIommu::register_flb(luo::FileHandler& handler) {
  State& state = *state_;
  return state.handover ? state.luo->register_flb(handler, *state.handover) : Result<>{};
}

bool IntelIommu::State::take_over_interrupts(InterruptTable& table, const Unit& unit,
                                             bool extended) {
  const HandedTable* handed = handover ? handover->incoming(unit.registers()) : nullptr;
  if (handed == nullptr) {
    return false;
  }
  if (const auto taken = table.take_over(*handed, extended); !taken) {
    services.print(sim::LogLevel::kWarning, "DMAR-IR: {:x}: the table handed over is not in use",
                   unit.registers().value());
    return false;
  }
  for (const CpuVector vector : table.inherited_vectors()) {
    irqs->hold(vector);
  }
  if (const auto descriptors = handover->incoming_descriptors()) {
    table.find_captures(*descriptors);
  }
  return true;
}

// The devices that were handed over have new entries by now, or none.
void IntelIommu::State::drop_inherited_interrupts() {
  for (const auto& [base, table] : interrupts) {
    for (const CpuVector vector : table->inherited_vectors()) {
      irqs->release(vector);
    }
    table->drop_inherited();
  }
}

Co<> IntelIommu::init_interrupt_remapping() {
  State& state = *state_;
  state.find_units();
  if (state.handover) {
    // AMBIGUOUS: no upstream series hands these tables over. LUO has to be up this early then.
    const Result<> incoming = co_await state.luo->get_incoming(*state.handover);
    if (incoming) {
      co_await state.luo->put_incoming(*state.handover);
    }
  }
  const auto can = [](const auto& unit) {
    return unit->capabilities().interrupt_remapping() && unit->capabilities().queued_invalidation();
  };
  if (!state.dmar->interrupt_remapping || !state.services.config().interrupt_remapping ||
      state.units.empty() || !std::ranges::all_of(state.units, can)) {
    co_return;
  }
  const bool crash_kernel = state.services.config().crash_kernel;
  const bool extended = std::ranges::all_of(
      state.units, [](const auto& unit) { return unit->capabilities().extended_interrupts(); });
  bool was_on = false;
  for (const auto& unit : state.units) {
    auto table = std::make_unique<InterruptTable>(state.services, *unit);
    if (state.take_over_interrupts(*table, *unit, extended)) {
      state.interrupts[unit->registers()] = std::move(table);
      continue;
    }
    was_on = was_on || unit->interrupts_remapped();
    if (auto done = table->set_up(crash_kernel, extended); !done) {
      state.services.print(sim::LogLevel::kWarning, "DMAR-IR: Failed to set up {:x}: {}",
                           unit->registers().value(), name(done.error()));
      state.interrupts.clear();
      co_return;
    }
    state.interrupts[unit->registers()] = std::move(table);
  }
  if (was_on && !crash_kernel) {
    co_await state.services.spend(kRemappingOff);
  }
  for (const auto& [base, table] : state.interrupts) {
    table->enable();
  }
  state.services.print(sim::LogLevel::kInfo, "DMAR-IR: Enabled IRQ remapping in {} mode",
                       extended ? "x2apic" : "xapic");
  if (state.irqs != nullptr) {
    for (const auto& unit : state.units) {
      unit->set_fault_interrupt(*state.irqs);
      unit->acknowledge_faults();
    }
    state.irqs->set_remapper(*this);
  }
}

// Of a device whose unit remaps interrupts.
InterruptTable& IntelIommu::State::table_of(const pci::PciDev& dev) const {
  return *interrupts.at(unit_of(dev)->registers());
}

bool IntelIommu::remaps(const pci::PciDev& dev) const {
  const Unit* unit = state_->unit_of(dev);
  return unit != nullptr && state_->interrupts.contains(unit->registers());
}

Result<std::uint16_t> IntelIommu::allocate(const pci::PciDev& dev,
                                           std::span<const CpuVector> targets) {
  return state_->table_of(dev).allocate(dev, targets);
}

void IntelIommu::free(const pci::PciDev& dev, std::uint16_t index) {
  state_->table_of(dev).free(index);
}

// Live update.

Result<> IntelIommu::drop(const pci::PciDev& dev, std::uint16_t index) {
  state_->table_of(dev).drop(index);
  return {};
}

// Posting needs a unit that does it, and a descriptor that the next kernel finds.
Result<> IntelIommu::capture(const pci::PciDev& dev, std::uint16_t index, unsigned request) {
  State& state = *state_;
  const Unit* unit = state.unit_of(dev);
  if (!unit->capabilities().posts_interrupts() || !state.handover) {
    return fail(Errno::kOpNotSupp);
  }
  const Result<PhysAddr> descriptor = state.handover->descriptor_for(dev.address);
  if (!descriptor) {
    return fail(descriptor.error());
  }
  state.table_of(dev).capture(index, *descriptor, request);
  return {};
}

void IntelIommu::restore(const pci::PciDev& dev, std::uint16_t index) {
  state_->table_of(dev).restore(index);
}

bool IntelIommu::take_captured(const pci::PciDev& dev, std::uint16_t index, unsigned request) {
  return state_->table_of(dev).take_captured(index, request);
}

Result<std::optional<CpuVector>> IntelIommu::inherited(const pci::PciDev& dev,
                                                       std::uint16_t index) {
  if (!remaps(dev)) {
    return fail(Errno::kInval);
  }
  return state_->table_of(dev).inherited(dev, index);
}

void IntelIommu::adopt(const pci::PciDev& dev, std::uint16_t index, CpuVector target) {
  state_->table_of(dev).adopt(dev, index, target);
}

}  // namespace baton::linux::intel_iommu
