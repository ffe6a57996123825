// One kernel generation with the IOMMU core and the VT-d driver, and three devices on bus 0 and 1
// as the kernel sees them. Requests are put to the remapping unit itself.
#pragma once

#include "model/linux/intel_iommu/intel_iommu.h"
#include "tests/support/two_kernels.h"

namespace baton::test {

constexpr std::uint64_t kOwner = 0x1234;

struct DriverKernel : LuoKernel {
  using LuoKernel::LuoKernel;

  Co<> bring_up() override {
    co_await LuoKernel::bring_up();
    add(vfio_device, Bdf(1, 0, 0));
    add(other_device, Bdf(0, 4, 0));
    add(late_device, Bdf(9, 0, 0));
  }

  void add(linux::pci::PciDev& dev, Bdf bdf) {
    dev.address = {0, bdf};
    dev.bus = &bus;
    dev.pcie_cap = 0x40;
  }

  // Driver, probe of all devices, translation on.
  Co<> start_iommu() {
    co_await driver.init();
    for (linux::pci::PciDev* dev : {&vfio_device, &other_device}) {
      auto probed = co_await core.probe_device(*dev);
      CHECK(probed.has_value());
    }
    co_await driver.enable_translation();
  }

  linux::pci::PciBus bus;
  linux::pci::PciDev vfio_device;
  linux::pci::PciDev other_device;
  linux::pci::PciDev late_device;
  linux::irq::IrqCore irq{services};
  linux::iommu::IommuCore core{services, kho, luo};
  linux::intel_iommu::IntelIommu driver{services, kho, core};
};

using DriverWorld = TwoKernels<DriverKernel>;

// What the hardware does, seen from outside.
struct Outside {
  host::Machine* machine = nullptr;

  iommu_vtd::RemappingUnit& unit() const { return *machine->iommus()[0]; }
  std::uint64_t reg(std::uint64_t offset) const { return unit().mmio_read(offset, 4); }
  iommu_vtd::Translation dma(Bdf source, std::uint64_t iova, bool write = false) const {
    pci::MemoryRequest request;
    request.requester = source;
    request.address = iova;
    request.length = 64;
    request.write = write;
    return unit().translate(request);
  }
};

// What the test remembers over the generations.
struct Notes {
  Outside outside;
  std::uint64_t flb = 0;  // address of the top record, as LUO would carry it
  PhysAddr record;        // of the domain
  PhysAddr buffer;
  PhysAddr root;
  std::uint16_t domain = 0;
  std::function<void(DriverKernel&)> before_jump;
};

}  // namespace baton::test
