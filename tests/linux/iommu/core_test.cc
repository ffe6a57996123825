// Groups, DMA owners, and the records that cross a kexec [posted series iommu v5:
// drivers/iommu/liveupdate.c; offsets as in model/linux/iommu/records.h]. The hardware driver is a
// small one of the test: no unit, only page tables.
#include "model/linux/iommu/iommu.h"

#include "model/host/observations.h"
#include "model/linux/base/observations.h"
#include "model/linux/iommu/records.h"
#include "tests/luo/luo_fixture.h"

namespace {

using namespace baton;
using namespace baton::test;
using linux::Result;
using linux::iommu::Domain;
using linux::iommu::PageTable;

constexpr PhysAddr kUnit{0xFED9'0000};
constexpr std::uint64_t kToken = 0x123456;
constexpr std::uint64_t kOwner = 0xFFFF'8880'0000'1000;

class TestDomain final : public Domain {
 public:
  explicit TestDomain(PageTable table) : table_(table) {}
  void release() override { table_.release(); }
  Result<> map(Iova iova, PhysAddr to, std::uint64_t length, linux::iommu::Prot prot) override {
    return table_.map(iova, to, length, prot);
  }
  Result<> unmap(Iova iova, std::uint64_t length) override {
    std::vector<PhysAddr> freed;
    auto done = table_.unmap(iova, length, freed);
    table_.free_tables(freed);
    return done;
  }
  std::optional<PhysAddr> lookup(Iova iova) const override { return table_.lookup(iova); }
  Iova last() const override { return table_.last(); }
  void for_each_table(const std::function<void(PhysAddr, unsigned)>& visit) const override {
    table_.for_each_table(visit);
  }
  PhysAddr top_table() const override { return table_.top_table(); }
  unsigned top_level() const override { return table_.top_level(); }
  unsigned address_bits() const override { return table_.format().address_bits; }

 private:
  PageTable table_;
};

class TestDriver final : public linux::iommu::HardwareDriver {
 public:
  TestDriver(LuoKernel& kernel, Calls& calls) : kernel_(kernel), calls_(calls) {}

  Result<std::unique_ptr<Domain>> alloc_paging(linux::pci::PciDev&,
                                               linux::iommu::DomainUse) override {
    return std::make_unique<TestDomain>(*PageTable::create(kernel_.services, {}));
  }
  Result<std::unique_ptr<Domain>> restore_paging(linux::pci::PciDev&,
                                                 const linux::iommu::TableShape& shape) override {
    return std::make_unique<TestDomain>(PageTable::over(
        kernel_.services, {shape.top_level, shape.bits, true, true, shape.first_stage},
        shape.top_table));
  }
  Result<> probe_device(linux::pci::PciDev&, const linux::iommu::PasidState*) override {
    return {};
  }
  bool attach_deferred(linux::pci::PciDev&) const override { return false; }
  void unpreserve_device(linux::pci::PciDev&) override {}
  void tear_restored_entry(linux::pci::PciDev&, bool) override {}
  Co<> settle() override { co_return; }
  Result<> attach(linux::pci::PciDev&, Domain&) override { return note("attach"); }
  Result<std::unique_ptr<Domain>> alloc_nested(linux::pci::PciDev&, Domain&,
                                               const linux::iommu::UserTable&) override {
    return linux::fail(Errno::kOpNotSupp);
  }
  Result<> attach_pasid(linux::pci::PciDev&, std::uint32_t, Domain&) override {
    return note("attach a PASID");
  }
  void detach_pasid(linux::pci::PciDev&, std::uint32_t) override {
    static_cast<void>(note("detach a PASID"));
  }
  linux::iommu::HardwareInfo hardware_info(linux::pci::PciDev&) const override { return info; }
  void attach_blocking(linux::pci::PciDev&) override { static_cast<void>(note("blocking")); }
  void attach_identity(linux::pci::PciDev&) override { static_cast<void>(note("identity")); }
  Result<std::uint64_t> attachment_id(linux::pci::PciDev&, Domain&) override { return 7; }
  PhysAddr unit_of(linux::pci::PciDev&) const override { return kUnit; }
  Result<UnitState> preserve_unit(PhysAddr) override {
    if (fails) return linux::fail(Errno::kNoMem);
    static_cast<void>(note("preserve unit"));
    return UnitState{PhysAddr(0x4000), {}, {}};
  }
  Result<UnitState> preserve_device(linux::pci::PciDev& dev) override {
    UnitState state{PhysAddr(0x4000), {}, {}};
    state.context_tables[dev.address.bdf.bus() * 2 / 64] = std::uint64_t{1}
                                                           << dev.address.bdf.bus() * 2 % 64;
    return state;
  }
  void unpreserve_unit(PhysAddr) override { static_cast<void>(note("unpreserve unit")); }
  Result<> attach_restored(linux::pci::PciDev&, Domain&, std::uint64_t id) override {
    return fails ? linux::fail(Errno::kInval) : note(fmt::format("attach restored {}", id));
  }
  bool fails = false;
  linux::iommu::HardwareInfo info;

 private:
  Result<> note(std::string call) {
    calls_.push_back(std::move(call));
    return {};
  }
  LuoKernel& kernel_;
  Calls& calls_;
};

// What a kernel has beyond LUO here.
struct Iommu {
  Iommu(LuoKernel& kernel, Calls& calls)
      : core(kernel.services, kernel.kho, kernel.luo),
        driver(kernel, calls),
        handler(kernel, calls) {
    core.set_driver(driver);
    dev.address = {0, Bdf(0x6A, 1, 0)};
    other.address = {0, Bdf(0x6A, 2, 0)};
    CHECK(kernel.luo.register_handler(handler));
    CHECK(kernel.luo.register_flb(handler, core));
  }
  linux::iommu::IommuCore core;
  TestDriver driver;
  TestHandler handler;
  linux::pci::PciDev dev;
  linux::pci::PciDev other;
};

// A domain with leaf tables in two places, attached to the device, owned.
Co<std::unique_ptr<Domain>> owned_domain(Iommu& iommu) {
  AWAIT_OK(iommu.core.probe_device(iommu.dev));
  CHECK(iommu.core.claim_dma_owner(iommu.dev, kOwner));
  auto domain = *iommu.core.alloc_paging(iommu.dev);
  CHECK(domain->map(Iova(0x1000), PhysAddr(0x1000), 0x1000, {}));
  CHECK(domain->map(Iova(0x4000'0000), PhysAddr(0x2000), 0x1000, {}));
  CHECK(iommu.core.attach(iommu.dev, *domain));
  co_return domain;
}

template <class T>
T word(LuoKernel& kernel, PhysAddr at) {
  T value{};
  kernel.port.ram().read(at, std::as_writable_bytes(std::span(&value, 1)));
  return value;
}

template <class T>
void check_error(const Result<T>& result, Errno expected) {
  INFO("not " << linux::name(expected));
  REQUIRE_FALSE(result.has_value());
  CHECK(result.error() == expected);
}

Co<> ownership(LuoKernel& kernel, Calls& calls) {
  Iommu iommu(kernel, calls);
  check_error(iommu.core.claim_dma_owner(iommu.dev, kOwner), Errno::kNoDev);
  AWAIT_OK(iommu.core.probe_device(iommu.dev));
  CHECK(calls == Calls{"identity"});
  CHECK(iommu.core.use_default_domain(iommu.dev));
  check_error(iommu.core.claim_dma_owner(iommu.dev, kOwner), Errno::kPerm);
  iommu.core.unuse_default_domain(iommu.dev);
  CHECK(iommu.core.claim_dma_owner(iommu.dev, kOwner));
  CHECK(iommu.core.claim_dma_owner(iommu.dev, kOwner));
  CHECK(iommu.core.dma_owner(iommu.dev) == kOwner);
  check_error(iommu.core.claim_dma_owner(iommu.dev, kOwner + 1), Errno::kPerm);
  check_error(iommu.core.use_default_domain(iommu.dev), Errno::kBusy);
  check_error(iommu.core.reclaim_dma_owner(iommu.dev, kToken, kOwner), Errno::kPerm);
  iommu.core.release_dma_owner(iommu.dev);
  CHECK(iommu.core.dma_owner(iommu.dev).has_value());
  iommu.core.release_dma_owner(iommu.dev);
  CHECK_FALSE(iommu.core.dma_owner(iommu.dev).has_value());
  CHECK(calls == Calls{"identity", "blocking", "identity"});
}

Co<> refusals(LuoKernel& kernel, Calls& calls) {
  Iommu iommu(kernel, calls);
  const int device = co_await open_device(kernel);
  auto domain = co_await owned_domain(iommu);
  auto unpreserved = *iommu.core.alloc_paging(iommu.dev);
  check_error(iommu.core.preserve_domain(*domain), Errno::kNoEnt);  // no FLB yet
  const int session = co_await create_session(kernel, device, "s");
  AWAIT_EQUAL(preserve_fd(kernel, session, open_test_file(kernel, 1), 1), 0);

  CHECK(iommu.core.preserve_domain(*domain));
  check_error(iommu.core.preserve_domain(*domain), Errno::kBusy);
  check_error(iommu.core.preserve_device(*domain, iommu.other, kToken), Errno::kOpNotSupp);
  AWAIT_OK(iommu.core.probe_device(iommu.other));
  check_error(iommu.core.preserve_device(*domain, iommu.other, kToken), Errno::kInval);
  check_error(iommu.core.preserve_device(*unpreserved, iommu.dev, kToken), Errno::kInval);
  iommu.driver.fails = true;
  check_error(iommu.core.preserve_device(*domain, iommu.dev, kToken), Errno::kNoMem);
  CHECK_FALSE(iommu.core.has_preserved_devices(kUnit));
  iommu.driver.fails = false;
  CHECK(iommu.core.preserve_device(*domain, iommu.dev, kToken));
  CHECK(iommu.core.has_preserved_devices(kUnit));
  check_error(iommu.core.preserve_device(*domain, iommu.dev, kToken), Errno::kBusy);

  iommu.core.unpreserve_device(iommu.dev);
  CHECK_FALSE(iommu.core.has_preserved_devices(kUnit));
  iommu.core.unpreserve_domain(*domain);
  const auto closed = co_await kernel.process.close(session);
  CHECK(closed.has_value());
  check_error(iommu.core.preserve_domain(*domain), Errno::kNoEnt);
}

Co<> records(LuoKernel& kernel, Calls& calls) {
  Iommu iommu(kernel, calls);
  const int device = co_await open_device(kernel);
  const int session = co_await create_session(kernel, device, "s");
  AWAIT_EQUAL(preserve_fd(kernel, session, open_test_file(kernel, 1), 1), 0);
  auto domain = co_await owned_domain(iommu);
  const Result<PhysAddr> record = iommu.core.preserve_domain(*domain);
  REQUIRE(record);
  CHECK(iommu.core.preserve_device(*domain, iommu.dev, kToken));

  CHECK(record->page_offset() == 16);
  CHECK(word<std::uint64_t>(kernel, record->page_base() + 8) == 1);  // nr_objects
  CHECK(word<std::uint32_t>(kernel, *record) == 1);                  // ref_count
  CHECK(word<std::uint32_t>(kernel, *record + 4) == 0);
  CHECK(word<std::uint64_t>(kernel, *record + 8) == domain->top_table().value());
  CHECK(word<std::uint64_t>(kernel, *record + 16) == 3);
  CHECK(word<std::uint32_t>(kernel, *record + 24) == 48);
  CHECK(word<std::uint8_t>(kernel, *record + 28) == 0);
  CHECK(word<std::uint64_t>(kernel, *record + 29) == 0);
  // A second domain lies 37 bytes on.
  auto second = *iommu.core.alloc_paging(iommu.dev);
  CHECK(*iommu.core.preserve_domain(*second) == *record + 37);
  iommu.core.unpreserve_domain(*second);
  CHECK(word<std::uint32_t>(kernel, *record + 37 + 4) == 1);  // DELETED
  CHECK(*iommu.core.preserve_domain(*second) == *record + 2 * 37);
  iommu.core.unpreserve_domain(*second);
  co_await kernel.kexec();
}

Co<> restored(LuoKernel& kernel, Calls& calls) {
  Iommu iommu(kernel, calls);
  calls.clear();
  co_await iommu.core.begin_boot();
  const auto* unit = iommu.core.incoming_unit(kUnit);
  REQUIRE(unit != nullptr);
  CHECK(unit->root_table == PhysAddr(0x4000));
  CHECK(unit->context_tables[0x6A * 2 / 64] == std::uint64_t{1} << 0x6A * 2 % 64);
  CHECK(unit->attachment_ids == std::vector<std::uint64_t>{7});
  CHECK(iommu.core.incoming_unit(PhysAddr(0xFED8'0000)) == nullptr);

  AWAIT_OK(iommu.core.probe_device(iommu.other));
  AWAIT_OK(iommu.core.probe_device(iommu.dev));
  CHECK(calls == Calls{"identity", "attach restored 7"});
  CHECK(iommu.core.dma_owner(iommu.dev) == kToken);
  Domain* domain = iommu.core.attached(iommu.dev);
  REQUIRE(domain != nullptr);
  CHECK(domain->lookup(Iova(0x1000)) == PhysAddr(0x1000));
  CHECK(domain->lookup(Iova(0x4000'0000)) == PhysAddr(0x2000));
  check_error(iommu.core.claim_dma_owner(iommu.dev, kOwner), Errno::kPerm);
  check_error(iommu.core.use_default_domain(iommu.dev), Errno::kBusy);
  check_error(iommu.core.reclaim_dma_owner(iommu.dev, kToken + 1, kOwner), Errno::kPerm);
  CHECK(iommu.core.reclaim_dma_owner(iommu.dev, kToken, kOwner));
  CHECK(iommu.core.dma_owner(iommu.dev) == kOwner);
  // Attaching it again writes nothing.
  CHECK(iommu.core.attach(iommu.dev, *domain));
  CHECK(calls.size() == 2);

  const int device = co_await open_device(kernel);
  const int session = co_await retrieve_session(kernel, device, "s");
  AWAIT_DESCRIPTOR(retrieve_fd(kernel, session, 1));
  AWAIT_EQUAL(finish(kernel, session), 0);
  CHECK(iommu.core.incoming_unit(kUnit) == nullptr);
}

Co<> probe_only(LuoKernel& kernel, Calls& calls) {
  Iommu iommu(kernel, calls);
  co_await iommu.core.begin_boot();
  AWAIT_OK(iommu.core.probe_device(iommu.dev));
}

Co<> refuse_restored(LuoKernel& kernel, Calls& calls) {
  Iommu iommu(kernel, calls);
  co_await iommu.core.begin_boot();
  iommu.driver.fails = true;
  AWAIT_OK(iommu.core.probe_device(iommu.dev));
}

WorldConfig plain() {
  WorldConfig config;
  config.iommu = false;
  return config;
}

std::string panic_after(linux::Defect defect) {
  Calls calls;
  WorldConfig config = plain();
  config.kernels.front().defects.add(defect);
  LuoWorld world({with(records, calls), with(probe_only, calls)}, config);
  world.run();
  return world.panic();
}

// Runs `records`, changes the page of domain records at the jump, and boots.
std::string panic_with_damage(std::uint64_t offset, std::uint64_t value) {
  Calls calls;
  LuoWorld world({with(records, calls), with(probe_only, calls)}, plain());
  PhysAddr page;
  world.simulation().topic<linux::LedgerEntry>().subscribe([&](const linux::LedgerEntry& entry) {
    if (entry.generation == 0 && entry.event == linux::LedgerEvent::kPreserved &&
        entry.kind == linux::LedgerKind::kDomain) {
      page = PhysAddr(entry.id).page_base();
    }
  });
  world.simulation().topic<host::KernelJumped>().subscribe([&](const host::KernelJumped&) {
    sim::PhysicalMemory& ram = world.machine().memory();
    ram.write(page + offset, std::as_bytes(std::span(&value, 1)));
  });
  world.run();
  return world.panic();
}

}  // namespace

TEST_CASE("A group has one DMA owner, or drivers on the default domain") {
  Calls calls;
  LuoWorld world({with(ownership, calls)}, plain());
  world.run();
  CHECK(world.completed(0));
}

TEST_CASE("Preserving a domain or a device is refused in the core's order of checks") {
  Calls calls;
  LuoWorld world({with(refusals, calls)}, plain());
  world.run();
  CHECK(world.completed(0));
}

TEST_CASE("After preserve and unpreserve no page stays marked") {
  Calls calls;
  LuoWorld world({with(refusals, calls)}, plain());
  std::map<PhysAddr, int> marked;
  world.simulation().topic<linux::LedgerEntry>().subscribe([&](const linux::LedgerEntry& entry) {
    if (entry.kind != linux::LedgerKind::kTable) return;
    marked[entry.pages.start] += entry.event == linux::LedgerEvent::kPreserved     ? 1
                                 : entry.event == linux::LedgerEvent::kUnpreserved ? -1
                                                                                   : 0;
  });
  world.run();
  CHECK(marked.size() > 4);
  for (const auto& [page, count] : marked) {
    CHECK(count == 0);
  }
}

TEST_CASE("The next kernel finds units, domains and owners in the records of the old one") {
  Calls calls;
  LuoWorld world({with(records, calls), with(restored, calls)}, plain());
  world.run();
  CHECK(world.panic().empty());
  CHECK(world.completed(1));
}

TEST_CASE("What was not preserved for a running device is a panic of the next kernel") {
  CHECK(panic_after(linux::Defect::kIommuSkipPageTable).find("page table") != std::string::npos);
  CHECK(panic_after(linux::Defect::kIommuSkipRecords).find("record array") != std::string::npos);
}

TEST_CASE("A restored domain that cannot be attached is a panic") {
  Calls calls;
  LuoWorld world({with(records, calls), with(refuse_restored, calls)}, plain());
  world.run();
  CHECK(world.panic().find("cannot attach") != std::string::npos);
}

TEST_CASE("Records that make no sense are a panic, never more") {
  CHECK(panic_with_damage(8, 111).find("corrupt") != std::string::npos);  // more than fit
  CHECK(panic_with_damage(0, 0xDEAD'0000'0000).find("record array") != std::string::npos);
  CHECK(panic_with_damage(16 + 8, 0xDEAD'BEEF'F000).find("page table") != std::string::npos);
  CHECK(panic_with_damage(16 + 8, 0x1008).find("page table") != std::string::npos);
  CHECK(panic_with_damage(16 + 16, 1000).find("page table") != std::string::npos);
  CHECK(panic_with_damage(16 + 4, linux::iommu::kRecordDeleted).find("no record") !=
        std::string::npos);
}
