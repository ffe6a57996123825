// translation-equal: what the tables in memory map for a preserved device stays what it was at the
// freeze, whenever something happens that could change it.

#include <fmt/format.h>

#include <algorithm>

#include "harness/invariants/checkers.h"
#include "harness/invariants/watch.h"
#include "model/iommu_vtd/observations.h"
#include "model/linux/base/page_alloc.h"

namespace baton::harness {
namespace {

class TranslationEqual final : public Checker {
 public:
  explicit TranslationEqual(Watch& watch) : Checker(watch) {
    sim::Simulation& simulation = watch.simulation();
    simulation.topic<linux::PhaseEntered>().subscribe([this](const auto&) { look("phase"); });
    simulation.topic<host::KernelJumped>().subscribe([this](const auto&) { look("the jump"); });
    simulation.topic<linux::MemoryReleased>().subscribe(
        [this](const auto&) { look("the release of memory"); });
    simulation.topic<iommu_vtd::TranslationSwitched>().subscribe(
        [this](const auto& o) { look(o.enabled ? "a new root table" : "translation off"); });
  }

  std::string_view id() const override { return "translation-equal"; }

 private:
  void look(const char* when) {
    if (!watch_.handover()) return;
    for (const WatchedDevice& device : watch_.devices()) {
      if (!watch_.carried(device)) continue;
      checked();
      compare(device, walk_mapping(watch_.machine(), *device.function), when);
    }
  }

  void compare(const WatchedDevice& device, const Mapping& now, const char* when) {
    const Mapping& before = watch_.at_freeze(*device.function);
    if (before.runs == now.runs || !want()) return;
    const auto [was, is] = std::ranges::mismatch(before.runs, now.runs);
    // The first address at which the two differ.
    Iova address;
    if (was == before.runs.end()) {
      address = is->from;
    } else if (is == now.runs.end() || was->from != is->from || was->to != is->to) {
      address = is == now.runs.end() ? was->from : std::min(was->from, is->from);
    } else {
      address = was->from + std::min(was->length, is->length);
    }
    report(fmt::format("{} of {}, iova {:#x}", device.function->name(), device.vm, address.value()),
           fmt::format("as at the freeze: {}", text(before.find(address))),
           fmt::format("after {}: {}", when, text(now.find(address))),
           Evidence{chain(before, now),
                    {{fmt::format("iova {:#x}", address.value()), text(before.find(address)),
                      text(now.find(address))}},
                    device.function});
  }

  static std::string text(const std::optional<PhysAddr>& address) {
    return address ? fmt::format("{:#x}", address->value()) : "not mapped";
  }

  // The life of the first table that is on the way no more.
  std::vector<ChainLink> chain(const Mapping& before, const Mapping& now) const {
    PageSet tables;
    for (const sim::PhysRange& table : now.tables) tables.add(table);
    for (const sim::PhysRange& table : before.tables) {
      const bool gone = !tables.contains(table.start);
      const bool lost = watch_.history().owner(table.start) == nullptr;
      if (!gone && !lost) continue;
      std::vector<ChainLink> links = watch_.history().tell(table.start);
      for (ChainLink& link : links) {
        link.text = fmt::format("table {:#x}: {}", table.start.value(), link.text);
      }
      if (!links.empty()) return links;
    }
    return watch_.milestones();
  }
};

}  // namespace

std::unique_ptr<Checker> make_translation_equal(Watch& watch) {
  return std::make_unique<TranslationEqual>(watch);
}

}  // namespace baton::harness
