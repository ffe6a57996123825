// Interrupt remapping, and what is taken over from a kernel that did not hand over: interrupt
// remapping found on, tables copied from a crashed kernel [linux
// drivers/iommu/intel/irq_remapping.c, iommu.c copy_translation_tables].
#include "model/host/observations.h"
#include "model/iommu_vtd/profiles.h"
#include "model/linux/intel_iommu/observations.h"
#include "tests/linux/intel_iommu/driver_fixture.h"

namespace {

using namespace baton;
using test::DriverKernel;
using test::DriverWorld;
using test::Notes;

constexpr std::uint64_t kPage = 0x1000;
constexpr std::uint64_t kTes = 1ULL << 31;
constexpr std::uint64_t kIres = 1ULL << 25;
constexpr Bdf kVfio{1, 0, 0};
constexpr Bdf kOther{0, 4, 0};

DriverWorld::Body with(Co<> (*body)(DriverKernel&, Notes&), Notes& notes) {
  return [body, &notes](DriverKernel& kernel) { return body(kernel, notes); };
}

test::WorldConfig remapping_world() {
  test::WorldConfig config;
  config.interrupt_remapping = true;
  config.kernels.resize(2);
  return config;
}

struct TwoResult {
  std::string panic;
  bool completed = false;
  std::uint64_t orphans = 0;
};
TwoResult run_two(Co<> (*first)(DriverKernel&, Notes&), Co<> (*second)(DriverKernel&, Notes&),
                  test::WorldConfig config) {
  Notes notes;
  DriverWorld world({with(first, notes), with(second, notes)}, std::move(config));
  notes.outside.machine = &world.machine();
  world.run();
  return {world.panic(), world.completed(1), world.machine().orphan_interrupts()};
}

// A message of a device, as it leaves its port.
void send(const Notes& notes, Bdf source, const linux::irq::IrqCore::Message& message) {
  std::uint32_t data = message.data;
  pci::MemoryRequest request;
  request.requester = source;
  request.address = message.address;
  request.length = 4;
  request.write = true;
  notes.outside.machine->request(request, std::as_writable_bytes(std::span(&data, 1)));
}

Co<> start(DriverKernel& kernel) {
  kernel.irq.init();
  kernel.driver.set_interrupts(kernel.irq);
  co_await kernel.driver.init_interrupt_remapping();
  co_await kernel.start_iommu();
}

Co<> remaps(DriverKernel& kernel, Notes& notes) {
  co_await start(kernel);
  CHECK((notes.outside.reg(0x1C) & kIres) != 0);
  unsigned taken = 0;
  const auto irq = kernel.irq.request([&taken] { ++taken; }, kernel.vfio_device);
  REQUIRE(irq.has_value());
  CHECK((irq->message.address & 0x10) != 0);  // remappable format
  CHECK(irq->message.data == 0);
  send(notes, kVfio, irq->message);
  co_await kernel.services.spend(sim::Duration::microseconds(10));
  CHECK(taken == 1);
  // Nobody else may use the entry, and the unit says so by its fault event.
  send(notes, kOther, irq->message);
  CHECK(notes.outside.reg(0x34) == 2);
  co_await kernel.services.spend(sim::Duration::microseconds(10));
  CHECK(taken == 1);
  CHECK(notes.outside.reg(0x34) == 0);  // read out by the handler
  // A compatibility message is blocked; a freed entry is gone from the cache too.
  send(notes, kVfio, {0xFEE0'0000, irq->vector.vector.value()});
  kernel.irq.free(irq->vector);
  send(notes, kVfio, irq->message);
  co_await kernel.services.spend(sim::Duration::microseconds(10));
  CHECK(taken == 1);
  co_await kernel.driver.shutdown();
  CHECK((notes.outside.reg(0x1C) & kIres) != 0);  // stays on over the jump
  notes.buffer = PhysAddr(irq->message.address);
  co_await kernel.jump();
}

Co<> finds_remapping_on(DriverKernel& kernel, Notes& notes) {
  CHECK((notes.outside.reg(0x1C) & kIres) != 0);
  // A message of the old kernel's entry falls into the moment without remapping: its vector is 0
  // there, which no CPU takes.
  const linux::irq::IrqCore::Message stale{notes.buffer.value(), 0};
  bool sent = false;
  kernel.port.simulation().topic<linux::intel_iommu::UnitStep>().subscribe(
      [&notes, stale, sent](const linux::intel_iommu::UnitStep& seen) mutable {
        if (!sent && std::string_view(seen.step) == "interrupt remapping off") {
          sent = true;
          send(notes, kVfio, stale);
        }
      });
  co_await start(kernel);
  CHECK((notes.outside.reg(0x1C) & kIres) != 0);
  CHECK(kernel.irq.request([] {}, kernel.vfio_device).has_value());
}

Co<> without(DriverKernel& kernel, Notes& notes) {
  co_await start(kernel);
  CHECK((notes.outside.reg(0x1C) & kIres) == 0);
  const auto irq = kernel.irq.request([] {}, kernel.vfio_device);
  REQUIRE(irq.has_value());
  CHECK((irq->message.address & 0x10) == 0);
}

// A device runs under a domain when its kernel stops dead.
Co<> crashes(DriverKernel& kernel, Notes& notes) {
  co_await start(kernel);
  CHECK(kernel.core.claim_dma_owner(kernel.vfio_device, test::kOwner).has_value());
  auto domain = *kernel.core.alloc_paging(kernel.vfio_device);
  notes.buffer = *kernel.services.pages().allocate(0, "buffer");
  CHECK(domain->map(Iova(0x5000), notes.buffer, kPage, {}).has_value());
  CHECK(kernel.core.attach(kernel.vfio_device, *domain).has_value());
  notes.domain =
      static_cast<std::uint16_t>(*kernel.driver.attachment_id(kernel.vfio_device, *domain));
  const auto irq = kernel.irq.request([] {}, kernel.vfio_device);
  CHECK(irq.has_value());
  co_await kernel.jump();
}

bool goes_on(const Notes& notes) {
  const iommu_vtd::Translation dma = notes.outside.dma(kVfio, 0x5010, true);
  return dma.allowed && dma.address == notes.buffer + 0x10;
}

Co<> copies(DriverKernel& kernel, Notes& notes) {
  CHECK(goes_on(notes));
  const PhysAddr old_root = notes.outside.unit().root_table();
  co_await start(kernel);
  CHECK(notes.outside.unit().root_table() != old_root);
  CHECK((notes.outside.reg(0x1C) & kTes) != 0);
  CHECK((notes.outside.reg(0x1C) & kIres) != 0);
  // The device goes on under its copied entry until its driver comes.
  CHECK(kernel.driver.attach_deferred(kernel.vfio_device));
  CHECK(goes_on(notes));
  CHECK(kernel.core.claim_dma_owner(kernel.vfio_device, test::kOwner).has_value());
  CHECK_FALSE(kernel.driver.attach_deferred(kernel.vfio_device));
  CHECK_FALSE(notes.outside.dma(kVfio, 0x5010).allowed);
  auto fresh = *kernel.core.alloc_paging(kernel.vfio_device);
  CHECK(kernel.core.attach(kernel.vfio_device, *fresh).has_value());
  const auto id = *kernel.driver.attachment_id(kernel.vfio_device, *fresh);
  // Legacy mode knows the copied id and keeps off it; scalable mode cannot see it.
  if (kernel.services.config().iommu_scalable) {
    CHECK(id == notes.domain);
  } else {
    CHECK(id != notes.domain);
  }
  CHECK_FALSE(notes.outside.dma(kVfio, 0x5010).allowed);
}

Co<> gives_up(DriverKernel& kernel, Notes& notes) {
  co_await start(kernel);
  CHECK_FALSE(kernel.driver.attach_deferred(kernel.vfio_device));
  CHECK((notes.outside.reg(0x1C) & kTes) != 0);  // on again, with tables of its own
  CHECK(notes.outside.dma(kVfio, 0x5010).address == PhysAddr(0x5010));
}

test::WorldConfig crash_world(bool scalable) {
  test::WorldConfig config = remapping_world();
  if (scalable) config.iommu_profile = iommu_vtd::sapphire_rapids();
  for (auto& kernel : config.kernels) kernel.iommu_scalable = scalable;
  config.kernels[1].crash_kernel = true;
  return config;
}

}  // namespace

TEST_CASE("interrupts go through the table: one device, one entry, and nothing around it") {
  const TwoResult result = run_two(remaps, finds_remapping_on, remapping_world());
  CHECK(result.panic == "");
  CHECK(result.completed);
  CHECK(result.orphans == 1);
}

TEST_CASE("without the firmware's flag messages are in compatibility format") {
  test::WorldConfig config = remapping_world();
  config.interrupt_remapping = false;
  Notes notes;
  DriverWorld world({with(without, notes)}, config);
  notes.outside.machine = &world.machine();
  world.run();
  CHECK(world.completed(0));
}

TEST_CASE("intremap=off leaves interrupts alone") {
  test::WorldConfig config = remapping_world();
  config.kernels[0].interrupt_remapping = false;
  Notes notes;
  DriverWorld world({with(without, notes)}, config);
  notes.outside.machine = &world.machine();
  world.run();
  CHECK(world.completed(0));
}

TEST_CASE("a crash kernel copies legacy tables and keeps off their domain ids") {
  const TwoResult result = run_two(crashes, copies, crash_world(false));
  CHECK(result.panic == "");
  CHECK(result.completed);
}

TEST_CASE("a crash kernel copies scalable tables and does not see their domain ids") {
  const TwoResult result = run_two(crashes, copies, crash_world(true));
  CHECK(result.panic == "");
  CHECK(result.completed);
}

TEST_CASE("a crash kernel of the other table mode gives the old tables up") {
  test::WorldConfig config = crash_world(true);
  config.kernels[1].iommu_scalable = false;
  const TwoResult result = run_two(crashes, gives_up, std::move(config));
  CHECK(result.panic == "");
  CHECK(result.completed);
}
