// PCI core under live update, posted series v9 [linux drivers/pci/liveupdate.c, v9 of Sep 2026].
#pragma once

#include <memory>

#include "model/kho/kho.h"
#include "model/linux/pci/pci_core.h"
#include "model/luo/luo.h"

namespace baton::linux::pci {

class PciLiveUpdate final : public luo::Flb {
 public:
  PciLiveUpdate(KernelServices& services, kho::Kho& kho, luo::Luo& luo, PciCore& core);
  ~PciLiveUpdate() override;

  // The API of drivers.
  Result<> preserve(PciDev& dev);  // EINVAL, EBUSY, ENOENT, ENOMEM
  void unpreserve(PciDev& dev);
  void finish_device(PciDev& dev);

  // By the PCI core during enumeration: true when the previous kernel preserved anything (bus
  // numbers are then inherited); marks incoming devices.
  Co<> begin_enumeration();
  bool inherit_bus_numbers() const;
  void setup_device(PciDev& dev);
  // By the PCI core at shutdown.
  void freeze(PciDev& dev);
  bool is_outgoing(const PciDev& dev) const;

  // luo::Flb, compatible "pci".
  std::string_view compatible() const override;
  Co<Result<std::uint64_t>> preserve() override;
  Co<> unpreserve(std::uint64_t data) override;
  Co<Result<>> retrieve(std::uint64_t data) override;
  Co<> finish() override;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace baton::linux::pci
