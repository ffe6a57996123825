#include "harness/record/state_snapshot.h"

#include <fmt/format.h>

#include "model/iommu_vtd/remapping_unit.h"
#include "sim/xxh3.h"

namespace baton::harness {
void StateSnapshot::attach(Watch& watch, const Scenario& scenario) {
  watch_ = &watch;
  clock_.attach(watch);
  ledger_.attach(watch, scenario);
}

void StateSnapshot::finish() {
  add_functions();
  add_devices();
  add_handover();
  add_ledger();
  add_pages();
}

// Registers that read as zero are left out: absence and zero are one.
void StateSnapshot::add_functions() {
  for (const pci::Function* function : watch_->machine().fabric().functions()) {
    const pci::ConfigSpace& config = function->config();
    for (unsigned offset = 0; offset < config.size(); offset += 4) {
      const auto at = static_cast<std::uint16_t>(offset);
      const std::uint32_t value = config.get(at, 4);
      if (value == 0) continue;
      values_.values.emplace(
          fmt::format("config {} {:#05x} {}", function->name(), offset, config.register_name(at)),
          fmt::format("{:#010x}", value));
    }
    values_.values.emplace(fmt::format("address of {}", function->name()),
                           sim::to_string(function->location()));
  }
}

void StateSnapshot::add_devices() {
  for (const WatchedDevice& device : watch_->devices()) {
    const pci::Function& function = *device.function;
    const std::string name = fmt::format("device {}", function.name());
    values_.values.emplace(name + " requester id", sim::to_string(function.requester_id()));
    const Mapping mapping = walk_mapping(watch_->machine(), function);
    std::uint64_t bytes = 0;
    std::string runs;
    for (const MappedRun& run : mapping.runs) {
      bytes += run.length;
      runs += fmt::format("{:x} {:x} {:x} {};", run.from.value(), run.to.value(), run.length,
                          run.writable);
    }
    values_.values.emplace(
        name + " reaches",
        fmt::format("{} bytes in {} runs, digest {:08x}", bytes, mapping.runs.size(),
                    static_cast<std::uint32_t>(XXH3_64bits(runs.data(), runs.size()))));
    if (const iommu_vtd::RemappingUnit* unit = watch_->machine().iommu_of(function)) {
      values_.values.emplace(
          fmt::format("unit {}", unit->name()),
          fmt::format("translation {}, root table {:#x}",
                      unit->translation_enabled() ? "on" : "off", unit->root_table().value()));
    }
  }
}

void StateSnapshot::add_handover() {
  values_.values.emplace("phase", std::string(clock_.phase()));
  values_.values.emplace("handover", !watch_->handover() ? "none"
                                     : watch_->jumped()  ? "after the jump"
                                                         : "before the jump");
  for (const std::string& session : watch_->pending_sessions()) {
    values_.values.emplace(fmt::format("session {}", session), "preserved, not finished");
  }
}

void StateSnapshot::add_ledger() {
  for (const LedgerRow& row : ledger_.rows()) {
    const std::string pages =
        row.pages.length == 0
            ? std::string()
            : fmt::format(" {:#x} +{:#x}", row.pages.start.value(), row.pages.length);
    std::string key = fmt::format("ledger {} {} {}{}", row.kind, row.what, row.id, pages);
    values_.values.emplace(std::move(key), std::string(name(row.fate)));
  }
}

void StateSnapshot::add_pages() {
  sim::PhysicalMemory& memory = watch_->machine().memory();
  for (const sim::PhysRange& run : memory.touched()) {
    for (PhysAddr page = run.start; page < run.end(); page = page + sim::kPageSize) {
      const auto bytes = memory.page(page);
      const char* owner = watch_->history().owner(page);
      values_.pages.emplace(page.value(), PageState{XXH3_64bits(bytes.data(), bytes.size()),
                                                    owner == nullptr ? "free" : owner});
    }
  }
}

}  // namespace baton::harness
