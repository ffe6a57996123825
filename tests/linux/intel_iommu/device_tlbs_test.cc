// Functions with device-TLBs under the VT-d driver: who gets one, what is flushed and when it is
// known to be gone, and a takeover that writes nothing [linux drivers/iommu/intel/iommu.c, cache.c,
// dmar.c qi_check_fault].
#include "model/host/observations.h"
#include "model/linux/pci/pci_core.h"
#include "tests/linux/intel_iommu/driver_fixture.h"

namespace {

using namespace baton;
using test::DriverKernel;
using test::DriverWorld;
using test::Notes;

constexpr std::uint64_t kPage = 0x1000;
constexpr std::uint16_t kAtsControl = 0x106;
constexpr Bdf kPlace{0x6A, 1, 0};

// A function that does what the test tells it.
class Caching final : public pci::Function {
 public:
  explicit Caching(sim::Simulation& simulation) : Function(simulation, "caching", make_config()) {}

  pci::Completion dma_write(std::uint64_t address) {
    const std::uint32_t value = 0x5A5A5A5A;
    return write(address, std::as_bytes(std::span(&value, 1)));
  }
  bool ats_on() const { return (config().get(kAtsControl, 2) & 0x8000) != 0; }

 private:
  static pci::ConfigSpace make_config() {
    pci::ConfigSpace config =
        pci::ConfigSpace::type0({.vendor = 0x8086, .device = 0x0B25, .class_code = 0x088000});
    config.bar64(0, 0x1'0000, true);
    config.add_capability(0x40, pci::CapabilityId::kExpress, {{2, 2, 0x0092}}, 0x3C);
    config.add_extended_capability(0x100, pci::ExtendedCapabilityId::kAts, 1, {{4, 2, 0x0060}});
    return config;
  }
};

struct World {
  explicit World(std::vector<Co<> (*)(DriverKernel&, World&)> bodies, bool scalable = false,
                 bool wanted = true) {
    config.kernels.resize(bodies.size());
    for (auto& kernel : config.kernels) {
      kernel.iommu_scalable = scalable;
      kernel.policies.ats = wanted ? linux::AtsPolicy::kOn : linux::AtsPolicy::kOff;
    }
    config.build = [this](host::Machine& machine) {
      pci::Bus& bus = machine.fabric().add_root_bus(0, 0x6A, 0x6A);
      function = static_cast<Caching*>(
          &machine.fabric().add(bus, 1, 0, std::make_unique<Caching>(machine.simulation())));
    };
    std::vector<DriverWorld::Body> all;
    for (auto* body : bodies) {
      all.push_back([this, body](DriverKernel& kernel) { return body(kernel, *this); });
    }
    DriverWorld world(all, config);
    notes.outside.machine = &world.machine();
    world.run();
    panic = world.panic();
    completed = world.completed(static_cast<unsigned>(bodies.size() - 1));
  }

