// The VT-d driver in scalable mode: PASID directory and entries, first and second stage, a handover
// of both [linux drivers/iommu/intel/pasid.c, iommu.c, liveupdate.c (posted)].
#include "model/iommu_vtd/profiles.h"
#include "model/linux/intel_iommu/observations.h"
#include "model/linux/intel_iommu/pasid.h"
#include "tests/linux/intel_iommu/driver_fixture.h"

namespace {

using namespace baton;
using linux::Errno;
using test::DriverKernel;
using test::DriverWorld;
using test::Notes;

constexpr std::uint64_t kPage = 0x1000;
constexpr Bdf kVfio{1, 0, 0};
constexpr Bdf kOther{0, 4, 0};
constexpr std::uint64_t kFirstStageBit = std::uint64_t{1} << 47;  // ECAP.FSTS

DriverWorld::Body with(Co<> (*body)(DriverKernel&, Notes&), Notes& notes) {
  return [body, &notes](DriverKernel& kernel) { return body(kernel, notes); };
}

test::WorldConfig scalable_world(bool first_stage = true) {
  test::WorldConfig config;
  config.iommu_profile = iommu_vtd::sapphire_rapids();
  if (!first_stage) {
    config.iommu_profile.ecap &= ~kFirstStageBit;
  }
  config.kernels.resize(2);
  for (auto& kernel : config.kernels) {
    kernel.iommu_scalable = true;
  }
  return config;
}

void run_one(Co<> (*body)(DriverKernel&, Notes&), bool first_stage = true) {
  Notes notes;
  DriverWorld world({with(body, notes)}, scalable_world(first_stage));
  notes.outside.machine = &world.machine();
  world.run();
  CHECK(world.panic() == "");
  CHECK(world.completed(0));
}

struct TwoResult {
  std::string panic;
  bool completed = false;
};
TwoResult run_two(Co<> (*first)(DriverKernel&, Notes&), Co<> (*second)(DriverKernel&, Notes&),
                  test::WorldConfig config) {
  Notes notes;
  DriverWorld world({with(first, notes), with(second, notes)}, std::move(config));
  notes.outside.machine = &world.machine();
  world.run();
  return {world.panic(), world.completed(1)};
}

bool runs(const Notes& notes) {
  const iommu_vtd::Translation dma = notes.outside.dma(kVfio, 0x5010, true);
  return dma.allowed && dma.address == notes.buffer + 0x10 && dma.domain == DomainId(2);
}

Co<> boots(DriverKernel& kernel, Notes& notes) {
  const test::Outside& outside = notes.outside;
  co_await kernel.driver.init();
  CHECK((outside.reg(0x20) & 0x400) != 0);  // RTADDR.TTM
  CHECK((outside.reg(0x90) & 0x800) != 0);  // IQA.DW
  co_await kernel.driver.enable_translation();
  CHECK(unsigned{outside.dma(kOther, 0x5000).fault_reason} == 0x39);
  auto probed = co_await kernel.core.probe_device(kernel.other_device);
  CHECK(probed.has_value());
  const iommu_vtd::Translation dma = outside.dma(kOther, 0x7000);
  CHECK(dma.address == PhysAddr(0x7000));
  CHECK(dma.domain == DomainId(1));
}

Co<> attach_and_detach(DriverKernel& kernel, Notes& notes, bool first_stage) {
  const test::Outside& outside = notes.outside;
  co_await kernel.start_iommu();
  CHECK(kernel.core.claim_dma_owner(kernel.vfio_device, test::kOwner).has_value());
  CHECK(unsigned{outside.dma(kVfio, 0x5000).fault_reason} == 0x59);  // blocked
  auto domain = *kernel.core.alloc_paging(kernel.vfio_device);
  CHECK(domain->sign_extend() == first_stage);
  CHECK(domain->last() == Iova((std::uint64_t{1} << (first_stage ? 56 : 57)) - 1));
  const PhysAddr buffer = *kernel.services.pages().allocate(1, "buffer");
  CHECK(domain->map(Iova(0x5000), buffer, 2 * kPage, {}).has_value());
  CHECK(kernel.core.attach(kernel.vfio_device, *domain).has_value());
  CHECK(outside.dma(kVfio, 0x6010, true).address == buffer + 0x1010);
  CHECK(outside.dma(kVfio, 0x6010).domain == DomainId(2));
  // What a walk from outside sees is what was mapped.
  std::uint64_t mapped = 0;
  outside.unit().inspect_tables(
      kVfio, [](PhysAddr, const char*) {},
      [&](Iova from, PhysAddr to, std::uint64_t length, bool writable) {
        CHECK(from == Iova(0x5000));
        CHECK(to == buffer);
        CHECK(writable);
        mapped += length;
      });
  CHECK(mapped == 2 * kPage);
  // Unmapping leaves nothing in the IOTLB, detaching nothing in the PASID cache.
  CHECK(domain->unmap(Iova(0x6000), kPage).has_value());
  CHECK_FALSE(outside.dma(kVfio, 0x6010).allowed);
  CHECK(outside.dma(kVfio, 0x5010).allowed);
  kernel.core.detach(kernel.vfio_device);
  CHECK(unsigned{outside.dma(kVfio, 0x5010).fault_reason} == 0x59);
  domain->release();
  kernel.core.release_dma_owner(kernel.vfio_device);
  CHECK(outside.dma(kVfio, 0x5000).domain == DomainId(1));
}
Co<> first_stage(DriverKernel& kernel, Notes& notes) {
  co_await attach_and_detach(kernel, notes, true);
}
Co<> second_stage(DriverKernel& kernel, Notes& notes) {
  co_await attach_and_detach(kernel, notes, false);
}

Co<> read_only(DriverKernel& kernel, Notes& notes) {
  co_await kernel.start_iommu();
  CHECK(kernel.core.claim_dma_owner(kernel.vfio_device, test::kOwner).has_value());
  auto domain = *kernel.core.alloc_paging(kernel.vfio_device);
  const PhysAddr buffer = *kernel.services.pages().allocate(0, "buffer");
  CHECK(domain->map(Iova(0x5000), buffer, kPage, {true, false}).has_value());
  CHECK(kernel.core.attach(kernel.vfio_device, *domain).has_value());
  CHECK(notes.outside.dma(kVfio, 0x5000).allowed);
  CHECK(unsigned{notes.outside.dma(kVfio, 0x5000, true).fault_reason} == 0x85);
}

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
  CHECK(runs(notes));
  co_await kernel.driver.shutdown();
  co_await kernel.jump();
}

