// A device does DMA through the kexec: what the old kernel preserves, prunes and leaves running,
// what the new one adopts [posted series iommu v5: drivers/iommu/intel/liveupdate.c].
#include "tests/linux/intel_iommu/driver_fixture.h"

namespace {

using namespace baton;
using linux::Defect;
using linux::Errno;
using test::DriverKernel;
using test::DriverWorld;
using test::Notes;

constexpr std::uint64_t kPage = 0x1000;
constexpr Bdf kVfio{1, 0, 0};
constexpr Bdf kOther{0, 4, 0};

DriverWorld::Body with(Co<> (*body)(DriverKernel&, Notes&), Notes& notes) {
  return [body, &notes](DriverKernel& kernel) { return body(kernel, notes); };
}

bool runs(const Notes& notes) {
  const iommu_vtd::Translation dma = notes.outside.dma(kVfio, 0x5010, true);
  return dma.allowed && dma.address == notes.buffer + 0x10 && dma.domain == DomainId(2);
}

// A panic must reach the kernel: no CHECK around the call.
Co<> retrieve(DriverKernel& kernel, Notes& notes) {
  const auto retrieved = co_await kernel.core.retrieve(notes.flb);
  CHECK(retrieved.has_value());
}
Co<> probe(DriverKernel& kernel, linux::pci::PciDev& dev) {
  const auto probed = co_await kernel.core.probe_device(dev);
  CHECK(probed.has_value());
}

// Attaches the device, preserves it, shuts down as kernel_kexec() would.
Co<> prepare(DriverKernel& kernel, Notes& notes) {
  co_await kernel.start_iommu();
  CHECK(kernel.core.claim_dma_owner(kernel.vfio_device, test::kOwner).has_value());
  std::unique_ptr<linux::iommu::Domain> domain = *kernel.core.alloc_paging(kernel.vfio_device);
  notes.buffer = *kernel.services.pages().allocate(0, "buffer");
  CHECK(domain->map(Iova(0x5000), notes.buffer, kPage, {}).has_value());
  CHECK(kernel.core.attach(kernel.vfio_device, *domain).has_value());
  CHECK(kernel.kho.preserve_folio(notes.buffer, 0).has_value());
  const auto flb = co_await kernel.core.preserve();
  notes.flb = *flb;
  notes.record = *kernel.core.preserve_domain(*domain);
  CHECK(kernel.core.preserve_device(*domain, kernel.vfio_device, test::kOwner).has_value());
  notes.root = notes.outside.unit().root_table();
  // A device that comes after the preserve brings a context table that is not preserved.
  const auto late = co_await kernel.core.probe_device(kernel.late_device);
  CHECK(late.has_value());
  CHECK(notes.outside.dma(Bdf(9, 0, 0), 0x1000).allowed);
  if (notes.before_jump) {
    notes.before_jump(kernel);
  }
  co_await kernel.driver.shutdown();
  co_await kernel.jump();
}

// Behind a bridge to conventional PCI a device is known by the bridge's id too.
Co<> prepare_behind_bridge(DriverKernel& kernel, Notes& notes) {
  linux::pci::PciBus below;
  linux::pci::PciDev& bridge = kernel.other_device;
  bridge.address = {0, Bdf(0, 5, 0)};
  bridge.pcie_cap = 0;
  below.bridge = &bridge;
  kernel.vfio_device.bus = &below;
  co_await prepare(kernel, notes);
}

Co<> alias_passes(DriverKernel&, Notes& notes) {
  CHECK(notes.outside.dma(Bdf(0, 5, 0), 0x5010).address == notes.buffer + 0x10);
  co_return;
}

Co<> leaves_it_running(DriverKernel& kernel, Notes& notes) {
  CHECK(notes.outside.unit().translation_enabled());
  CHECK(runs(notes));
  // Everybody else has no way through the tables any more.
  CHECK(unsigned{notes.outside.dma(kOther, 0x5000).fault_reason} == 2);
  CHECK(unsigned{notes.outside.dma(Bdf(9, 0, 0), 0x1000).fault_reason} == 1);

  co_await retrieve(kernel, notes);
  CHECK(runs(notes));
  co_await kernel.driver.init();
  CHECK(notes.outside.unit().translation_enabled());
  CHECK(notes.outside.unit().root_table() == notes.root);
  CHECK(runs(notes));
  co_await probe(kernel, kernel.vfio_device);
  co_await probe(kernel, kernel.other_device);
  CHECK(runs(notes));
  co_await kernel.driver.enable_translation();
  CHECK(runs(notes));
  CHECK(notes.outside.dma(kOther, 0x5000).domain == DomainId(1));

  linux::iommu::Domain* restored = kernel.core.restored_domain(notes.record);
  REQUIRE(restored != nullptr);
  CHECK(restored->lookup(Iova(0x5000)) == notes.buffer);
  CHECK(*kernel.driver.attachment_id(kernel.vfio_device, *restored) == 2);
  CHECK(kernel.core.dma_owner(kernel.vfio_device) == test::kOwner);
  // A new domain gets another id.
  CHECK(kernel.core.claim_dma_owner(kernel.other_device, 7).has_value());
  auto fresh = *kernel.core.alloc_paging(kernel.other_device);
  CHECK(kernel.core.attach(kernel.other_device, *fresh).has_value());
  CHECK(*kernel.driver.attachment_id(kernel.other_device, *fresh) == 3);
}

struct Result {
  std::string panic;
  bool completed = false;
};

Result run_second(Co<> (*second)(DriverKernel&, Notes&), std::optional<Defect> old_defect = {},
                  std::optional<Defect> new_defect = {}, Notes notes = {}) {
  test::WorldConfig config;
  config.kernels.resize(2);
  if (old_defect) {
    config.kernels[0].defects.add(*old_defect);
  }
  if (new_defect) {
    config.kernels[1].defects.add(*new_defect);
  }
  DriverWorld world({with(prepare, notes), with(second, notes)}, config);
  notes.outside.machine = &world.machine();
  world.run();
  return {world.panic(), world.completed(1)};
}

Co<> restores(DriverKernel& kernel, Notes& notes) {
  co_await retrieve(kernel, notes);
  co_await kernel.driver.init();
}

Co<> sees_translation_off(DriverKernel&, Notes& notes) {
  CHECK_FALSE(notes.outside.unit().translation_enabled());
  CHECK(notes.outside.dma(kVfio, 0x5010).address == PhysAddr(0x5010));
  co_return;
}

Co<> blocks_the_device(DriverKernel& kernel, Notes& notes) {
  co_await retrieve(kernel, notes);
  CHECK(runs(notes));
  co_await kernel.driver.init();
  CHECK(notes.outside.unit().root_table() != notes.root);
  CHECK_FALSE(runs(notes));
}

Co<> reuses_the_id(DriverKernel& kernel, Notes& notes) {
  co_await retrieve(kernel, notes);
  co_await kernel.start_iommu();
  CHECK(runs(notes));
  CHECK(kernel.core.claim_dma_owner(kernel.other_device, 7).has_value());
  auto fresh = *kernel.core.alloc_paging(kernel.other_device);
  CHECK(kernel.core.attach(kernel.other_device, *fresh).has_value());
  CHECK(*kernel.driver.attachment_id(kernel.other_device, *fresh) == 2);
  // The wrong memory, out of the IOTLB.
  CHECK(notes.outside.dma(kOther, 0x5010).address == notes.buffer + 0x10);
}

// One field of the unit record (112 bytes, the first of its array) is changed before the jump.
Notes corrupted(std::uint64_t offset, std::uint64_t value) {
  Notes notes;
  notes.before_jump = [offset, value](DriverKernel& kernel) {
    sim::PhysicalMemory& ram = kernel.port.ram();
    // The record page follows from the top record, whose address the kernel's record names.
    for (const sim::PhysRange& range : ram.touched()) {
      for (PhysAddr page = range.start; page < range.end(); page = page + kPage) {
        if (ram.load<std::uint64_t>(page + 8) == 1 &&
            ram.load<std::uint64_t>(page + 24) == 0xFED9'0000 &&
            ram.load<std::uint64_t>(page + 32) == 1) {
          ram.store(page + 16 + offset, value);
        }
      }
    }
  };
  return notes;
}

}  // namespace

