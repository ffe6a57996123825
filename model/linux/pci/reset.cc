// The ways to reset a function, in the kernel's order [linux drivers/pci/pci.c:
// pci_reset_fn_methods,
// __pci_reset_function_locked, pcie_flr, pci_af_flr, pci_pm_reset, pci_reset_bus_function].
//
// Not modelled: methods of single devices, of ACPI, of CXL buses, and reset through a slot's
// driver.
#include "model/linux/pci/state.h"

namespace baton::linux::pci {
namespace {

constexpr unsigned kAfCapabilities = 3;
constexpr unsigned kAfControl = 4;
constexpr unsigned kAfStatus = 5;
constexpr std::uint32_t kAfBoth = 0x03;  // Transactions Pending and FLR are there
constexpr std::uint32_t kNoSoftReset = 0x0008;
constexpr std::uint32_t kSecondaryBusReset = 0x0040;
constexpr std::uint32_t kD3Hot = 3;

}  // namespace

std::string_view name(ResetMethod method) {
  switch (method) {
    case ResetMethod::kFlr:
      return "flr";
    case ResetMethod::kAfFlr:
      return "af_flr";
    case ResetMethod::kPm:
      return "pm";
    case ResetMethod::kBus:
      return "bus";
  }
  return "";
}

std::vector<ResetMethod> PciCore::reset_methods(PciDev& dev) {
  constexpr const char* kProbe = "pci_init_reset_methods";
  std::vector<ResetMethod> methods;
  if (dev.has_flr) methods.push_back(ResetMethod::kFlr);
  const std::uint8_t af = state_->find_capability(dev, regs::kCapAf, kProbe);
  if (af != 0 && (state_->read(dev, af + kAfCapabilities, 1, kProbe) & kAfBoth) == kAfBoth) {
    methods.push_back(ResetMethod::kAfFlr);
  }
  if (dev.pm_cap != 0 && (state_->read(dev, dev.pm_cap + 4U, 2, kProbe) & kNoSoftReset) == 0) {
    methods.push_back(ResetMethod::kPm);
  }
  // A bus reset hits everything on the bus: the function must be alone there.
  const bool alone = dev.subordinate == nullptr && dev.bus->devices.size() == 1;
  if (alone && dev.bus->bridge != nullptr) methods.push_back(ResetMethod::kBus);
  return methods;
}

// Transactions Pending: up to 4 polls, 0, +100, +200, +400 ms.
Co<> PciCore::State::wait_for_pending(const PciDev& dev, unsigned at, unsigned width,
                                      std::uint32_t bit, const char* by) {
  if ((read(dev, at, width, by) & bit) == 0) co_return;
  for (const std::int64_t wait : {100, 200, 400}) {
    co_await services_.spend(sim::Duration::milliseconds(wait));
    if ((read(dev, at, width, by) & bit) == 0) co_return;
  }
}

Co<> PciCore::State::reset_by(PciDev& dev, ResetMethod method) {
  constexpr sim::Duration kReady = sim::Duration::milliseconds(100);
  constexpr sim::Duration kPower = sim::Duration::milliseconds(10);
  switch (method) {
    case ResetMethod::kFlr: {
      co_await wait_for_pending(dev, dev.pcie_cap + regs::kExpDevSta, 2, regs::kDevStaPending,
                                "pcie_flr");
      const unsigned at = dev.pcie_cap + regs::kExpDevCtl;
      co_await write(dev, at, 2, read(dev, at, 2, "pcie_flr") | regs::kDevCtlFlr, "pcie_flr");
      co_await services_.spend(kReady);
      break;
    }
    case ResetMethod::kAfFlr: {
      const std::uint8_t af = find_capability(dev, regs::kCapAf, "pci_af_flr");
      co_await wait_for_pending(dev, af + kAfStatus, 1, 1, "pci_af_flr");
      co_await write(dev, af + kAfControl, 1, 1, "pci_af_flr");
      co_await services_.spend(kReady);
      break;
    }
    case ResetMethod::kPm: {
      const unsigned at = dev.pm_cap + 4U;
      const std::uint32_t control = read(dev, at, 2, "pci_pm_reset") & ~3U;
      co_await write(dev, at, 2, control | kD3Hot, "pci_pm_reset");
      co_await services_.spend(kPower);
      co_await write(dev, at, 2, control, "pci_pm_reset");
      co_await services_.spend(kPower);
      break;
    }
    case ResetMethod::kBus: {
      PciDev& bridge = *dev.bus->bridge;
      constexpr const char* kBus = "pci_reset_secondary_bus";
      const std::uint32_t control = read(bridge, regs::kBridgeControl, 2, kBus);
      co_await write(bridge, regs::kBridgeControl, 2, control | kSecondaryBusReset, kBus);
      co_await services_.spend(sim::Duration::milliseconds(2));
      co_await write(bridge, regs::kBridgeControl, 2, control & ~kSecondaryBusReset, kBus);
      co_await services_.spend(kReady);
      break;
    }
  }
  read(dev, regs::kCommand, 4, "pci_dev_wait");
}

Co<Result<>> PciCore::reset_function(PciDev& dev) {
  const std::vector<ResetMethod> methods = reset_methods(dev);
  if (methods.empty()) co_return fail(Errno::kNoTty);
  const SavedState saved = save_state(dev);
  co_await state_->write(dev, regs::kCommand, 2, regs::kCommandIntxDisable,
                         "pci_dev_save_and_disable");
  co_await state_->reset_by(dev, methods.front());
  restore_state(dev, saved);
  co_return Result<>();
}

}  // namespace baton::linux::pci