Co<> goes_on(DriverKernel& kernel, Notes& notes) {
  CHECK(notes.outside.unit().translation_enabled());
  CHECK(runs(notes));
  CHECK(unsigned{notes.outside.dma(kOther, 0x5000).fault_reason} == 0x41);
  const auto retrieved = co_await kernel.core.retrieve(notes.flb);
  CHECK(retrieved.has_value());
  co_await kernel.start_iommu();
  CHECK(notes.outside.unit().root_table() == notes.root);
  CHECK(runs(notes));
  linux::iommu::Domain* restored = kernel.core.restored_domain(notes.record);
  REQUIRE(restored != nullptr);
  CHECK(restored->lookup(Iova(0x5000)) == notes.buffer);
  CHECK(*kernel.driver.attachment_id(kernel.vfio_device, *restored) == 2);
  // The restored table is one to work with: a mapping is added and taken away.
  CHECK(restored->map(Iova(0x9000), notes.buffer, kPage, {}).has_value());
  CHECK(notes.outside.dma(kVfio, 0x9000).allowed);
  CHECK(restored->unmap(Iova(0x9000), kPage).has_value());
  CHECK_FALSE(notes.outside.dma(kVfio, 0x9000).allowed);
}

Co<> wants_the_other_mode(DriverKernel& kernel, Notes& notes) {
  const auto retrieved = co_await kernel.core.retrieve(notes.flb);
  CHECK(retrieved.has_value());
  co_await kernel.driver.init();
}

// The device record says that there is no PASID table.
Co<> corrupt_record(DriverKernel& kernel, Notes& notes) {
  sim::PhysicalMemory& ram = kernel.port.ram();
  const PhysAddr devices(ram.load<std::uint64_t>(PhysAddr(notes.flb + 24)));
  ram.store(devices + 16 + 56, std::uint64_t{3});  // max_pasid
  const auto retrieved = co_await kernel.core.retrieve(notes.flb);
  CHECK(retrieved.has_value());
  co_await kernel.start_iommu();
}

