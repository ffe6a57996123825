// no-reset: no reset reaches a preserved function between freeze and finish, of whatever kind and
// from wherever: function level, the secondary bus reset of a bridge above it, a wake from D3hot
// without No_Soft_Reset [PCIe 6.6].

#include <fmt/format.h>

#include "harness/invariants/checkers.h"
#include "harness/invariants/watch.h"
#include "model/pci/observations.h"

namespace baton::harness {
namespace {

class NoReset final : public Checker {
 public:
  explicit NoReset(Watch& watch) : Checker(watch) {
    sim::Simulation& simulation = watch.simulation();
    simulation.topic<pci::FunctionReset>().subscribe([this](const auto& o) { on_reset(o); });
    simulation.topic<pci::ConfigWritten>().subscribe([this](const auto& o) {
      const WatchedDevice* device = watch_.device(o.function);
      if (device != nullptr && watch_.carried(*device)) checked();
    });
  }

  std::string_view id() const override { return "no-reset"; }

 private:
  void on_reset(const pci::FunctionReset& seen) {
    const WatchedDevice* device = watch_.device(seen.function);
    if (device == nullptr || !watch_.carried(*device)) return;
    checked();
    if (!want()) return;
    const char* kind = seen.kind == pci::ResetKind::kFunctionLevel ? "a function level reset"
                       : seen.kind == pci::ResetKind::kHot         ? "a hot reset"
                                                                   : "a power-on reset";
    report(fmt::format("{} of {}", seen.function.name(), device->vm),
           "no reset of a preserved function", kind, watch_.causes(seen.function));
  }
};

}  // namespace

std::unique_ptr<Checker> make_no_reset(Watch& watch) { return std::make_unique<NoReset>(watch); }

}  // namespace baton::harness
