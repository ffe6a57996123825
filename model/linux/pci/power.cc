// Power states [linux drivers/pci/pci.c: pci_set_power_state, pci_power_up,
// pci_set_low_power_state].
//
// Not modelled: D1, D2, D3cold, states of the platform, wake-up, runtime power management.
#include "model/linux/pci/state.h"

namespace baton::linux::pci {

namespace {

constexpr std::uint32_t kNoSoftReset = 0x0008;
constexpr sim::Duration kD3HotDelay = sim::Duration::milliseconds(10);  // PCI_PM_D3HOT_WAIT

}  // namespace

Co<> PciCore::set_power_state(PciDev& dev, PowerState state) {
  const PowerState wanted = state >= PowerState::kD3Hot ? PowerState::kD3Hot : PowerState::kD0;
  if (dev.pm_cap == 0) co_return;
  const unsigned at = dev.pm_cap + 4U;
  const char* by = wanted == PowerState::kD0 ? "pci_power_up" : "pci_set_low_power_state";
  const std::uint32_t control = state_->read(dev, at, 2, by);
  dev.current_state = static_cast<PowerState>(control & regs::kPmState);
  if (dev.current_state == wanted) co_return;
  const std::uint32_t changed =
      (control & ~std::uint32_t{regs::kPmState}) | static_cast<std::uint32_t>(wanted);
  co_await state_->write(dev, at, 2, changed, by);
  co_await state_->services_.spend(kD3HotDelay);
  dev.current_state = wanted;
}

bool PciCore::needs_pm_restore(const PciDev& dev) {
  if (dev.pm_cap == 0) return false;
  return (state_->read(dev, dev.pm_cap + 4U, 2, "vfio_pci_probe_power_state") & kNoSoftReset) == 0;
}

Co<Result<>> PciCore::reset_bus(PciDev& dev) {
  if (dev.bus->bridge == nullptr) co_return fail(Errno::kNoTty);
  std::vector<std::pair<PciDev*, SavedState>> saved;
  for (const auto& member : dev.bus->devices) {
    saved.emplace_back(member.get(), save_state(*member));
    co_await state_->write(*member, regs::kCommand, 2, regs::kCommandIntxDisable,
                           "pci_dev_save_and_disable");
  }
  co_await state_->reset_by(dev, ResetMethod::kBus);
  for (const auto& [member, state] : saved) restore_state(*member, state);
  co_return Result<>();
}

}  // namespace baton::linux::pci
