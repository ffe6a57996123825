// PASIDs and tables of user space under the VT-d driver: who gets PASIDs, domains for requests that
// carry one, a first stage in the memory of its owner over a second stage of the host, what is
// invalidated for them, and what of it is handed over [linux drivers/iommu/intel/iommu.c, nested.c,
// pasid.c, cache.c].
#include "model/host/observations.h"
#include "model/linux/intel_iommu/nested_domain.h"
#include "model/linux/pci/pci_core.h"
#include "tests/linux/intel_iommu/driver_fixture.h"

namespace {

using namespace baton;
using linux::Errno;
using linux::iommu::UserTable;
using test::DriverKernel;
using test::DriverWorld;
using test::Notes;

constexpr std::uint64_t kPage = 0x1000;
constexpr std::uint16_t kPasidControl = 0x106;
constexpr Bdf kPlace{0x6A, 1, 0};

class WithPasids final : public pci::Function {
 public:
  explicit WithPasids(sim::Simulation& simulation)
      : Function(simulation, "with PASIDs", make_config()) {}
  std::uint32_t control() const { return config().get(kPasidControl, 2); }

 private:
  static pci::ConfigSpace make_config() {
    pci::ConfigSpace config =
        pci::ConfigSpace::type0({.vendor = 0x8086, .device = 0x0B25, .class_code = 0x088000});
    config.add_capability(0x40, pci::CapabilityId::kExpress, {{2, 2, 0x0092}}, 0x3C);
    // 20 bits, privileged mode, as a DSA has them.
    config.add_extended_capability(0x100, pci::ExtendedCapabilityId::kPasid, 1, {{4, 2, 0x1404}});
    config.set_writable(kPasidControl, 2, 0x0005);
    return config;
  }
};

struct World {
  explicit World(std::vector<Co<> (*)(DriverKernel&, World&)> bodies, bool scalable = true) {
    config.kernels.resize(bodies.size());
    for (auto& kernel : config.kernels) kernel.iommu_scalable = scalable;
    config.build = [this](host::Machine& machine) {
      pci::Bus& bus = machine.fabric().add_root_bus(0, 0x6A, 0x6A);
      function = static_cast<WithPasids*>(
          &machine.fabric().add(bus, 1, 0, std::make_unique<WithPasids>(machine.simulation())));
    };
    std::vector<DriverWorld::Body> all;
    for (auto* body : bodies) {
      all.push_back([this, body](DriverKernel& kernel) { return body(kernel, *this); });
    }
    DriverWorld world(all, config);
    outside.machine = &world.machine();
    world.run();
    panic = world.panic();
    completed = world.completed(static_cast<unsigned>(bodies.size() - 1));
  }

  iommu_vtd::Translation dma(std::uint64_t iova, std::optional<std::uint32_t> pasid = {},
                             bool write = false) const {
    pci::MemoryRequest request;
    request.requester = kPlace;
    request.address = iova;
    request.length = 64;
    request.write = write;
    if (pasid) request.pasid = Pasid(*pasid);
    return outside.unit().translate(request);
  }

