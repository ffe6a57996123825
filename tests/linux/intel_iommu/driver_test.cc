// The VT-d driver on a real unit: bring-up, attachment, flushes, shutdown
// [linux drivers/iommu/intel/iommu.c].
#include "model/devices/dsa/dsa.h"
#include "model/linux/intel_iommu/paging_domain.h"
#include "tests/linux/intel_iommu/driver_fixture.h"

namespace {

using namespace baton;
using linux::Errno;
using test::DriverKernel;
using test::DriverWorld;
using test::Notes;

constexpr std::uint64_t kTes = 1ULL << 31;
constexpr std::uint64_t kQies = 1ULL << 26;
constexpr std::uint64_t kPage = 0x1000;

DriverWorld::Body with(Co<> (*body)(DriverKernel&, Notes&), Notes& notes) {
  return [body, &notes](DriverKernel& kernel) { return body(kernel, notes); };
}

// Runs one kernel that ends by itself.
void run(Co<> (*body)(DriverKernel&, Notes&), test::WorldConfig config = {}) {
  Notes notes;
  DriverWorld world({with(body, notes)}, std::move(config));
  notes.outside.machine = &world.machine();
  world.run();
  CHECK(world.panic() == "");
  CHECK(world.completed(0));
}

Co<> boots(DriverKernel& kernel, Notes& notes) {
  const test::Outside& outside = notes.outside;
  CHECK(outside.reg(0x1C) == 0);
  co_await kernel.driver.init();
  CHECK((outside.reg(0x1C) & (kTes | kQies)) == kQies);
  CHECK(kernel.driver.unit_of(kernel.vfio_device) == outside.unit().base());
  CHECK(outside.unit().root_table() != PhysAddr{});
  CHECK(kernel.services.pages().page(outside.unit().root_table()).owner ==
        std::string_view("root table"));
  co_await kernel.driver.enable_translation();
  CHECK(outside.unit().translation_enabled());
  // Nothing was probed: nothing may pass.
  CHECK(unsigned{outside.dma(Bdf(1, 0, 0), 0x5000).fault_reason} == 1);
}

Co<> probes_identity(DriverKernel& kernel, Notes& notes) {
  co_await kernel.start_iommu();
  const iommu_vtd::Translation dma = notes.outside.dma(Bdf(0, 4, 0), 0x7000);
  CHECK(dma.allowed);
  CHECK(dma.address == PhysAddr(0x7000));
  CHECK(dma.domain == DomainId(1));
}

Co<> attaches(DriverKernel& kernel, Notes& notes) {
  const test::Outside& outside = notes.outside;
  co_await kernel.start_iommu();
  CHECK(kernel.core.claim_dma_owner(kernel.vfio_device, test::kOwner).has_value());
  CHECK_FALSE(outside.dma(Bdf(1, 0, 0), 0x5000).allowed);  // blocked
  auto domain = *kernel.core.alloc_paging(kernel.vfio_device);
  CHECK(domain->top_level() == 4);
  CHECK(domain->address_bits() == 57);
  const PhysAddr buffer = *kernel.services.pages().allocate(1, "buffer");
  CHECK(domain->map(Iova(0x5000), buffer, 2 * kPage, {}).has_value());
  CHECK(kernel.core.attach(kernel.vfio_device, *domain).has_value());
  CHECK(outside.dma(Bdf(1, 0, 0), 0x6010).address == buffer + 0x1010);
  CHECK(outside.dma(Bdf(1, 0, 0), 0x6010).domain == DomainId(2));
  // Unmapping leaves nothing in the IOTLB.
  CHECK(domain->unmap(Iova(0x5000), 2 * kPage).has_value());
  CHECK_FALSE(outside.dma(Bdf(1, 0, 0), 0x6010).allowed);
  CHECK(domain->map(Iova(0x5000), buffer, kPage, {}).has_value());
  CHECK(outside.dma(Bdf(1, 0, 0), 0x5000).allowed);
  // Detaching blocks at once; the id is free again.
  kernel.core.detach(kernel.vfio_device);
  CHECK_FALSE(outside.dma(Bdf(1, 0, 0), 0x5000).allowed);
  domain->release();
  kernel.core.release_dma_owner(kernel.vfio_device);
  CHECK(outside.dma(Bdf(1, 0, 0), 0x5000).domain == DomainId(1));
}

Co<> two_devices_share(DriverKernel& kernel, Notes& notes) {
  co_await kernel.start_iommu();
  for (linux::pci::PciDev* dev : {&kernel.vfio_device, &kernel.other_device}) {
    CHECK(kernel.core.claim_dma_owner(*dev, test::kOwner).has_value());
  }
  auto shared = *kernel.core.alloc_paging(kernel.vfio_device);
  auto own = *kernel.core.alloc_paging(kernel.other_device);
  CHECK(kernel.core.attach(kernel.vfio_device, *shared).has_value());
  CHECK(kernel.core.attach(kernel.other_device, *own).has_value());
  CHECK(*kernel.driver.attachment_id(kernel.vfio_device, *shared) == 2);
  CHECK(*kernel.driver.attachment_id(kernel.other_device, *own) == 3);
  CHECK(kernel.driver.attachment_id(kernel.vfio_device, *own).error() == Errno::kInval);
  CHECK(kernel.core.attach(kernel.other_device, *shared).has_value());
  CHECK(*kernel.driver.attachment_id(kernel.other_device, *shared) == 2);
  CHECK(kernel.driver.attachment_id(kernel.other_device, *own).error() == Errno::kInval);
  static_cast<void>(notes);
}

Co<> reads_old_faults(DriverKernel& kernel, Notes& notes) {
  const test::Outside& outside = notes.outside;
  co_await kernel.driver.init();
  co_await kernel.driver.enable_translation();
  outside.dma(Bdf(1, 0, 0), 0x5000);
  CHECK(outside.reg(0x34) == 2);
  linux::intel_iommu::IntelIommu again(kernel.services, kernel.kho, kernel.core);
  co_await again.init();
  CHECK(outside.reg(0x34) == 0);
  // Translation that nobody handed over is switched off.
  CHECK_FALSE(outside.unit().translation_enabled());
}

Co<> shuts_down(DriverKernel& kernel, Notes& notes) {
  co_await kernel.start_iommu();
  co_await kernel.driver.shutdown();
  CHECK_FALSE(notes.outside.unit().translation_enabled());
  CHECK((notes.outside.reg(0x1C) & kQies) != 0);  // the queue stays as it is
}

Co<> finds_no_unit(DriverKernel& kernel, Notes&) {
  co_await kernel.driver.init();
  CHECK(kernel.driver.unit_of(kernel.vfio_device) == PhysAddr{});
  CHECK(kernel.driver.alloc_paging(kernel.vfio_device, {}).error() == Errno::kNoDev);
  const auto probed = co_await kernel.core.probe_device(kernel.vfio_device);
  CHECK(probed.error() == Errno::kNoDev);
}

Co<> refuses_foreign_tables(DriverKernel& kernel, Notes&) {
  co_await kernel.start_iommu();
  const PhysAddr table = *kernel.services.pages().allocate(0, "table");
  const auto restore = [&](unsigned level, unsigned bits) {
    return kernel.driver.restore_paging(kernel.vfio_device, {table, level, bits, false});
  };
  CHECK(restore(2, 39).error() == Errno::kInval);  // 3 levels: not in SAGAW
  CHECK(restore(5, 57).error() == Errno::kInval);
  CHECK(restore(3, 57).error() == Errno::kInval);
  CHECK(restore(3, 48).has_value());
}

// Firmware goes on with DMA to its region: the default domain passes it through, user space does
// not get the device.
Co<> keeps_reserved_devices(DriverKernel& kernel, Notes& notes) {
  co_await kernel.start_iommu();
  CHECK(notes.outside.dma(Bdf(0, 4, 0), 0x7000).address == PhysAddr(0x7000));
  for (linux::pci::PciDev* dev : {&kernel.vfio_device, &kernel.other_device}) {
    CHECK(kernel.core.claim_dma_owner(*dev, test::kOwner).has_value());
    auto domain = *kernel.core.alloc_paging(*dev);
    const auto attached = kernel.core.attach(*dev, *domain);
    if (dev == &kernel.other_device) {
      CHECK(attached.error() == Errno::kPerm);
    } else {
      CHECK(attached.has_value());
      kernel.core.detach(*dev);
    }
    kernel.core.release_dma_owner(*dev);
    domain->release();
  }
  // Graphics do not use their region once a driver is there.
  kernel.other_device.class_code = 0x030000;
  CHECK(kernel.core.claim_dma_owner(kernel.other_device, test::kOwner).has_value());
  auto domain = *kernel.core.alloc_paging(kernel.other_device);
  CHECK(kernel.core.attach(kernel.other_device, *domain).has_value());
}

}  // namespace