TEST_CASE("a preserved device keeps its translation from shutdown to the end of the next boot") {
  const Result result = run_second(leaves_it_running);
  CHECK(result.panic == "");
  CHECK(result.completed);
}

TEST_CASE("undoing the preserve leaves nothing behind, and shutdown switches off again") {
  Notes notes;
  notes.before_jump = [](DriverKernel& kernel) {
    CHECK(kernel.core.is_preserved(kernel.vfio_device));
    kernel.core.unpreserve_device(kernel.vfio_device);
    CHECK_FALSE(kernel.core.is_preserved(kernel.vfio_device));
    CHECK_FALSE(kernel.core.has_preserved_devices(PhysAddr(0xFED9'0000)));
  };
  const auto second = [](DriverKernel& kernel, Notes& n) -> Co<> {
    CHECK_FALSE(n.outside.unit().translation_enabled());
    CHECK(kernel.kho.restore_folio(n.root) == std::nullopt);
    co_return;
  };
  const Result result = run_second(second, {}, {}, notes);
  CHECK(result.completed);
}

TEST_CASE("a root or context table that nobody preserved stops the next kernel") {
  const Result root = run_second(restores, Defect::kIommuSkipRootTable);
  CHECK(root.panic.find("cannot restore the root table") != std::string::npos);
  const Result context = run_second(restores, Defect::kIommuSkipContextTable);
  CHECK(context.panic.find("cannot restore the context table") != std::string::npos);
}

TEST_CASE("with translation switched off at shutdown IOVAs are physical addresses") {
  CHECK(run_second(sees_translation_off, Defect::kIommuTranslationOff).completed);
}

TEST_CASE("a fresh root table blocks the running device") {
  CHECK(run_second(blocks_the_device, {}, Defect::kIommuFreshRoot).completed);
}

TEST_CASE("a domain id that is not reserved goes to a new domain, and memory with it") {
  CHECK(run_second(reuses_the_id, {}, Defect::kIommuReuseDomainId).completed);
}

TEST_CASE("a corrupt unit record is a panic, never a crash") {
  constexpr std::uint64_t kRootTable = 40;
  constexpr std::uint64_t kBitmap = 48;
  for (const std::uint64_t bad : {0ULL, 0x1001ULL, 0x7FFF'FFFF'F000ULL, 0x20'0000ULL}) {
    INFO(fmt::format("root {:#x}", bad));
    CHECK(run_second(restores, {}, {}, corrupted(kRootTable, bad)).panic.find("root table") !=
          std::string::npos);
  }
  CHECK(run_second(restores, {}, {}, corrupted(kBitmap, ~0ULL)).panic.find("context table") !=
        std::string::npos);
}

TEST_CASE("the aliases of a preserved device keep their way through the tables") {
  Notes notes;
  test::WorldConfig config;
  config.kernels.resize(2);
  DriverWorld world({with(prepare_behind_bridge, notes), with(alias_passes, notes)}, config);
  notes.outside.machine = &world.machine();
  world.run();
  CHECK(world.panic() == "");
  CHECK(world.completed(1));
}