  test::WorldConfig config;
  Caching* function = nullptr;
  Notes notes;
  unsigned writes = 0;  // to configuration space
  std::string panic;
  bool completed = false;
};

// The function as the PCI core would know it, and the driver up.
Co<> start(DriverKernel& kernel, linux::pci::PciCore& pci) {
  linux::pci::PciDev& dev = kernel.vfio_device;
  dev.address = {0, kPlace};
  dev.config_size = 4096;
  kernel.port.config_write(dev.address, 4, 2, 6, "test");  // memory decode, bus master
  kernel.driver.set_pci(pci);
  co_await kernel.start_iommu();
}

std::uint64_t now(DriverKernel& kernel) {
  return static_cast<std::uint64_t>(kernel.port.simulation().now().ps());
}

Co<> unmaps(DriverKernel& kernel, World& world) {
  linux::pci::PciCore pci(kernel.services);
  co_await start(kernel, pci);
  const bool scalable = kernel.services.config().iommu_scalable;
  CHECK(world.function->ats_on() == scalable);  // legacy: once there is a domain
  CHECK(kernel.core.claim_dma_owner(kernel.vfio_device, test::kOwner).has_value());
  auto domain = *kernel.core.alloc_paging(kernel.vfio_device);
  const PhysAddr buffer = *kernel.services.pages().allocate(1, "buffer");
  CHECK(domain->map(Iova(0x5000), buffer, 2 * kPage, {}).has_value());
  CHECK(kernel.core.attach(kernel.vfio_device, *domain).has_value());
  co_await kernel.core.settle();
  CHECK(world.function->ats_on());
  CHECK(world.function->dma_write(0x5010).arrived());
  CHECK(world.function->device_tlb()->size() == 1);
  // The unit has forgotten the page at once, the function only when it is told.
  CHECK(domain->unmap(Iova(0x5000), 2 * kPage).has_value());
  CHECK(world.function->dma_write(0x5010).arrived());
  const std::uint64_t before = now(kernel);
  co_await kernel.core.settle();
  CHECK(now(kernel) - before >= 300'000);  // there and back, and the function's own work
  CHECK(world.function->device_tlb()->size() == 0);
  CHECK_FALSE(world.function->dma_write(0x5010).arrived());
  // Detached: legacy mode turns ATS off once the function has answered.
  kernel.core.detach(kernel.vfio_device);
  CHECK(world.function->ats_on());
  co_await kernel.core.settle();
  CHECK(world.function->ats_on() == scalable);
  domain->release();
  // Nothing under way: no time passes.
  const std::uint64_t idle = now(kernel);
  co_await kernel.core.settle();
  CHECK(now(kernel) == idle);
}

Co<> goes_without(DriverKernel& kernel, World& world) {
  linux::pci::PciCore pci(kernel.services);
  co_await start(kernel, pci);
  CHECK(kernel.core.claim_dma_owner(kernel.vfio_device, test::kOwner).has_value());
  auto domain = *kernel.core.alloc_paging(kernel.vfio_device);
  const PhysAddr buffer = *kernel.services.pages().allocate(0, "buffer");
  CHECK(domain->map(Iova(0x5000), buffer, kPage, {}).has_value());
  CHECK(kernel.core.attach(kernel.vfio_device, *domain).has_value());
  CHECK_FALSE(world.function->ats_on());
  CHECK(world.function->dma_write(0x5010).arrived());
  CHECK(world.function->device_tlb()->size() == 0);
}

// A function that is gone answers nothing: after the time-out the driver gives up on it.
Co<> loses_the_function(DriverKernel& kernel, World& world) {
  linux::pci::PciCore pci(kernel.services);
  co_await start(kernel, pci);
  CHECK(kernel.core.claim_dma_owner(kernel.vfio_device, test::kOwner).has_value());
  auto domain = *kernel.core.alloc_paging(kernel.vfio_device);
  const PhysAddr buffer = *kernel.services.pages().allocate(0, "buffer");
  CHECK(domain->map(Iova(0x5000), buffer, kPage, {}).has_value());
  CHECK(kernel.core.attach(kernel.vfio_device, *domain).has_value());
  co_await kernel.core.settle();
  auto gone = world.notes.outside.machine->fabric().remove(*world.function);
  CHECK(domain->unmap(Iova(0x5000), kPage).has_value());
  const std::uint64_t before = now(kernel);
  co_await kernel.core.settle();
  CHECK(now(kernel) - before >= 90'000'000'000'000);
  CHECK((world.notes.outside.reg(0x34) & 0x40) == 0);  // ITE was cleared
}

Co<> hands_over(DriverKernel& kernel, World& world) {
  linux::pci::PciCore pci(kernel.services);
  co_await start(kernel, pci);
  CHECK(kernel.core.claim_dma_owner(kernel.vfio_device, test::kOwner).has_value());
  auto domain = *kernel.core.alloc_paging(kernel.vfio_device);
  world.notes.buffer = *kernel.services.pages().allocate(0, "buffer");
  CHECK(domain->map(Iova(0x5000), world.notes.buffer, kPage, {}).has_value());
  CHECK(kernel.core.attach(kernel.vfio_device, *domain).has_value());
  CHECK(kernel.kho.preserve_folio(world.notes.buffer, 0).has_value());
  const auto flb = co_await kernel.core.preserve();
  world.notes.flb = *flb;
  world.notes.record = *kernel.core.preserve_domain(*domain);
  CHECK(kernel.core.preserve_device(*domain, kernel.vfio_device, test::kOwner).has_value());
  CHECK(world.function->dma_write(0x5010).arrived());
  co_await kernel.driver.shutdown();
  CHECK(world.function->device_tlb()->size() == 1);
  co_await kernel.jump();
}

Co<> takes_over(DriverKernel& kernel, World& world) {
  linux::pci::PciCore pci(kernel.services);
  const auto retrieved = co_await kernel.core.retrieve(world.notes.flb);
  CHECK(retrieved.has_value());
  kernel.port.simulation().topic<host::ConfigAccess>().subscribe(
      [&world](const host::ConfigAccess& access) { world.writes += access.write ? 1 : 0; });
  linux::pci::PciDev& dev = kernel.vfio_device;
  dev.address = {0, kPlace};
  dev.config_size = 4096;
  kernel.driver.set_pci(pci);
  co_await kernel.start_iommu();
  CHECK(world.writes == 0);
  CHECK(world.function->ats_on());
  CHECK(world.function->device_tlb()->size() == 1);
  CHECK(world.function->dma_write(0x5010).arrived());
  linux::iommu::Domain* domain = kernel.core.restored_domain(world.notes.record);
  REQUIRE(domain != nullptr);
  CHECK(domain->unmap(Iova(0x5000), kPage).has_value());
  co_await kernel.core.settle();
  CHECK(world.function->device_tlb()->size() == 0);
  CHECK_FALSE(world.function->dma_write(0x5010).arrived());
}

}  // namespace

TEST_CASE("an unmapped page is gone from a device-TLB once the driver has settled") {
  const bool scalable = GENERATE(false, true);
  const World world({unmaps}, scalable);
  CHECK(world.panic == "");
  CHECK(world.completed);
}

TEST_CASE("without the policy a function's requests stay untranslated") {
  const World world({goes_without}, false, false);
  CHECK(world.panic == "");
  CHECK(world.completed);
}

TEST_CASE("a function that has gone costs the time-out, and the driver goes on") {
  const World world({loses_the_function});
  CHECK(world.panic == "");
  CHECK(world.completed);
}

TEST_CASE("a kernel that takes a device-TLB over writes nothing, and flushes it later") {
  const World world({hands_over, takes_over});
  CHECK(world.panic == "");
  CHECK(world.completed);
}