TEST_CASE("init finds the unit in the DMAR table, starts its queue and sets an empty root") {
  run(boots);
}

TEST_CASE("a probed device passes through under the identity domain id") { run(probes_identity); }

TEST_CASE("attach writes the context entry, unmap and detach leave nothing cached") {
  run(attaches);
}

TEST_CASE("domains have one id on a unit, shared by their devices") { run(two_devices_share); }

TEST_CASE("faults of the past are read out, inherited translation without a record is stopped") {
  run(reads_old_faults);
}

TEST_CASE("shutdown without preserved devices switches translation off") { run(shuts_down); }

TEST_CASE("a device with memory that firmware reserves is not given to user space") {
  test::WorldConfig config;
  config.reserved_regions.push_back({0x10000, 0, {Bdf(0, 4, 0)}});
  config.build = [](host::Machine& machine) {
    pci::Bus& bus = machine.fabric().add_root_bus(0, 0, 0);
    machine.fabric().add(bus, 4, 0, devices::dsa::make_dsa(machine.simulation(), {}));
  };
  run(keeps_reserved_devices, config);
}

TEST_CASE("without a DMAR table there is no unit") {
  test::WorldConfig config;
  config.iommu = false;
  run(finds_no_unit, config);
}

TEST_CASE("a restored table must be one that the unit can walk") { run(refuses_foreign_tables); }

TEST_CASE("a flush covers a range with the smallest aligned block") {
  using linux::intel_iommu::covering_mask;
  CHECK(covering_mask(0x5000, 0x5FFF) == 0);
  CHECK(covering_mask(0x4000, 0x5FFF) == 1);
  CHECK(covering_mask(0x5000, 0x6FFF) == 2);
  CHECK(covering_mask(0x0, 0x1F'FFFF) == 9);
  CHECK(covering_mask(0x3F'F000, 0x40'0FFF) == 11);
}