  test::WorldConfig config;
  WithPasids* function = nullptr;
  test::Outside outside;
  std::uint64_t flb = 0;
  std::uint64_t writes = 0;
  PhysAddr buffer;
  std::string panic;
  bool completed = false;
};

Co<> start(DriverKernel& kernel, linux::pci::PciCore& pci) {
  linux::pci::PciDev& dev = kernel.vfio_device;
  dev.address = {0, kPlace};
  dev.config_size = 4096;
  kernel.driver.set_pci(pci);
  co_await kernel.start_iommu();
  CHECK(kernel.core.claim_dma_owner(dev, test::kOwner).has_value());
}

std::unique_ptr<linux::iommu::Domain> domain_with(DriverKernel& kernel, std::uint64_t iova,
                                                  PhysAddr page, linux::iommu::DomainUse use = {}) {
  auto domain = *kernel.core.alloc_paging(kernel.vfio_device, use);
  CHECK(domain->map(Iova(iova), page, kPage, {}).has_value());
  return domain;
}

Co<> pasids(DriverKernel& kernel, World& world) {
  linux::pci::PciCore pci(kernel.services);
  co_await start(kernel, pci);
  linux::pci::PciDev& dev = kernel.vfio_device;
  CHECK(world.function->control() == 0x5);
  CHECK(kernel.core.hardware_info(dev).max_pasids == 1 << 20);
  CHECK(kernel.core.hardware_info(dev).pasid_features == 4);
  const PhysAddr pages = *kernel.services.pages().allocate(2, "buffer");
  auto own = domain_with(kernel, 0x5000, pages);
  auto other = domain_with(kernel, 0x5000, pages + kPage);
  auto without = domain_with(kernel, 0x5000, pages + 2 * kPage);
  CHECK(kernel.core.attach(dev, *without).has_value());
  CHECK(kernel.core.attach_pasid(dev, 7, *own).has_value());
  CHECK(kernel.core.attach_pasid(dev, 0xFFFFF, *other).has_value());
  CHECK(world.dma(0x5010, 7).address == pages + 0x10);
  CHECK(world.dma(0x5010, 0xFFFFF).address == pages + kPage + 0x10);
  CHECK(world.dma(0x5010).address == pages + 2 * kPage + 0x10);
  CHECK(unsigned{world.dma(0x5010, 8).fault_reason} == 0x59);
  CHECK(unsigned{world.dma(0x5010, 0x1000).fault_reason} == 0x51);  // no table for that one
  // Refusals.
  CHECK(kernel.core.attach_pasid(dev, 0, *own).error() == Errno::kInval);
  CHECK(kernel.core.attach_pasid(dev, 1 << 20, *own).error() == Errno::kInval);
  // Unmapped under its PASID: nothing is left in the IOTLB.
  CHECK(own->unmap(Iova(0x5000), kPage).has_value());
  CHECK_FALSE(world.dma(0x5010, 7).allowed);
  // Replaced, then detached.
  CHECK(kernel.core.attach_pasid(dev, 7, *other).has_value());
  CHECK(world.dma(0x5010, 7).address == pages + kPage + 0x10);
  own->release();
  kernel.core.detach_pasid(dev, 7);
  kernel.core.detach_pasid(dev, 0xFFFFF);
  CHECK(unsigned{world.dma(0x5010, 7).fault_reason} == 0x59);
  other->release();
  CHECK(world.dma(0x5010).allowed);
  kernel.core.detach(dev);
  without->release();
}

Co<> legacy_mode(DriverKernel& kernel, World& world) {
  linux::pci::PciCore pci(kernel.services);
  co_await start(kernel, pci);
  CHECK(world.function->control() == 0);
  CHECK(kernel.core.hardware_info(kernel.vfio_device).max_pasids == 0);
  // A function without PASIDs sends none: nothing to be refused, nothing to be written.
  auto domain = domain_with(kernel, 0x5000, PhysAddr(0x10'0000));
  CHECK(kernel.core.attach_pasid(kernel.vfio_device, 7, *domain).has_value());
  CHECK(unsigned{world.dma(0x5010, 7).fault_reason} == 0x31);
  kernel.core.detach_pasid(kernel.vfio_device, 7);
  domain->release();
  const auto parent = kernel.core.alloc_paging(kernel.vfio_device, {.nest_parent = true});
  CHECK(parent.error() == Errno::kOpNotSupp);
}

// The guest's memory is at guest-physical 0 and has tables that lead 7000h to 5000h, 8000h to
// 6000h.
constexpr unsigned kGuestOrder = 4;
void write_guest_tables(DriverKernel& kernel, PhysAddr memory) {
  constexpr std::uint64_t kUserWritable = 7;
  sim::PhysicalMemory& ram = kernel.port.ram();
  ram.store(memory + 0x1000, std::uint64_t{0x2000} | kUserWritable);
  ram.store(memory + 0x2000, std::uint64_t{0x3000} | kUserWritable);
  ram.store(memory + 0x3000, std::uint64_t{0x4000} | kUserWritable);
  ram.store(memory + 0x4000 + 7 * 8, std::uint64_t{0x5000} | kUserWritable);
  ram.store(memory + 0x4000 + 8 * 8, std::uint64_t{0x6000} | kUserWritable);
}

struct Guest {
  std::unique_ptr<linux::iommu::Domain> parent;
  std::unique_ptr<linux::iommu::Domain> table;
  PhysAddr memory;
};

Guest make_guest(DriverKernel& kernel) {
  Guest guest;
  guest.memory = *kernel.services.pages().allocate(kGuestOrder, "guest");
  guest.parent = *kernel.core.alloc_paging(kernel.vfio_device, {.nest_parent = true});
  CHECK_FALSE(guest.parent->sign_extend());
  CHECK(guest.parent->map(Iova(0), guest.memory, kPage << kGuestOrder, {}).has_value());
  write_guest_tables(kernel, guest.memory);
  const UserTable table{.top_table = 0x1000, .address_bits = 48};
  guest.table = *kernel.core.alloc_nested(kernel.vfio_device, *guest.parent, table);
  return guest;
}

Co<> nested(DriverKernel& kernel, World& world) {
  linux::pci::PciCore pci(kernel.services);
  co_await start(kernel, pci);
  linux::pci::PciDev& dev = kernel.vfio_device;
  Guest guest = make_guest(kernel);
  CHECK(kernel.core.attach(dev, *guest.table).has_value());
  CHECK(world.dma(0x7010, {}, true).address == guest.memory + 0x5010);
  CHECK(world.dma(0x8010).address == guest.memory + 0x6010);
  CHECK(unsigned{world.dma(0x9010).fault_reason} == 0x71);
  // Both stages leave the accessed bit in the guest's table.
  CHECK((kernel.port.ram().load<std::uint64_t>(guest.memory + 0x4038) & 0x60) == 0x60);
  // The guest changes its table: hardware goes on with the old entry until it is told.
  kernel.port.ram().store(guest.memory + 0x4000 + 7 * 8, std::uint64_t{0});
  CHECK(world.dma(0x7010).allowed);
  CHECK(guest.table->invalidate_user(Iova(0x7001), 1).error() == Errno::kInval);
  CHECK(guest.table->invalidate_user(Iova(0x7000), UINT64_MAX).error() == Errno::kInval);
  CHECK(guest.table->invalidate_user(Iova(0x7000), 1).has_value());
  CHECK_FALSE(world.dma(0x7010).allowed);
  CHECK(world.dma(0x8010).allowed);
  // The host takes a page away below: known at once, under the id of the nested domain.
  CHECK(guest.parent->unmap(Iova(0), kPage << kGuestOrder).has_value());
  CHECK_FALSE(world.dma(0x8010).allowed);
  CHECK(guest.parent->invalidate_user(Iova(0), 1).error() == Errno::kOpNotSupp);
  CHECK(guest.table->map(Iova(0), guest.memory, kPage, {}).error() == Errno::kInval);
  kernel.core.detach(dev);
  guest.table->release();
  guest.parent->release();
}

// A PASID has a table of the guest, requests without have the host's.
Co<> nested_for_a_pasid(DriverKernel& kernel, World& world) {
  linux::pci::PciCore pci(kernel.services);
  co_await start(kernel, pci);
  linux::pci::PciDev& dev = kernel.vfio_device;
  Guest guest = make_guest(kernel);
  CHECK(kernel.core.attach(dev, *guest.parent).has_value());
  CHECK(kernel.core.attach_pasid(dev, 9, *guest.table).has_value());
  CHECK(world.dma(0x7010).address == guest.memory + 0x7010);
  CHECK(world.dma(0x7010, 9).address == guest.memory + 0x5010);
  CHECK(guest.table->invalidate_user(Iova(0), UINT64_MAX).has_value());
  kernel.core.detach_pasid(dev, 9);
  CHECK(unsigned{world.dma(0x7010, 9).fault_reason} == 0x59);
  CHECK(world.dma(0x7010).allowed);
  kernel.core.detach(dev);
  guest.table->release();
  guest.parent->release();
}

Co<> refused_tables(DriverKernel& kernel, World&) {
  linux::pci::PciCore pci(kernel.services);
  co_await start(kernel, pci);
  linux::pci::PciDev& dev = kernel.vfio_device;
  auto plain = domain_with(kernel, 0x5000, PhysAddr(0x10'0000));
  CHECK(kernel.core.alloc_nested(dev, *plain, {}).error() == Errno::kInval);
  plain->release();
  auto parent = *kernel.core.alloc_paging(dev, {.nest_parent = true});
  for (const UserTable bad : {UserTable{.top_table = 0x1000, .address_bits = 39},
                              UserTable{.top_table = 0x1000, .address_bits = 0}}) {
    auto table = *kernel.core.alloc_nested(dev, *parent, bad);
    CHECK(kernel.core.attach(dev, *table).error() == Errno::kInval);
    CHECK(kernel.core.attach_pasid(dev, 1, *table).error() == Errno::kInval);
    table->release();
  }
  // What the unit can do beside four levels.
  constexpr UserTable kAll{.flags = 7, .top_table = 0x1000, .address_bits = 57};
  auto table = *kernel.core.alloc_nested(dev, *parent, kAll);
  CHECK(kernel.core.attach(dev, *table).has_value());
  kernel.core.detach(dev);
  table->release();
  parent->release();
}

Co<> hands_over(DriverKernel& kernel, World& world) {
  linux::pci::PciCore pci(kernel.services);
  co_await start(kernel, pci);
  linux::pci::PciDev& dev = kernel.vfio_device;
  Guest guest = make_guest(kernel);
  world.buffer = guest.memory;
  CHECK(kernel.kho.preserve_folio(guest.memory, kGuestOrder).has_value());
  CHECK(kernel.core.attach(dev, *guest.table).has_value());
  const auto flb = co_await kernel.core.preserve();
  world.flb = *flb;
  CHECK(kernel.core.preserve_domain(*guest.parent).has_value());
  // A PASID of user space is not handed over.
  auto other = domain_with(kernel, 0x5000, guest.memory);
  CHECK(kernel.core.attach_pasid(dev, 3, *other).has_value());
  const auto refused = kernel.core.preserve_device(*guest.parent, dev, test::kOwner);
  CHECK(refused.error() == Errno::kOpNotSupp);
  kernel.core.detach_pasid(dev, 3);
  CHECK(kernel.core.preserve_device(*guest.parent, dev, test::kOwner).has_value());
  co_await kernel.driver.shutdown();
  CHECK(world.dma(0x7010).allowed);
  kernel.port.simulation().topic<host::ConfigAccess>().subscribe(
      [&world](const host::ConfigAccess& access) {
        if (access.write && access.address == Sbdf{0, kPlace}) ++world.writes;
      });
  co_await kernel.jump();
}

// The function keeps its PASID control and both stages; nothing of it is written.
Co<> takes_over(DriverKernel& kernel, World& world) {
  linux::pci::PciCore pci(kernel.services);
  CHECK(world.dma(0x7010).address == world.buffer + 0x5010);
  linux::pci::PciDev& dev = kernel.vfio_device;
  dev.address = {0, kPlace};
  dev.config_size = 4096;
  kernel.driver.set_pci(pci);
  const auto retrieved = co_await kernel.core.retrieve(world.flb);
  CHECK(retrieved.has_value());
  co_await kernel.start_iommu();
  CHECK(world.writes == 0);
  CHECK(dev.pasid_enabled);
  CHECK(kernel.core.hardware_info(dev).max_pasids == 1 << 20);
  CHECK(kernel.core.dma_owner(dev) == test::kOwner);
  CHECK(world.dma(0x7010).address == world.buffer + 0x5010);
}

}  // namespace

TEST_CASE("in scalable mode a function with PASIDs has one domain for each") {
  CHECK(World({pasids}).completed);
}

TEST_CASE("in legacy mode nobody has PASIDs or tables of user space") {
  CHECK(World({legacy_mode}, false).completed);
}

TEST_CASE("a table of user space lies over a second stage of the host") {
  CHECK(World({nested}).completed);
}

TEST_CASE("a PASID can have a table of user space") {
  CHECK(World({nested_for_a_pasid}).completed);
}

TEST_CASE("a table of user space that the unit cannot walk is refused") {
  CHECK(World({refused_tables}).completed);
}

TEST_CASE("a device goes on with its owner's table over a second stage that is handed over") {
  const World world({hands_over, takes_over});
  CHECK(world.panic == "");
  CHECK(world.completed);
}
