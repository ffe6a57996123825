// PCI core under live update, posted series v9 [linux drivers/pci/liveupdate.c, v9 of Sep 2026].
//
// struct pci_ser, FLB "pci", 16 bytes: 0 u32 version (2), 4 u32 nr_devices (records in use), 8 u64
// address of the first KHO block. Record, 8 bytes, 510 in a block: 0 u32 domain, 4 u16 bus, device,
// function, 6 u16 refcount (1 for an endpoint, preserved endpoints below for a bridge; 0: skipped).
// With policy sriov: adopt also a physical function, with what is preserved of it.
//
// Beside it, of baton's own: FLB "baton-pci-v1" (function_shapes.h), and where policies device_key
// and driver_binding ask for them "baton-pci-path-v1" (device_paths.h) and "baton-pci-driver-v1"
// (driver_records.h).
#pragma once

#include <memory>

#include "model/kho/kho.h"
#include "model/linux/pci/function_shapes.h"
#include "model/linux/pci/pci_core.h"
#include "model/luo/luo.h"

namespace baton::linux::pci {

class PciLiveUpdate final : public luo::Flb {
 public:
  PciLiveUpdate(KernelServices& services, kho::Kho& kho, luo::Luo& luo, PciCore& core);
  ~PciLiveUpdate() override;

  // pci_liveupdate_register_flb: attaches "pci" and those of baton's own to a driver's handler. The
  // errors of luo::Luo::register_flb.
  Result<> register_flbs(luo::FileHandler& handler);

  // The API of drivers.
  Result<> preserve(PciDev& dev);  // EBUSY, EINVAL, ENOENT, ENOMEM
  void unpreserve(PciDev& dev);
  void finish_device(PciDev& dev);

  // By the PCI core during enumeration: true when the previous kernel preserved anything (bus
  // numbers are then inherited); marks incoming devices. Panics on records that cannot be read.
  Co<> begin_enumeration();
  bool inherit_bus_numbers() const;
  // Something of it has not been finished yet.
  bool has_incoming() const;
  // Sets the key under which records know the function, and marks it when they do.
  void setup_device(PciDev& dev);
  // What the previous kernel knew of an incoming function's shape; null: size it.
  const FunctionShape* shape_of(const PciDev& dev) const;
  // The same of its virtual functions, when one of them was handed over.
  const FunctionShape* virtual_shape_of(const PciDev& dev) const;
  // By the PCI core when the function is gone: a warning about what will be missed.
  void cleanup_device(const PciDev& dev);
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