Co<> replaces(DriverKernel& kernel, Notes& notes) {
  using linux::intel_iommu::PasidEntry;
  using linux::intel_iommu::PasidTable;
  co_await kernel.driver.init();
  linux::intel_iommu::Unit unit(kernel.services, {notes.outside.unit().base(), 0, true, {}}, true);
  CHECK(unit.init_queue().has_value());
  auto table = PasidTable::create(kernel.services, 0);
  REQUIRE(table.has_value());
  CHECK(table->max_pasid() == 32768);
  CHECK(table->size_field() == 2);
  const PasidEntry entry = PasidEntry::pass_through(unit.capabilities());
  CHECK(table->replace(unit, 70, entry).error() == Errno::kInval);
  CHECK(table->install(unit, kVfio, 32768, entry).error() == Errno::kInval);
  CHECK(table->install(unit, kVfio, 70, entry).has_value());
  CHECK(table->install(unit, kVfio, 70, entry).error() == Errno::kBusy);
  const PasidEntry other = PasidEntry::second_stage(unit.capabilities(), 9, PhysAddr(0x7000), 3);
  CHECK(table->replace(unit, 70, other).has_value());
  CHECK(table->entry(70)->domain_id() == 9);
  CHECK(table->entry(70)->type() == PasidEntry::Type::kSecondStage);
  table->tear_down(unit, 70);
  CHECK_FALSE(table->entry(70)->present());
  CHECK_FALSE(table->entry(700).has_value());
  unsigned pages = 0;
  CHECK(table->for_each_page([&](PhysAddr, unsigned) { return ++pages != 0; }));
  CHECK(pages == 2);
  table->release();
}

Co<> reads_foreign_directories(DriverKernel& kernel, Notes&) {
  using linux::intel_iommu::PasidTable;
  const auto over = [&](std::uint64_t address, std::uint64_t max) {
    return PasidTable::over(kernel.services, PhysAddr(address), max).has_value();
  };
  CHECK(over(0x100000, 32768));
  CHECK_FALSE(over(0, 32768));
  CHECK_FALSE(over(0x100010, 32768));
  CHECK_FALSE(over(0x100000, 32767));
  CHECK_FALSE(over(0x100000, 64));
  CHECK_FALSE(over(0x100000, std::uint64_t{1} << 40));
  CHECK_FALSE(over(0xFFFF'FFFF'F000, 32768));
  co_return;
}

}  // namespace

TEST_CASE("scalable mode: RTADDR says so, a probed device passes through by PASID 0") {
  run_one(boots);
}
TEST_CASE("a paging domain of scalable mode is first stage where the unit has one") {
  run_one(first_stage);
}
TEST_CASE("a paging domain of scalable mode is second stage where the unit has no first") {
  run_one(second_stage, false);
}
TEST_CASE("first stage honours read-only mappings") { run_one(read_only); }

TEST_CASE("a device runs through the kexec in scalable mode, first stage") {
  const TwoResult result = run_two(prepare, goes_on, scalable_world());
  CHECK(result.panic == "");
  CHECK(result.completed);
}
TEST_CASE("a device runs through the kexec in scalable mode, second stage") {
  const TwoResult result = run_two(prepare, goes_on, scalable_world(false));
  CHECK(result.panic == "");
  CHECK(result.completed);
}
TEST_CASE("a kernel of the other table mode cannot take over a unit that translates") {
  test::WorldConfig config = scalable_world();
  config.kernels[1].iommu_scalable = false;
  const TwoResult result = run_two(prepare, wants_the_other_mode, std::move(config));
  CHECK(result.panic.find("runs in scalable mode") != std::string::npos);
}
TEST_CASE("a PASID table that cannot be restored stops the kernel") {
  const TwoResult result = run_two(prepare, corrupt_record, scalable_world());
  CHECK(result.panic.find("PASID table") != std::string::npos);
}
TEST_CASE("PASID entries are installed, replaced and torn down, and refused when they cannot be") {
  run_one(replaces);
}
TEST_CASE("a PASID directory that cannot be one is not walked") {
  run_one(reads_foreign_directories);
}
TEST_CASE("each step of the programming is an observation") {
  std::vector<std::string> steps;
  Notes notes;
  DriverWorld world({with(boots, notes)}, scalable_world());
  notes.outside.machine = &world.machine();
  world.simulation().topic<linux::intel_iommu::UnitStep>().subscribe(
      [&steps](const auto& seen) { steps.emplace_back(seen.step); });
  world.run();
  const std::vector<std::string> wanted{"invalidation queue on", "set root pointer",
                                        "translation on",        "protected memory off",
                                        "set context",           "set PASID entry"};
  CHECK(steps == wanted);
}
